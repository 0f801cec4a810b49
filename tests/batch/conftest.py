"""Ten photos of one face, and the rows of a run that nobody stopped."""

from pathlib import Path

import pytest
from batch_rows import rows_of
from PIL import Image

from emo_toolkit.cli import main


@pytest.fixture(scope="module")
def face(astronaut: Path) -> Image.Image:
    return Image.open(astronaut).convert("RGB").crop((150, 40, 300, 190)).resize((96, 96))


@pytest.fixture(scope="module")
def photos(face: Image.Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten photos of one face in two folders, each one turned a little."""
    root = tmp_path_factory.mktemp("photos")
    for number in range(10):
        path = root / f"set{number % 2}" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        face.rotate(number).save(path)
    return root


@pytest.fixture(scope="module")
def words(tiny: Path) -> tuple[str, ...]:
    return ("--checkpoint", str(tiny), "--device", "cpu")


@pytest.fixture(scope="module")
def whole(photos: Path, words: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    """The rows of an uninterrupted run."""
    out = tmp_path_factory.mktemp("whole") / "rows.jsonl"
    assert main(["batch", str(photos), "--out", str(out), *words]) == 0
    return rows_of(out)
