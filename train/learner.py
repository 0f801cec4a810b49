"""What learns: the weights, their AdamW, and how several processes make one step of it.

Each process has its share of the rows and gradients are averaged. The modules of ours are whole in every process; the
language model's layers may be sharded: by FSDP2 here, by DeepSpeed in train/zero.py.
"""

import math
import os
from collections.abc import Callable

import torch
import torch.distributed as dist
from accelerate import Accelerator, FullyShardedDataParallelPlugin
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import CPUOffloadPolicy, FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from emo_toolkit.errors import EmoError

MOMENTS = ("exp_avg", "exp_avg_sq", "step")  # what AdamW keeps of a weight


def rate_factor(step: int, steps: int, warmup: float) -> float:
    """What the learning rates are multiplied by: a linear warm-up over a share of the steps, then a half cosine to a
    tenth. A function of the step, so that a resumed run needs no memory of it."""
    rise = max(1, round(warmup * steps))
    done = min(1.0, max(0.0, (step - rise) / max(1, steps - rise)))
    return min((step + 1) / rise, 0.1 + 0.45 * (1 + math.cos(math.pi * done)))


def trainable(module: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that learn, by name."""
    return {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}


def sharing() -> str:
    """How `accelerate launch` was told to share the model out: "fsdp", "zero", or "": each process has a copy."""
    flags = {"fsdp": "ACCELERATE_USE_FSDP", "zero": "ACCELERATE_USE_DEEPSPEED"}
    return next((kind for kind, flag in flags.items() if os.environ.get(flag, "").lower() == "true"), "")


def shard(language_model: nn.Module, device: torch.device) -> FSDPModule:
    """Shards the layers over all processes, in place (FSDP2). The word embeddings stay whole: frame tokens and the
    Q-Formers' questions meet them outside the language model.

    Raises:
        EmoError: for an accelerate config that says something else than train/accelerate/fsdp.yaml can.
    """
    plugin = FullyShardedDataParallelPlugin()  # from the environment that `accelerate launch` set
    if plugin.fsdp_version != 2 or isinstance(plugin.cpu_offload, CPUOffloadPolicy):
        raise EmoError("only fsdp_version: 2 without offload is known here; see train/accelerate/fsdp.yaml")
    mesh = init_device_mesh(device.type, (dist.get_world_size(),))
    for layer in language_model.layers:
        fully_shard(layer, mesh=mesh, reshard_after_forward=plugin.reshard_after_forward)
    return fully_shard(language_model, mesh=mesh, ignored_params={language_model.get_input_embeddings().weight})


class Learner:
    """Weights that learn and their AdamW.

    Args:
        parameters: the weights by name; sharded ones are DTensors.
        options: the AdamW options of a weight by its name, as {"lr": 1e-4, "weight_decay": 0.0}.
        max_grad_norm: of all weights together, over all processes; 0: not clipped.
        sharded: the module that `shard` returned.
    """

    def __init__(
        self,
        accelerator: Accelerator,
        parameters: dict[str, nn.Parameter],
        options: Callable[[str], dict[str, float]],
        *,
        max_grad_norm: float = 0.0,
        sharded: FSDPModule | None = None,
    ) -> None:
        self.accelerator, self.parameters = accelerator, parameters
        self.max_grad_norm, self.sharded = max_grad_norm, sharded
        self.names = list(parameters)
        self.optimizer = torch.optim.AdamW(grouped(parameters, options))

    def backward(self, loss: torch.Tensor, *, last: bool = True) -> None:
        """Adds to the gradients; `last`: no other part of this step follows."""
        if self.sharded is not None:
            self.sharded.set_requires_gradient_sync(last)
        scaler = self.accelerator.scaler  # None but in float16
        (loss if scaler is None else scaler.scale(loss)).backward()

    def step(self, factor: float) -> None:
        """One step of AdamW along the mean gradient of all processes, with the learning rates times `factor`."""
        set_rates(self.optimizer, factor)
        self._average()
        scaler = self.accelerator.scaler
        if scaler is not None:
            scaler.unscale_(self.optimizer)
        if self.max_grad_norm:
            self._clip()
        if scaler is None:
            self.optimizer.step()
        else:
            scaler.step(self.optimizer)
            scaler.update()
        self.optimizer.zero_grad()

    def state(self) -> dict[str, torch.Tensor]:
        """Every weight and its moments, whole and on the CPU, as "weight/NAME", "exp_avg/NAME" ...; empty but in the
        main process. All processes call it together."""
        found = {}
        for name, parameter in self.parameters.items():
            moments = {key: torch.as_tensor(value) for key, value in self.optimizer.state.get(parameter, {}).items()}
            for key, value in {"weight": parameter.detach(), **moments}.items():
                full = value.full_tensor() if isinstance(value, DTensor) else value
                if self.accelerator.is_main_process:
                    found[f"{key}/{name}"] = full.to("cpu", copy=True).contiguous()
        return found

    def load(self, saved: Callable[[str], torch.Tensor | None]) -> None:
        """Puts a state back.

        Args:
            saved: the tensor of a key of `state`; None where there is no such moment.
        """
        for name, parameter in self.parameters.items():
            with torch.no_grad():
                parameter.copy_(like(parameter, saved(f"weight/{name}")))
            moments = {key: saved(f"{key}/{name}") for key in MOMENTS}
            for key, value in moments.items():
                if value is not None:
                    self.optimizer.state[parameter][key] = value if key == "step" else like(parameter, value)

    def _average(self) -> None:
        """Averages what FSDP does not: the gradients of weights that every process has whole."""
        processes = self.accelerator.num_processes
        if processes == 1:
            return
        copies = [value for value in self.parameters.values() if not isinstance(value, DTensor)]
        used = torch.tensor([float(value.grad is not None) for value in copies], device=self.accelerator.device)
        dist.all_reduce(used)
        waiting = []
        for value, anywhere in zip(copies, used.tolist(), strict=True):
            if anywhere:
                value.grad = torch.zeros_like(value) if value.grad is None else value.grad.div_(processes)
                waiting.append(dist.all_reduce(value.grad, async_op=True))
        for each in waiting:
            each.wait()

    def _clip(self) -> None:
        gradients = [value.grad for value in self.parameters.values() if value.grad is not None]
        parts = [[each for each in gradients if isinstance(each, DTensor) == kind] for kind in (False, True)]
        norms = [torch.nn.utils.get_total_norm(part) for part in parts if part]
        whole = [float(norm.full_tensor() if isinstance(norm, DTensor) else norm) for norm in norms]
        factor = self.max_grad_norm / (math.hypot(*whole) + 1e-6)
        if factor < 1:
            for each in gradients:
                each.mul_(factor)


def grouped(parameters: dict[str, nn.Parameter], options: Callable[[str], dict[str, float]]) -> list[dict]:
    """AdamW's groups: weights of like options and kind together, because one operation cannot take both kinds."""
    groups: dict[tuple, dict] = {}
    for name, parameter in parameters.items():
        chosen = options(name)
        key = (*sorted(chosen.items()), isinstance(parameter, DTensor))
        group = groups.setdefault(key, {"params": [], "initial_lr": chosen["lr"], **chosen})
        group["params"].append(parameter)
    return list(groups.values())


def set_rates(optimizer: torch.optim.Optimizer, factor: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"] * factor


def like(parameter: nn.Parameter, value: torch.Tensor) -> torch.Tensor:
    """A whole tensor on the parameter's device, shared out as the parameter is."""
    value = value.to(parameter.device)
    if isinstance(parameter, DTensor):
        return distribute_tensor(value, parameter.device_mesh, parameter.placements)
    return value
