"""Which rows make step k: a function of the seed and k alone, so that a resumed run sees what it would have seen.

weights + lengths -> the order of an epoch -> rows of a table -> training rows with cached priors.
"""

import dataclasses
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from datasets import Dataset

from emo_toolkit.data import Instruction, PriorCache, TrainingRow
from emo_toolkit.schema import EmoPrompt, FaceAttributes, FacialPriors
from train.arguments import LoraArguments
from train.mixture import attributes_of

GROUPED = 32  # batches whose rows are put in order of length together


class RowOrder:
    """The rows of every step. Over an epoch each row comes as often as its weight says, to within one.

    Args:
        weights: (R,) how often each row is drawn, beside the others; None: each once an epoch.
        batch_size: rows of a step, over all processes; an epoch's last short batch is dropped.
        lengths: (R,) tokens; when given, batches hold rows of like length.
    """

    def __init__(
        self,
        count: int,
        batch_size: int,
        seed: int,
        *,
        weights: np.ndarray | None = None,
        lengths: Sequence[int] | None = None,
    ) -> None:
        if count < batch_size:
            raise ValueError(f"{count} rows do not fill one batch of {batch_size}")
        self.count, self.batch_size, self.seed = count, batch_size, seed
        self.steps_per_epoch = count // batch_size
        self.weights = np.ones(count) if weights is None else np.asarray(weights, float)
        self.lengths = None if lengths is None else np.asarray(lengths)
        self._epoch, self._batches = -1, np.empty((0, batch_size), int)

    def __getitem__(self, step: int) -> np.ndarray:
        """Row numbers of one step."""
        epoch, place = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._epoch, self._batches = epoch, self._epoch_batches(np.random.default_rng((self.seed, epoch)))
        return self._batches[place]

    def _epoch_batches(self, rng: np.random.Generator) -> np.ndarray:
        edges = np.cumsum(self.weights) / self.weights.sum()
        picks = (np.arange(self.count) + rng.random()) / self.count  # systematic sampling: no row by luck twice
        order = rng.permutation(np.searchsorted(edges, picks, side="right").clip(max=self.count - 1))
        batches = order[: self.steps_per_epoch * self.batch_size].reshape(-1, self.batch_size)
        if self.lengths is None:
            return batches
        groups = [batches[first : first + GROUPED].ravel() for first in range(0, len(batches), GROUPED)]
        ordered = [group[np.argsort(self.lengths[group], kind="stable")] for group in groups]
        return rng.permutation(np.concatenate(ordered).reshape(-1, self.batch_size))


def row_weights(
    table: Dataset, source_weights: dict[str, float], *, balance: float, free_share: float | None = None
) -> np.ndarray:
    """(R,) weights of the rows: by source, by (size of the label's class) ** -balance within a source, so that free
    questions make up `free_share` of what is drawn (None: as many as there are).
    """
    sources, labels = table["source"], table["label"]
    sizes = Counter(zip(sources, labels, strict=True))
    weights = np.array([sizes[pair] ** -balance for pair in zip(sources, labels, strict=True)], dtype=float)
    for name, weight in source_weights.items():  # balancing does not change how much of a source is drawn
        mine = np.array([source == name for source in sources])
        weights[mine] *= weight * mine.sum() / max(weights[mine].sum(), 1e-12)
    free = np.array([bool(question) for question in table["question"]])
    if free_share is not None and 0 < free.sum() < len(free):
        weights[free] *= free_share / weights[free].sum()
        weights[~free] *= (1 - free_share) / weights[~free].sum()
    return weights


def plain_row(row: dict[str, Any], cache: PriorCache, attributes: FaceAttributes = FaceAttributes()) -> TrainingRow:
    """A row of a table with its priors and features; without attributes unless they are given."""
    priors, features = cache[row["sample"]]
    prompt = EmoPrompt(
        kind=row["kind"], question=row["question"] or None, options=tuple(row["options"]), attributes=attributes
    )
    return TrainingRow(Instruction(prompt, row["answer"]), priors, features)


def mixed_row(row: dict[str, Any], cache: PriorCache, arguments: LoraArguments, rng: random.Random) -> TrainingRow:
    """A row of stage 2: some with attributes, some stills shown as a clip of equal frames."""
    told = rng.random() < arguments.attributes_share
    still = row["kind"] == "image" and not row["question"] and rng.random() < arguments.clip_share
    made = plain_row(
        row | ({"kind": "video"} if still else {}), cache, attributes_of(row) if told else FaceAttributes()
    )
    if not still:
        return made
    times = arguments.clip_frames
    return TrainingRow(made.instruction, repeat_frame(made.priors, times), made.vision_features.repeat(times, 0))


def repeat_frame(priors: FacialPriors, times: int) -> FacialPriors:
    """A still's priors as a clip of equal frames."""
    repeated = {name: getattr(priors, name).repeat(times, 0) for name in ("embedding", "landmarks", "boxes", "found")}
    return dataclasses.replace(priors, **repeated)
