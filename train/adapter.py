"""The adapter of a run: fresh LoRA matrices around the language model, and the two files that are handed on.

run.model -> PeftModel that learns -> OUTPUT/adapter, float16.
"""

import os
import shutil
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model

from train.learner import trainable
from train.run import Run

FILES = ("adapter_model.safetensors", "adapter_config.json")


def wrap(run: Run) -> PeftModel:
    """The model with fresh LoRA matrices, and the modules of stage 1 as trainable copies."""
    values = run.arguments.lora
    config = LoraConfig(
        r=values.rank,
        lora_alpha=values.alpha,
        lora_dropout=values.dropout,
        target_modules=values.target_modules,
        modules_to_save=list(values.modules_to_save),
        task_type="CAUSAL_LM",
    )
    if run.device.type == "cpu":  # torch's fused attention is slow backwards there: 3.7 s a step of mini, now 2.7
        run.model.language_model.set_attn_implementation("eager")
    torch.manual_seed(run.arguments.seed)
    model = get_peft_model(run.model.requires_grad_(False), config)
    if values.gradient_checkpointing:
        run.model.language_model.gradient_checkpointing_enable({"use_reentrant": False})
    model.peft_config["default"].base_model_name_or_path = run.arguments.checkpoint
    count = sum(value.numel() for value in trainable(model).values())
    run.say(f"{count / 1e6:.2f} M trainable parameters, {2 * count / 2**20:.1f} MiB as float16")
    return model


def export_adapter(model: PeftModel, folder: Path, learnt: dict[str, torch.Tensor] | None = None) -> None:
    """Writes the two files, each whole or not at all.

    Args:
        learnt: the weights that learn, whole, by name; None takes them as they are in `model`.
    """
    learnt = learnt or dict(model.named_parameters())  # not state_dict: in one process alone it upsets FSDP
    state = {
        name: value.detach().to(torch.float16)
        for name, value in learnt.items()
        if "lora_" in name or "modules_to_save" in name
    }
    partial = folder.with_name(f"{folder.name}.partial")
    try:
        model.save_pretrained(partial, state_dict=state, save_embedding_layers=False)
        folder.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            os.replace(partial / name, folder / name)
    finally:
        shutil.rmtree(partial, ignore_errors=True)  # with PEFT's model card, an empty form
