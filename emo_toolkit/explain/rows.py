"""Rows of the language model's attention, read while it runs under SDPA: chosen positions only, never a full matrix.

q and k of one attention call -> softmax(q_row k^T) for the wanted rows -> (positions, layers, heads, S) on the CPU.
"""

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

WATCHED = "sdpa_watched"  # SDPA that shows each call to whoever watches in this thread


class AttentionCall(NamedTuple):
    """One layer's attention: query (B, H, T, d), key and value (B, KV heads, S, d) after RoPE and cache, mask (B or 1,
    1, T, S), bool or added to the scores, or None for plain causal attention, output (B, T, H, d)."""

    layer: int
    query: torch.Tensor
    key: torch.Tensor
    value: torch.Tensor
    mask: torch.Tensor | None
    scaling: float
    output: torch.Tensor

    @property
    def first(self) -> int:
        """The position of the first query: what came before lies in the cache."""
        return self.key.shape[2] - self.query.shape[2]

    def rows(self, positions: Sequence[int]) -> torch.Tensor:
        """Attention (B, H, R, S) of R positions, each at least `first`, in float32, by the arithmetic of eager."""
        key, alone = self.key, self.query.shape[2] == 1  # alone: one step of decoding
        places = slice(None) if alone else torch.tensor(positions, device=key.device) - self.first
        asked = self.query[:, :, places] * self.scaling  # (B, H, R, d)
        scores = asked.unflatten(1, (key.shape[1], -1)).flatten(2, 3) @ key.mT  # (B, KV heads, group * R, S)
        scores = scores.view(*asked.shape[:3], -1).float()
        if self.mask is not None:
            mask = self.mask[:, :, places, : key.shape[2]]
            scores = scores + mask if mask.is_floating_point() else scores.masked_fill(~mask, -torch.inf)
        elif not alone:
            unseen = (
                torch.arange(key.shape[2], device=key.device) > torch.tensor(positions, device=key.device)[:, None]
            )
            scores = scores.masked_fill(unseen, -torch.inf)
        return scores.softmax(-1)


Watcher = Callable[[AttentionCall], None]
_watcher: ContextVar[Watcher | None] = ContextVar("watcher", default=None)
_switch = threading.RLock()  # one watch at a time may switch a model's attention over and back


def _attend(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    output, _ = sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **kwargs)
    if watcher := _watcher.get():
        watcher(AttentionCall(module.layer_idx, query, key, value, attention_mask, scaling, output))
    return output, None


ALL_ATTENTION_FUNCTIONS.register(WATCHED, _attend)
ALL_MASK_ATTENTION_FUNCTIONS.register(WATCHED, ALL_MASK_ATTENTION_FUNCTIONS["sdpa"])


@contextmanager
def watching(language_model: PreTrainedModel, watcher: Watcher) -> Iterator[None]:
    """Shows `watcher` every attention call that this thread makes; the model computes the very same numbers.

    A second watch, of another thread, waits until the first has ended. Afterwards, also after an exception, the model
    is as before.

    Raises:
        ValueError: for a model that does not run under SDPA, because its rows would not be those of its answer.
    """
    with _switch:
        before = language_model.config._attn_implementation
        if before not in ("sdpa", WATCHED):
            raise ValueError(f"attention is read under sdpa, but this language model runs under {before}")
        language_model.set_attn_implementation(WATCHED)
        token = _watcher.set(watcher)
        try:
            yield
        finally:
            _watcher.reset(token)
            language_model.set_attn_implementation(before)


class RowCapture:
    """Keeps attention rows of one sequence (or of a batch of equal length) while it is read and continued.

        capture = RowCapture(model.language_model, positions=[10, 11], onward=12)
        with capture:
            model(...)
        rows = capture.rows([11, 12])

    It may be entered again, and goes on with the same sequence. Memory: positions x layers x heads x S numbers.

    Args:
        language_model: a LLaMA of transformers under SDPA, with a dynamic cache or none.
        positions: of the rows to keep; with left padding, the padding counts.
        onward: also keep every row from this position on; None keeps no other.
        dtype: of what is kept.
    """

    def __init__(
        self,
        language_model: PreTrainedModel,
        *,
        positions: Collection[int] = (),
        onward: int | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.language_model, self.dtype = language_model, dtype
        self.positions, self.onward = frozenset(positions), onward
        # Positions of one call -> (B, H, R, S) of each layer; when the watch ends, (B, layers, H, R, S) on the CPU.
        self._running: dict[tuple[int, ...], list[torch.Tensor]] = {}
        self._kept: dict[tuple[int, ...], torch.Tensor] = {}

    def __enter__(self) -> "RowCapture":
        self._watch = watching(self.language_model, self._keep)
        self._watch.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: Any) -> None:
        try:
            if kind is None:
                self._kept |= {places: torch.stack(layers, 1).cpu() for places, layers in self._running.items()}
        finally:
            self._running = {}
            self._watch.__exit__(kind, *error)

    @property
    def nbytes(self) -> int:
        """Memory of the rows kept."""
        return sum(rows.nbytes for rows in self._kept.values())

    def rows(self, positions: Sequence[int], *, batch: int = 0) -> np.ndarray:
        """Rows (R, layers, heads, S) of one member of the batch, in float32; each sums to 1.

        S reaches to the last of `positions`; a row is zero behind its own position.

        Raises:
            KeyError: for a position that was not kept.
        """
        where = {position: (kept, place) for kept in self._kept for place, position in enumerate(kept)}
        config = self.language_model.config
        length = max(positions, default=-1) + 1
        found = np.zeros((len(positions), config.num_hidden_layers, config.num_attention_heads, length), np.float32)
        for row, position in zip(found, positions, strict=True):
            kept, place = where[position]
            rows = self._kept[kept][batch, :, :, place, :length].float()
            row[..., : rows.shape[-1]] = rows
        return found

    def _keep(self, call: AttentionCall) -> None:
        wanted = tuple(
            position
            for position in range(call.first, call.key.shape[2])
            if position in self.positions or (self.onward is not None and position >= self.onward)
        )
        if wanted:
            self._running.setdefault(wanted, []).append(call.rows(wanted).to(self.dtype))
