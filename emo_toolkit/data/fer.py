"""Facial-expression data sets on disk, in their published layouts -> lists of EmoSample. One function a set.

No data set is shipped: each needs its owner's agreement. The drawn sets are made by train/generate_synthetic.py.
"""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TextIO

from ..errors import EmoError
from ..labels import LABELS
from ..schema import EmoSample
from ..synthetic.plan import SPLITS
from .synthetic import load_synthetic, load_synthetic_clips

FERPLUS_FOLDERS = {"train": "FER2013Train", "valid": "FER2013Valid", "test": "FER2013Test"}


def load_ferplus(root: Path, split: str) -> list[EmoSample]:
    """FERPlus as microsoft/FERPlus exports it: `FER2013Train/fer0000000.png` and `label.csv` without a header.

    A row is name, "(x0, y0, x1, y1)" and ten votes; the label is the arg-max of the first eight (the protocol behind
    28.5k training images). Rows whose eight votes are all zero, "unknown" and "not a face", carry no label and are
    left out.
    """
    folder = root / FERPLUS_FOLDERS[split]
    labels = LABELS["ferplus"]
    samples = []
    with _open_list(folder / "label.csv") as lines:
        for number, row in enumerate(csv.reader(lines), start=1):
            try:
                name, votes = row[0], [float(vote) for vote in row[2:12]]
                x0, y0, x1, y1 = (float(edge) for edge in row[1].strip("()").split(","))
            except (IndexError, ValueError) as error:
                raise EmoError(
                    f"{folder / 'label.csv'}, line {number}: expected a name, a box and ten votes"
                ) from error
            if len(votes) != 10:
                raise EmoError(f"{folder / 'label.csv'}, line {number}: {len(votes)} votes instead of 10")
            known = dict(zip(labels, votes, strict=False))
            if not any(known.values()):
                continue
            samples.append(
                EmoSample(
                    id=f"ferplus/{folder.name}/{Path(name).stem}",
                    path=str(folder / name),
                    kind="image",
                    label=max(known, key=known.__getitem__),
                    dataset="ferplus",
                    split=split,
                    box=(x0, y0, x1, y1),
                    votes=known,
                )
            )
    return samples


class DataSet(NamedTuple):
    """How a set is read, (root, split) -> samples, and the splits that it has."""

    read: Callable[[Path, str], list[EmoSample]]
    splits: tuple[str, ...]


DATASETS: dict[str, DataSet] = {
    "ferplus": DataSet(load_ferplus, tuple(FERPLUS_FOLDERS)),
    "synthetic": DataSet(load_synthetic, SPLITS),
    "synthetic_clips": DataSet(load_synthetic_clips, SPLITS),
}


def load_samples(dataset: str, root: str | Path, split: str) -> list[EmoSample]:
    """The samples of one split.

    Args:
        dataset: a key of `DATASETS`.
        root: the folder that holds the set's own top-level folders.
        split: one of the set's `splits`; all sets have "train", "valid" and "test".

    Raises:
        EmoError: naming the missing folder, file or row.
    """
    if dataset not in DATASETS:
        raise EmoError(f"unknown data set '{dataset}'; choose one of {', '.join(DATASETS)}")
    read, splits = DATASETS[dataset]
    if split not in splits:
        raise EmoError(f"unknown split '{split}' of {dataset}; choose one of {', '.join(splits)}")
    samples = read(Path(root), split)
    if not samples:
        raise EmoError(f"{dataset} {split} at {root} holds no labelled row")
    return samples


def _open_list(path: Path) -> TextIO:
    if not path.is_file():
        raise EmoError(f"{path} does not exist; --root must be the folder that holds {path.parent.name}/")
    return path.open(encoding="utf-8", newline="")
