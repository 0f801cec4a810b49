"""A folder or a manifest -> the files of a batch, one by one, in an order that does not change."""

import csv
import errno
import json
import math
import os
import stat
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from ..data.manifest import KIND_OF_SUFFIX
from .errors import BatchRefused
from .rows import carried_name


class Entry(NamedTuple):
    """One file to answer. With a `problem` it is never opened: its row says the problem."""

    path: str  # as the manifest says it, or relative to the folder
    columns: dict[str, Any]  # the manifest's other columns, under the names that they have in the row
    problem: str = ""


def entries(source: Path) -> Iterator[Entry]:
    """The files of a folder, or the rows of a manifest (.csv with a header, .jsonl).

    A folder is walked to its end, names in order; a linked folder once, so that a loop ends. Names that start with a
    dot are left out. A folder whose name ends like a photo or clip counts as one (a clip may be a folder of frames).
    A folder that cannot be opened is an entry with a problem.

    Raises:
        BatchRefused: the source is neither, or a line of the manifest cannot be read.
    """
    if source.is_dir():
        return _walk(source)
    if not source.is_file():
        raise BatchRefused(f"{source} does not exist; give a folder, or a manifest (.csv or .jsonl)")
    if source.suffix.lower() not in (".csv", ".jsonl"):
        raise BatchRefused(f"{source} is neither a folder nor a manifest (.csv or .jsonl); for one file use 'predict'")
    return _listed(source)


def place_of(source: Path, entry: Entry) -> Path:
    """Where the file of an entry lies."""
    return (source if source.is_dir() else source.parent) / entry.path


def _walk(root: Path) -> Iterator[Entry]:
    seen: set[tuple[int, int]] = set()
    waiting = [""]  # names relative to the root, the next one last
    while waiting:
        name = waiting.pop()
        if PurePath(name).suffix.lower() in KIND_OF_SUFFIX:
            yield Entry(name, {})
            continue
        try:
            info = os.stat(root / name)
            if not stat.S_ISDIR(info.st_mode) or (info.st_dev, info.st_ino) in seen:
                continue
            seen.add((info.st_dev, info.st_ino))
            inside = sorted((word for word in os.listdir(root / name) if not word.startswith(".")), reverse=True)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ELOOP):  # links to nowhere are no folders
                yield Entry(name or ".", {}, f"the folder cannot be opened: {error.strerror}")
            continue
        waiting += [f"{name}/{word}" if name else word for word in inside]


def _listed(manifest: Path) -> Iterator[Entry]:
    for where, row in _json_rows(manifest) if manifest.suffix.lower() == ".jsonl" else _csv_rows(manifest):
        name = row.pop("path", None)
        columns = {carried_name(column): value for column, value in row.items()}
        problem = "" if isinstance(name, str) and name else f"{where} of the manifest has no path"
        yield Entry(str(name or ""), columns, problem)


def _csv_rows(path: Path) -> Iterator[tuple[str, dict]]:
    with path.open(encoding="utf-8-sig", newline="") as lines:  # Excel writes a mark first
        reader = csv.DictReader(lines, skipinitialspace=True)
        try:
            names = list(reader.fieldnames or ())
            if "path" not in names or len(set(names)) < len(names):
                raise BatchRefused(f"{path}, line 1: expected names of columns, each once, with commas; one is 'path'")
            for row in reader:
                where = f"line {reader.line_num}"
                if None in row:
                    raise BatchRefused(f"{path}, {where}: more cells than columns; put a text with commas in quotes")
                yield where, row
        except UnicodeDecodeError as error:
            raise BatchRefused(f"{path} is not UTF-8 text; save it as CSV in UTF-8") from error
        except csv.Error as error:
            raise BatchRefused(f"{path}, line {reader.line_num}: {error}; is it a CSV file?") from error


def _json_rows(path: Path) -> Iterator[tuple[str, dict]]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line, parse_constant=lambda _: None, parse_float=_finite)
            except (ValueError, RecursionError) as error:
                raise BatchRefused(f"{path}, line {number}: no JSON ({error}); expected one object a line") from error
            if not isinstance(row, dict):
                raise BatchRefused(f'{path}, line {number}: expected an object, as in {{"path": "a.jpg"}}')
            yield f"line {number}", row


def _finite(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None
