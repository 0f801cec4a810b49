"""QLoRA: the language model's layers in four bits, everything else as it was, and a step that learns."""

import json
import shutil
from pathlib import Path

import pytest
import torch

import emo_toolkit.checkpoints
from emo_toolkit.checkpoints import load
from emo_toolkit.errors import CheckpointError
from emo_toolkit.model import EmoLlamaConfig, EmoLlamaForConditionalGeneration
from train import finetune


@pytest.fixture
def wide(tiny: Path, tmp_path: Path) -> Path:
    """`tiny` with layers as wide as bitsandbytes packs them on a CPU: multiples of 32."""
    folder = shutil.copytree(tiny, tmp_path / "wide")
    values = json.loads((folder / "config.json").read_text())
    values["text_config"] |= {"hidden_size": 64, "intermediate_size": 128, "head_dim": 16}
    (folder / "config.json").write_text(json.dumps(values))
    torch.manual_seed(0)
    EmoLlamaForConditionalGeneration(EmoLlamaConfig.from_pretrained(folder)).save_pretrained(folder)
    return folder


def test_without_bitsandbytes_it_is_said(tiny, monkeypatch):
    monkeypatch.setattr(emo_toolkit.checkpoints, "is_bitsandbytes_available", lambda: False)
    with pytest.raises(CheckpointError, match="which is not installed: pip install bitsandbytes"):
        load(str(tiny), quantization="4bit")


def test_only_the_layers_are_quantised(wide):
    pytest.importorskip("bitsandbytes")
    whole, small = (load(str(wide), quantization=how, device="cpu").model for how in ("none", "4bit"))
    packed = {name for name, module in small.named_modules() if type(module).__name__ == "Linear4bit"}
    assert packed == {f"language_model.layers.{layer}.{name}" for layer in (0, 1) for name in PROJECTIONS}
    layer = "language_model.layers.1.mlp.up_proj.weight"
    assert small.get_parameter(layer).nbytes * 8 == whole.get_parameter(layer).nbytes
    assert small.get_parameter(layer).quant_state.nested and small.get_parameter(layer).quant_state.quant_type == "nf4"
    for name, value in whole.named_parameters():
        if name.removesuffix(".weight") not in packed:
            torch.testing.assert_close(small.get_parameter(name), value)


def test_a_run_in_four_bits(recipe, watched, wide, tmp_path):
    pytest.importorskip("bitsandbytes")
    finetune.main([str(recipe), f"checkpoint={wide}", "quantization=4bit", "lora.steps=2", "align.epochs=0.5"])
    adapted = load(str(tmp_path / "run" / "adapter"), device="cpu")  # on the whole base
    assert type(adapted.model.language_model.layers[0].mlp.up_proj) is torch.nn.Linear
    with pytest.raises(SystemExit, match="is an adapter; only a whole checkpoint can be loaded in 4 bits"):
        finetune.main([str(recipe), f"checkpoint={tmp_path / 'run' / 'adapter'}", "quantization=4bit"])


PROJECTIONS = (
    *(f"self_attn.{name}_proj" for name in "qkvo"),
    *(f"mlp.{name}_proj" for name in ("gate", "up", "down")),
)
