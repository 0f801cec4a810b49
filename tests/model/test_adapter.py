"""LoRA and the trained modules as a two-file PEFT adapter: where it reaches, and that it survives the way to disk."""

import copy
import json

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from tiny_inputs import random_batch

from emo_toolkit.pipeline import EmoPipeline
from train.adapter import export_adapter
from train.arguments import LoraArguments

VALUES = LoraArguments()


@pytest.fixture
def adapted(tiny_pipeline: EmoPipeline) -> PeftModel:
    """`tiny` with random LoRA matrices, and trained modules that differ from the base."""
    torch.manual_seed(0)
    config = LoraConfig(
        r=2,
        lora_alpha=4,
        target_modules=VALUES.target_modules,
        modules_to_save=list(VALUES.modules_to_save),
        init_lora_weights=False,
        base_model_name_or_path=tiny_pipeline.checkpoint.name,
    )
    model = get_peft_model(copy.deepcopy(tiny_pipeline.model), config).eval()
    with torch.no_grad():
        for name, value in model.named_parameters():
            if "modules_to_save" in name:
                value += 0.05 * torch.randn_like(value)
    return model


def test_lora_reaches_the_language_model_only(adapted):
    hit = [name for name, _ in adapted.named_modules() if name.endswith(".lora_A")]
    layers = adapted.config.text_config.num_hidden_layers
    assert len(hit) == 7 * layers and all("language_model.layers" in name for name in hit)


def test_what_learns_is_lora_and_our_modules(adapted, tiny_pipeline):
    batch = random_batch(tiny_pipeline.processor, [0, 1], answers=["happiness", "fear"])
    adapted(**batch).loss.backward()
    learning = {name for name, value in adapted.named_parameters() if value.requires_grad}
    assert all("lora_" in name or "modules_to_save.default" in name for name in learning)
    assert {name for name, value in adapted.named_parameters() if value.grad is not None} <= learning
    for part in VALUES.modules_to_save:  # the copies learn, not the base behind them
        grads = [value.grad for name, value in adapted.named_parameters() if f".{part}.modules_to_save" in name]
        assert grads and all(grad is not None for grad in grads) and any(grad.any() for grad in grads), part


@torch.no_grad()
def test_round_trip_equals_merged(adapted, tiny_pipeline, tmp_path):
    export_adapter(adapted, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]
    assert json.loads((tmp_path / "adapter_config.json").read_text())["base_model_name_or_path"]
    inputs = random_batch(tiny_pipeline.processor, [0, 1])
    expected = adapted(**inputs).logits
    merged = PeftModel.from_pretrained(copy.deepcopy(tiny_pipeline.model), tmp_path).merge_and_unload()
    torch.testing.assert_close(merged(**inputs).logits, expected, atol=0.02, rtol=0.02)  # stored as float16
    assert not torch.allclose(tiny_pipeline.model(**inputs).logits, expected, atol=0.2)
    torch.testing.assert_close(adapted.merge_and_unload()(**inputs).logits, expected, atol=1e-4, rtol=1e-4)
