"""Finding and reading the list files of data sets: each line comes with its place, so that an error can name it."""

import csv
import json
import math
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


def table_rows(path: Path, *needed: str) -> Iterator[tuple[int, dict]]:
    """(line number, row) of a table with named columns: JSONL with an object a line, or else CSV with a header.

    NaN and infinities in JSON become None.

    Args:
        path: the table; `needed` are columns that a CSV must have.

    Raises:
        EmoError: for a line that cannot be read; names it.
    """
    return _json_rows(path) if path.suffix.lower() == ".jsonl" else _csv_rows(path, needed)


def _csv_rows(path: Path, needed: tuple[str, ...]) -> Iterator[tuple[int, dict]]:
    with path.open(encoding="utf-8-sig", newline="") as lines:  # Excel writes a mark first
        reader = csv.DictReader(lines, skipinitialspace=True)
        try:
            names = list(reader.fieldnames or ())
            if not set(needed) <= set(names) or len(set(names)) < len(names):
                known = " and ".join(f"one is '{name}'" for name in needed)
                raise EmoError(f"{path}, line 1: expected the names of the columns, each once, with commas; {known}")
            for row in reader:
                if None in row:
                    line = f"{path}, line {reader.line_num}"
                    raise EmoError(f"{line}: more cells than columns; put a text that has commas in quotes")
                yield reader.line_num, row
        except UnicodeDecodeError as error:
            raise EmoError(f"{path} is not UTF-8 text; save it as CSV in UTF-8") from error
        except csv.Error as error:
            raise EmoError(f"{path}, line {reader.line_num}: {error}; is it a CSV file?") from error


def _json_rows(path: Path) -> Iterator[tuple[int, dict]]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line, parse_constant=lambda _: None, parse_float=_finite)
            except (ValueError, RecursionError) as error:
                raise EmoError(f"{path}, line {number}: no JSON ({error}); expected one object a line") from error
            if not isinstance(row, dict):
                raise EmoError(f'{path}, line {number}: expected an object, as in {{"path": "a.jpg"}}')
            yield number, row


def _finite(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None


def bad_row(where: str, expected: str) -> EmoError:
    """The error for a line that is not as published."""
    return EmoError(f"{where}: expected {expected}")
