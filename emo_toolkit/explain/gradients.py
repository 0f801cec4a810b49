"""Gradient x attention toward one answer, with no attention matrix in the graph: the weights' gradient is rebuilt.

Where o = A v, dA = do v^T: what is needed is the gradient of each attention's output, for chosen rows alone.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import BatchFeature

from ..model import EmoLlamaForConditionalGeneration, FaceInfoMiningOutput
from ..schema import LabelGradients
from .rows import AttentionCall, watching

Mined = dict[nn.MultiheadAttention, tuple[torch.Tensor, torch.Tensor]]  # context and output of each cross-attention


def label_gradients(
    model: EmoLlamaForConditionalGeneration, batch: BatchFeature, face: FaceInfoMiningOutput, answer: Sequence[int]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Attention times gradient of log p(answer | prompt), by one forward and one backward pass.

    Args:
        batch: the processor's inputs of one prompt.
        face: its Face Info Mining maps.
        answer: token ids of the whole answer, with its end of turn.

    Returns:
        For the language model (layers, heads, S), summed over the rows that say the answer, S up to the last of
        them; for the global map (F, heads, P, E); for the local map (F, heads, L, P).
    """
    ids = torch.tensor([list(answer)], device=batch["input_ids"].device)
    said = list(range(batch["input_ids"].shape[1] - 1, batch["input_ids"].shape[1] + len(answer) - 1))
    calls: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []

    def keep(call: AttentionCall) -> None:
        with torch.no_grad():
            calls.append((call.rows(said), call.value.detach(), call.output))

    branches = model.face_info_mining.global_branch, model.face_info_mining.local_branch
    looks = [branch.attention.attention for branch in branches]
    with torch.enable_grad(), watching(model.language_model, keep), _mining(looks) as mined:
        logits = model(**_continued(model, batch, ids[:, :-1]), logits_to_keep=len(answer)).logits
        log_p = logits.float().log_softmax(-1).gather(2, ids.unsqueeze(2)).sum()
        outputs = [mined[look][1] for look in looks] + [output for *_, output in calls]
        slopes = torch.autograd.grad(log_p, outputs)
    weights = face.global_attention, face.local_attention
    with torch.no_grad():
        rows = [
            _row_gradients(row, value, slope[:, said])
            for (row, value, _), slope in zip(calls, slopes[2:], strict=True)
        ]
        maps = [
            attention * _weight_gradients(look, mined[look][0], slope)
            for look, slope, attention in zip(looks, slopes[:2], weights, strict=True)
        ]
    return torch.stack(rows), *maps


def pack_gradients(
    label: str, rows: torch.Tensor, global_map: torch.Tensor, local_map: torch.Tensor, *, length: int
) -> LabelGradients:
    """Each map over its largest value, in float16, the rows cut or filled up to `length` positions."""
    whole = rows.new_zeros(*rows.shape[:2], length)
    width = min(length, rows.shape[-1])
    whole[..., :width] = rows[..., :width]
    return LabelGradients(label, *(_scaled(values) for values in (whole, global_map, local_map)))


def _scaled(values: torch.Tensor) -> np.ndarray:
    values = values.float()
    return (values / values.abs().max().clamp(min=torch.finfo(values.dtype).tiny)).half().cpu().numpy()


def _continued(model: EmoLlamaForConditionalGeneration, batch: BatchFeature, ids: torch.Tensor) -> dict[str, Any]:
    """The inputs with more tokens behind, and vision features in place of pixels: the tower stays out of the graph."""
    inputs = dict(batch)
    with torch.no_grad():
        features = model.get_vision_features(inputs.pop("pixel_values")[0])
    mask = inputs["attention_mask"]
    return inputs | {
        "vision_features": features.unsqueeze(0).detach().requires_grad_(),
        "input_ids": torch.cat([inputs["input_ids"], ids], dim=1),
        "attention_mask": torch.cat([mask, mask.new_ones(ids.shape)], dim=1),
    }


@contextmanager
def _mining(looks: Sequence[nn.MultiheadAttention]) -> Iterator[Mined]:
    """Collects context and output of cross-attentions that this thread calls."""
    mined: Mined = {}
    here = threading.get_ident()

    def keep(look: nn.MultiheadAttention, inputs: tuple[torch.Tensor, ...], output: tuple[torch.Tensor, Any]) -> None:
        if threading.get_ident() == here:
            mined[look] = inputs[1], output[0]

    hooks = [look.register_forward_hook(keep) for look in looks]
    try:
        yield mined
    finally:
        for hook in hooks:
            hook.remove()


def _row_gradients(rows: torch.Tensor, value: torch.Tensor, slope: torch.Tensor) -> torch.Tensor:
    """rows (1, H, R, S), value (1, KV heads, S, d), slope of the output (1, R, H, d) -> (H, S), summed over rows."""
    groups = slope.transpose(1, 2).unflatten(1, (value.shape[1], -1))  # (1, KV heads, group, R, d)
    return (rows * (groups @ value.unsqueeze(2).mT).flatten(1, 2)).sum(2)[0]


def _weight_gradients(look: nn.MultiheadAttention, context: torch.Tensor, slope: torch.Tensor) -> torch.Tensor:
    """context (N, K, C), slope of the output (N, S, C) -> gradient of the weights (N, heads, S, K)."""
    size, heads = look.embed_dim, (look.num_heads, -1)
    value = nn.functional.linear(context, look.in_proj_weight[2 * size :], look.in_proj_bias[2 * size :])
    before = (slope @ look.out_proj.weight).unflatten(-1, heads).transpose(1, 2)  # (N, heads, S, d)
    return before @ value.unflatten(-1, heads).transpose(1, 2).mT
