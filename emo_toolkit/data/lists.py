"""Finding and reading the list files of data sets: each line comes with its place, so that an error can name it."""

from collections.abc import Iterator
from pathlib import Path

from ..errors import EmoError


def find(root: Path, *places: str) -> Path:
    """The first of several places under a root that exists.

    Raises:
        EmoError: none does; names all of them.
    """
    for place in places:
        if (root / place).exists():
            return root / place
    top = places[0].partition("/")[0]
    others = f" (nor does {', '.join(places[1:])})" if places[1:] else ""
    raise EmoError(f"{root / places[0]} does not exist{others}; --root must be the folder that holds {top}/")


def numbered_lines(path: Path) -> Iterator[tuple[str, str]]:
    """("PATH, line 3", text) of each line that is not blank.

    A line is UTF-8, with or without a mark at its start, or else GB18030, as parts of MAFW's lists are.
    """
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                text = line.decode("utf-8-sig")
            except UnicodeDecodeError:
                text = line.decode("gb18030", errors="replace")
            if text := text.strip("\r\n "):
                yield f"{path}, line {number}", text


def bad_row(where: str, expected: str) -> EmoError:
    """The error for a line that is not as published."""
    return EmoError(f"{where}: expected {expected}")
