"""Facial-expression data sets on disk, in their published layouts -> lists of EmoSample. The table of all sets.

No data set is shipped: each needs its owner's agreement. The drawn sets are made by train/generate_synthetic.py.
"""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from ..errors import EmoError
from ..schema import EmoSample
from ..synthetic.plan import SPLITS
from .image_sets import AFFECTNET_FOLDERS, FERPLUS_FOLDERS, read_affectnet, read_ferplus, read_rafdb
from .manifest import MANIFEST_SPLITS, read_manifest
from .synthetic import load_synthetic, load_synthetic_clips
from .video_sets import read_dfew, read_ferv39k, read_mafw


class DataSet(NamedTuple):
    """How a set is read, (root, split) or with folds (root, split, fold) -> samples, and what it has."""

    read: Callable[..., Iterable[EmoSample]]
    splits: tuple[str, ...]
    folds: int = 0


DATASETS: dict[str, DataSet] = {
    "rafdb": DataSet(read_rafdb, ("train", "test")),
    "ferplus": DataSet(read_ferplus, tuple(FERPLUS_FOLDERS)),
    "affectnet": DataSet(read_affectnet, tuple(AFFECTNET_FOLDERS)),
    "affectnet7": DataSet(partial(read_affectnet, dataset="affectnet7"), tuple(AFFECTNET_FOLDERS)),
    "dfew": DataSet(read_dfew, ("train", "test"), folds=5),
    "ferv39k": DataSet(read_ferv39k, ("train", "test")),
    "mafw": DataSet(read_mafw, ("train", "test"), folds=5),
    "synthetic": DataSet(load_synthetic, SPLITS),
    "synthetic_clips": DataSet(load_synthetic_clips, SPLITS),
    "manifest": DataSet(read_manifest, MANIFEST_SPLITS),
}


def load_samples(dataset: str, root: str | Path, split: str, *, fold: int | None = None) -> list[EmoSample]:
    """The samples of one split, whose files are not opened: data/checks.py does that.

    Args:
        dataset: a key of `DATASETS`.
        root: the folder that holds the set's own top-level folders; of a manifest, its file or folder.
        split: one of the set's `splits`.
        fold: 1 to the set's `folds`; None for a set without folds.

    Raises:
        EmoError: naming the missing folder, file or row.
    """
    if dataset not in DATASETS:
        raise EmoError(f"unknown data set '{dataset}'; choose one of {', '.join(DATASETS)}")
    read, splits, folds = DATASETS[dataset]
    if split not in splits:
        raise EmoError(f"unknown split '{split}' of {dataset}; choose one of {', '.join(splits)}")
    if folds and fold not in range(1, folds + 1):
        raise EmoError(f"{dataset} is split anew in each of {folds} folds; choose fold 1 to {folds}, not {fold}")
    if fold and not folds:
        raise EmoError(f"{dataset} has no folds; leave fold {fold} out")
    samples = list(read(Path(root), split, fold) if folds else read(Path(root), split))
    if not samples:
        raise EmoError(f"{dataset} {split} at {root} holds no labelled row")
    return samples
