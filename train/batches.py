"""Which rows make step k: a function of the seed and k alone, so that a resumed run sees what it would have seen."""

import dataclasses
import random
from collections.abc import Sequence

import numpy as np

from emo_toolkit.data import PriorCache, TrainingRow, category_item, rater_item
from emo_toolkit.schema import EmoSample, FaceAttributes, FacialPriors
from train.arguments import LoraArguments


def rows_of_step(count: int, batch_size: int, step: int, seed: int) -> np.ndarray:
    """Row numbers of one step: every epoch is a new permutation, and an epoch's last short batch is dropped."""
    per_epoch = count // batch_size
    if not per_epoch:
        raise ValueError(f"{count} rows do not fill one batch of {batch_size}")
    epoch, place = divmod(step, per_epoch)
    order = np.random.default_rng((seed, epoch)).permutation(count)
    return order[place * batch_size : (place + 1) * batch_size]


def category_row(sample: EmoSample, cache: PriorCache) -> TrainingRow:
    """The plain category question, without attributes."""
    priors, features = cache[sample.id]
    return TrainingRow(category_item(sample), priors, features)


def mixed_row(sample: EmoSample, cache: PriorCache, arguments: LoraArguments, rng: random.Random) -> TrainingRow:
    """A row of stage 2: mostly category questions, some with attributes, some free, some shown as a still clip."""
    priors, features = cache[sample.id]
    attributes = priors.attributes if rng.random() < arguments.attributes_share else FaceAttributes()
    if rng.random() < arguments.clip_share:
        sample = dataclasses.replace(sample, kind="video")
        priors, features = repeat_frame(priors, arguments.clip_frames), features.repeat(arguments.clip_frames, 0)
    if sample.votes and rng.random() < arguments.rater_share:
        return TrainingRow(rater_item(sample, rng, attributes), priors, features)
    return TrainingRow(category_item(sample, attributes), priors, features)


def repeat_frame(priors: FacialPriors, times: int) -> FacialPriors:
    """A still's priors as a clip of equal frames."""
    repeated = {name: getattr(priors, name).repeat(times, 0) for name in ("embedding", "landmarks", "boxes", "found")}
    return dataclasses.replace(priors, **repeated)


def vote_targets(samples: Sequence[EmoSample], labels: Sequence[str]) -> np.ndarray:
    """(B, L) what to align to: the raters' shares where a set publishes votes, else the label."""
    rows = [
        [sample.votes[label] if sample.votes else float(label == sample.label) for label in labels]
        for sample in samples
    ]
    targets = np.asarray(rows, dtype=np.float32)
    return targets / targets.sum(1, keepdims=True)
