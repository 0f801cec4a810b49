"""Resumable training state as one safetensors file: trainable weights, AdamW moments and the step, written atomically.

No pickle, and no random state: every step's randomness is a function of the seed and the step.
"""

import json
import os
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn


def save_state(path: Path, module: nn.Module, optimizer: torch.optim.Optimizer, step: int) -> None:
    """Writes the state after `step` finished steps; an interrupted write leaves the older file."""
    tensors = {f"weight/{name}": value.detach().contiguous() for name, value in trainable(module).items()}
    names = {id(value): name for name, value in trainable(module).items()}
    for parameter, moments in optimizer.state.items():
        for key, value in moments.items():
            tensors[f"{key}/{names[id(parameter)]}"] = torch.as_tensor(value).clone().contiguous()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    try:
        save_file(tensors, partial, metadata={"step": json.dumps(step)})
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def load_state(path: Path, module: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Puts a saved state back and returns the number of finished steps; 0 when there is no file."""
    if not path.is_file():
        return 0
    parameters = trainable(module)
    with safe_open(path, framework="pt") as saved, torch.no_grad():
        saved_names = set(saved.keys())
        missing = {f"weight/{name}" for name in parameters} - saved_names
        if missing:
            raise ValueError(f"{path} is of another model: it lacks {sorted(missing)[0]} and {len(missing) - 1} more")
        for name, parameter in parameters.items():
            parameter.copy_(saved.get_tensor(f"weight/{name}"))
        for key in saved_names:
            kind, _, name = key.partition("/")
            if kind != "weight":
                optimizer.state[parameters[name]][kind] = saved.get_tensor(key)
        return int(json.loads(saved.metadata()["step"]))


def trainable(module: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that learn, by name."""
    return {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}
