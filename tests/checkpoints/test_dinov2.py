"""The vision tower gives the ONNX file's own tokens, and a file that is not whole is refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from transformers import Dinov2Model

from emo_toolkit.checkpoints.dinov2 import load_vision_tower
from emo_toolkit.errors import CheckpointError


@pytest.fixture(scope="module")
def tower(parts: dict[str, Path]) -> Dinov2Model:
    return load_vision_tower(parts["dinov2"])


def test_tokens_equal_the_onnx_run(tower: Dinov2Model, parts: dict[str, Path]) -> None:
    image = np.random.default_rng(0).standard_normal((1, 3, 224, 224), dtype=np.float32)
    proto = onnx.load(parts["dinov2"])
    (final,) = (node.output[0] for node in proto.graph.node if "backbone.layernorm.bias" in node.input)
    proto.graph.output.append(onnx.helper.make_tensor_value_info(final, onnx.TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    (expected,) = session.run([final], {"input_image": image})  # (1, 257, 384)
    with torch.no_grad():
        tokens = tower(torch.from_numpy(image)).last_hidden_state.numpy()
    assert tokens.shape == expected.shape == (1, 257, 384)
    assert np.abs(expected).max() > 1
    np.testing.assert_allclose(tokens, expected, rtol=0, atol=1e-4)


def test_the_model_is_ready_for_use(tower: Dinov2Model) -> None:
    assert sum(weight.numel() for weight in tower.parameters()) == 22_056_576
    assert all(weight.dtype == torch.float32 and weight.is_contiguous() for weight in tower.parameters())
    assert not tower.training
    assert tower.embeddings.mask_token.abs().max() == 0


def _drop_a_bias(graph: onnx.GraphProto) -> None:
    graph.initializer.remove(next(item for item in graph.initializer if item.name.endswith("layer.3.mlp.fc1.bias")))


def _drop_a_matrix(graph: onnx.GraphProto) -> None:
    graph.initializer.remove(next(item for item in graph.initializer if item.name.startswith("onnx::MatMul")))


def _drop_the_class_position(graph: onnx.GraphProto) -> None:
    graph.initializer.remove(next(item for item in graph.initializer if item.name.startswith("onnx::Concat")))


def _add_a_tensor(graph: onnx.GraphProto) -> None:
    graph.initializer.append(onnx.numpy_helper.from_array(np.zeros(384, np.float32), "backbone.register_tokens"))


def _reshape_a_tensor(graph: onnx.GraphProto) -> None:
    item = next(item for item in graph.initializer if item.name == "backbone.layernorm.weight")
    item.CopyFrom(onnx.numpy_helper.from_array(np.zeros(768, np.float32), item.name))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (_drop_a_bias, "layer.3.mlp.fc1.bias"),
        (_drop_a_matrix, "layer.0.attention"),
        (_drop_the_class_position, "position_embeddings"),
        (_add_a_tensor, "register_tokens"),
        (_reshape_a_tensor, "layernorm.weight"),
    ],
)
def test_a_file_that_is_not_whole_is_refused(
    change: Callable[[onnx.GraphProto], None], named: str, parts: dict[str, Path], tmp_path: Path
) -> None:
    proto = onnx.load(parts["dinov2"])
    change(proto.graph)
    onnx.save(proto, tmp_path / "changed.onnx")
    with pytest.raises(CheckpointError, match=f"1 tensors do not fit.*{named}"):
        load_vision_tower(tmp_path / "changed.onnx")


def test_a_file_that_is_no_network_is_refused(parts: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "part.onnx"
    content = parts["dinov2"].read_bytes()
    for wrong in (content[: len(content) // 2], b"", b"not a network", b"\xff" * 100):
        path.write_bytes(wrong)
        with pytest.raises(CheckpointError, match="part.onnx"):
            load_vision_tower(path)
    with pytest.raises(CheckpointError, match="missing.onnx"):
        load_vision_tower(tmp_path / "missing.onnx")
