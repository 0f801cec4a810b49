"""A table of people's own photos and clips -> EmoSample. CSV with a header, or JSONL:

path,label,split,caption,kind
photos/anna.jpg,happy,train,"She smiles, looking left.",image
"""

import os
from collections.abc import Iterator
from pathlib import Path

from ..errors import EmoError
from ..labels import LABELS, canonical
from ..schema import EmoSample
from .lists import find, table_rows

COLUMNS = ("path", "label", "split", "caption", "kind")
MANIFEST_SPLITS = ("all", "train", "valid", "test")  # "all" takes every row, with or without a split
SUFFIXES = {
    "image": (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif"),
    "video": (".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".mpg", ".mpeg", ".ts"),
}
KIND_OF_SUFFIX = {suffix: kind for kind, suffixes in SUFFIXES.items() for suffix in suffixes}
MOST_NAMED = 10  # rows that one error names


def read_manifest(root: Path, split: str) -> Iterator[EmoSample]:
    """The rows of a split, or all of them.

    `path` is relative to the manifest's folder; a folder of numbered frames counts as a clip. `label` is one of
    `LABELS["manifest"]` or a synonym ("happy"). Where `kind`, "image" or "video", is left out, the suffix tells it.
    Other columns are ignored.

    Args:
        root: the manifest, or the folder of manifest.csv or manifest.jsonl.
        split: a word of `MANIFEST_SPLITS`.

    Raises:
        EmoError: after the last good row; names up to ten rows that cannot be used.
    """
    path = find(root, "manifest.csv", "manifest.jsonl") if root.is_dir() else root
    if not path.is_file():
        raise EmoError(f"{path} does not exist; --root must be a manifest (.csv or .jsonl) or its folder")
    complaints = []
    for number, row in table_rows(path, "path", "label"):
        where = f"{path}, line {number}"
        try:
            sample = _sample(path, where, row)
        except ValueError as error:
            complaints.append(f"{where}: {error}")
            continue
        if split in ("all", sample.split):
            yield sample
    if complaints:
        more = [f"and {len(complaints) - MOST_NAMED} more"] if len(complaints) > MOST_NAMED else []
        raise EmoError("\n".join(complaints[:MOST_NAMED] + more))


def _sample(manifest: Path, where: str, row: dict) -> EmoSample:
    """Raises ValueError with what is wrong with the row."""
    name, word, split, caption, kind = (str(row.get(column) or "").strip() for column in COLUMNS)
    file, label, split = manifest.parent / name, canonical(word), split or "all"
    if not name:
        raise ValueError("the path is empty")
    if label not in LABELS["manifest"]:
        raise ValueError(f"the label '{word}' is none of {', '.join(LABELS['manifest'])}")
    if split not in MANIFEST_SPLITS:
        raise ValueError(f"the split '{split}' is none of {', '.join(MANIFEST_SPLITS[1:])}")
    kind = kind or ("video" if os.path.isdir(file) else KIND_OF_SUFFIX.get(file.suffix.lower()))
    if kind not in SUFFIXES:
        raise ValueError(f"say by the column 'kind' whether {name} is an image or a video")
    return EmoSample(
        id=f"manifest/{manifest.stem}/{name}",
        path=str(file),
        kind=kind,
        label=label,
        dataset="manifest",
        split=split,
        caption=caption or None,
        row=where,
    )
