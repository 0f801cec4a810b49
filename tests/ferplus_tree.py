"""A made FERPlus tree in the official export layout; the pictures are only written when given."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from emo_toolkit.labels import LABELS

FOLDERS = {"train": "FER2013Train", "valid": "FER2013Valid", "test": "FER2013Test"}


def votes_for(label: str, count: int = 8) -> list[int]:
    """Ten votes: `count` for one label, the rest of ten for the label after it."""
    votes = [0] * 10
    place = LABELS["ferplus"].index(label)
    votes[place], votes[(place + 1) % 8] = count, 10 - count
    return votes


def row_of(name: str, votes: Sequence[int], box: str = "(0, 0, 48, 48)") -> str:
    """One line of label.csv."""
    return f'{name},"{box}",{",".join(map(str, votes))}'


def write_split(
    root: Path, split: str, rows: Sequence[str], pictures: Sequence[Image.Image] = (), ending: str = "\n"
) -> Path:
    """Writes label.csv and fer0000000.png, fer0000001.png, ...; returns the split's folder."""
    folder = root / FOLDERS[split]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "label.csv").write_text("".join(row + ending for row in rows), newline="")
    for number, picture in enumerate(pictures):
        picture.save(folder / f"fer{number:07d}.png")
    return folder
