"""Rows of drawn faces -> the folders that data/synthetic.py reads: appended in order, mended after any stop.

A metadata file is at every moment a whole set so far: a row is written after its picture, and both appear at once.
"""

import heapq
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from ..errors import EmoError
from ..recording import write_clip
from ..synthetic.clips import sample_clip
from ..synthetic.plan import SPLITS, Item
from ..synthetic.renderer import FaceRenderer
from ..synthetic.sampler import sample_spec
from .synthetic import FOLDERS, METADATA, clip_columns, row_of

MANIFEST = "manifest.json"
LOCK = ".lock"  # held by the one run that writes
PARTIAL = ".partial"  # ends the name of a file that is being written
JPEG = {"format": "JPEG", "quality": 95, "subsampling": 0}  # a scene's own compression is in the pixels already
CARD = """---
pretty_name: Drawn faces with exact action units
tags: [facial-expression-recognition, facs, synthetic]
configs:
{configs}
---
# Drawn faces with exact action units

Made by emo_toolkit's train/generate_synthetic.py; manifest.json says from what. Nobody in it exists. Labels are the
EMFACS convention that the action units were drawn from, not what people read from the pictures: scores on it are no
scores on real faces. `load_dataset(FOLDER, "images")` reads it; each column is explained in emo_toolkit/schema/flow.py
(FaceTruth) and emo_toolkit/data/synthetic.py. The splits named after a factor hold it out: no person is in two splits.
"""


def draw_item(item: Item, folder: Path, renderer: FaceRenderer, *, size: int, frames: int) -> dict:
    """Draws an item as `folder`/split/0000012.jpg or .mp4, whole or not at all.

    Args:
        item: what to draw.
        folder: of the item's kind; it has a folder for each split.
        renderer: any; the picture depends on the item alone.
        size: pixels, even.
        frames: of a clip.

    Returns:
        The columns that `SyntheticWriter.append` takes.
    """
    asked = {"identity": item.identity, "label": item.label, "factor": item.factor}
    stem = folder / item.split / f"{item.number:07d}"
    if item.kind == "image":
        path, drawn = stem.with_suffix(".jpg"), renderer.draw(sample_spec(item.seed, **asked), size=size)
        write_whole(path, lambda partial: drawn.image.save(partial, **JPEG))
        return {"file_name": path.name, **row_of(drawn.truth)}
    clip, path = sample_clip(item.seed, frames=frames, **asked), stem.with_suffix(".mp4")
    shown = [renderer.draw(spec, size=size) for spec in clip.frames]
    write_clip((one.image for one in shown), path, fps=clip.fps)
    truth = replace(shown[clip.apex_index].truth, seed=item.seed)
    return {"file_name": path.name, **row_of(truth), **clip_columns(clip)}


class SyntheticWriter:
    """Appends the rows of one kind, item 0, 1, 2, ..., each to the metadata file of its split.

    Opening it mends what a killed run left: a line that was cut short goes, and so do rows behind a gap. `next` is the
    first item without a row, `lost` are items before it whose file has gone, `counts` are the rows of each split.
    """

    def __init__(self, root: str | Path, kind: str) -> None:
        self.folder = Path(root) / FOLDERS[kind]
        self.counts: Counter[str] = Counter()
        self.lost: list[int] = []
        self.next = 0
        for number, split, file, _ in heapq.merge(*map(self._lines, SPLITS)):
            if number != self.next:
                break
            drawn = self.path(split, file)
            if not drawn.is_file() or not drawn.stat().st_size:
                self.lost.append(number)
            self.counts[split] += 1
            self.next += 1
        for split in SPLITS:
            self._cut(split)

    def path(self, split: str, name: str = METADATA) -> Path:
        """A file of a split."""
        return self.folder / split / name

    def append(self, split: str, row: dict) -> None:
        """Writes the row of item `next`.

        Raises:
            OSError: when the disk is full; the file is as it was.
            ValueError: for NaN and infinities, which JSON does not have.
        """
        line = json.dumps({"item": self.next, **row}, allow_nan=False, separators=(",", ":")).encode() + b"\n"
        append_whole(self.path(split), line)
        self.counts[split] += 1
        self.next += 1

    def _lines(self, split: str) -> Iterator[tuple[int, str, str, int]]:
        """(item, split, file name, where the line ends in bytes) as far as lines are whole rows and items rise."""
        if not self.path(split).is_file():
            return
        last, end = -1, 0
        with self.path(split).open("rb") as lines:
            for line in lines:
                try:
                    row = json.loads(line)
                    number, file = int(row["item"]), str(row["file_name"])
                except (ValueError, TypeError, KeyError):
                    return
                if number <= last or not line.endswith(b"\n"):
                    return
                last, end = number, end + len(line)
                yield number, split, file, end

    def _cut(self, split: str) -> None:
        kept = max((end for number, _, _, end in self._lines(split) if number < self.next), default=0)
        if self.path(split).is_file() and self.path(split).stat().st_size > kept:
            os.truncate(self.path(split), kept)


def claim(root: Path, made_from: dict) -> None:
    """Takes a folder for the set made from these values, or goes on with it; clears what an interruption left.

    Raises:
        EmoError: when the folder holds another set or other things.
    """
    manifest = root / MANIFEST
    if manifest.is_file():
        try:
            known = json.loads(manifest.read_text(encoding="utf-8"))["made_from"]
        except (ValueError, KeyError, TypeError) as error:
            raise EmoError(f"{manifest} is damaged; delete {root} and start anew") from error
        made_from = json.loads(json.dumps(made_from))  # tuples as lists
        other = {name: known.get(name) for name, value in made_from.items() if known.get(name) != value}
        if other:
            values = ", ".join(f"{name} {value} instead of {made_from[name]}" for name, value in other.items())
            raise EmoError(f"{root} holds a set made with {values}; choose another --out, or these values")
    elif strangers := [path.name for path in root.iterdir() if path.name != LOCK and path.suffix != PARTIAL]:
        raise EmoError(f"{root} holds {min(strangers)} but no {MANIFEST}; choose an empty or new folder for --out")
    clear_partials(root)
    if not manifest.is_file():
        write_whole(manifest, lambda path: path.write_text(json.dumps({"made_from": made_from}, indent=1)))


def clear_partials(root: Path) -> None:
    """Removes what a killed process was writing."""
    for place in ("", *(f"{folder}/*/" for folder in FOLDERS.values())):
        for left in root.glob(f"{place}*{PARTIAL}"):
            left.unlink(missing_ok=True)


def finish(root: Path, made_from: dict, writers: Iterable[SyntheticWriter]) -> None:
    """Writes the final manifest with the counts of each kind and split, and the card that `datasets` reads."""
    filled = {one.folder.name: {name: one.counts[name] for name in SPLITS if one.counts[name]} for one in writers}
    configs = []
    for folder, splits in filled.items():
        if splits:
            configs.append(f"- config_name: {folder}\n  data_files:")
            configs += [f"  - split: {split}\n    path: {folder}/{split}/*" for split in splits]
    card = CARD.format(configs="\n".join(configs))
    text = json.dumps({"made_from": made_from, "counts": filled}, indent=1)
    write_whole(root / "README.md", lambda path: path.write_text(card, encoding="utf-8"))
    write_whole(root / MANIFEST, lambda path: path.write_text(text, encoding="utf-8"))


def append_whole(path: Path, line: bytes) -> int:
    """Appends all of a line or, on a full disk, nothing of it; returns where the line begins in the file.

    Raises:
        OSError: when the disk is full.
    """
    with path.open("ab", buffering=0) as file:
        before = file.tell()
        try:
            while line:  # a full disk takes a part, and refuses the rest
                line = line[file.write(line) :]
        except OSError:
            file.truncate(before)
            raise
    return before


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Lets `write` fill a file of another name, then renames it, so that `path` is never half there."""
    partial = path.with_name(path.name + PARTIAL)
    try:
        write(partial)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
