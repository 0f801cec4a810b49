"""An ONNX file that holds DINOv2 ViT-S/14 -> transformers' Dinov2Model in float32.

Tensors with a name keep it; the exporter left matrices and position embedding nameless, and their nodes tell the name.
"""

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from transformers import Dinov2Config, Dinov2Model

from ..errors import CheckpointError

HIDDEN = 384
LAYERS = 12
HEADS = 6
IMAGE, PATCH = 518, 14  # pixels; 37 x 37 patches, to which other sizes are interpolated
NAMELESS = "onnx::"


def load_vision_tower(path: Path) -> Dinov2Model:
    """DINOv2 ViT-S/14, 22.06 M parameters, float32, in eval mode, every weight from the file.

    Only the mask token is not in the file; inference never reads it, and it is zero.

    Raises:
        CheckpointError: the file is not the whole network.
    """
    try:
        graph = onnx.load(path).graph
    except Exception as error:  # protobuf's own errors pass through onnx
        raise CheckpointError(f"{path} cannot be read as ONNX: {error}") from error
    weights = _backbone(graph)
    weights["embeddings.mask_token"] = np.zeros((1, HIDDEN), np.float32)
    model, loading = Dinov2Model.from_pretrained(
        None,
        config=Dinov2Config(
            hidden_size=HIDDEN, num_hidden_layers=LAYERS, num_attention_heads=HEADS, image_size=IMAGE, patch_size=PATCH
        ),
        state_dict={name: torch.from_numpy(np.array(weight, order="C")) for name, weight in weights.items()},
        dtype=torch.float32,
        ignore_mismatched_sizes=True,  # they are refused below, in words
        output_loading_info=True,
    )
    if wrong := [*loading["missing_keys"], *loading["unexpected_keys"], *loading["mismatched_keys"]]:
        raise CheckpointError(f"{path} is not a whole DINOv2 ViT-S/14; {len(wrong)} tensors do not fit, as {wrong[0]}")
    return model.eval()


def _backbone(graph: onnx.GraphProto) -> dict[str, np.ndarray]:
    """All tensors but the decoder's, under the names that transformers 4 gave them and transformers 5 still reads."""
    stored = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    weights = {
        name.removeprefix("backbone."): tensor for name, tensor in stored.items() if name.startswith("backbone.")
    }
    position = []
    for node in graph.node:
        module = node.name.removeprefix("/backbone/").removesuffix("/MatMul").replace("/", ".")
        for tensor in (stored[name] for name in node.input if name in stored and name.startswith(NAMELESS)):
            if node.op_type == "MatMul":
                weights[f"{module}.weight"] = tensor.T  # ONNX (in, out), torch (out, in)
            elif node.name.startswith("/backbone/embeddings/"):
                position.append(tensor)  # (1, 1369, 384) for the patches, then (1, 1, 384) for the class token
    if position:
        weights["embeddings.position_embeddings"] = np.concatenate(position[::-1], axis=1)  # (1, 1370, 384)
    return weights
