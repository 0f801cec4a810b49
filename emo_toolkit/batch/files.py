"""A folder or a manifest -> the files of a batch, one by one, in an order that does not change."""

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from ..data.lists import table_rows
from ..data.manifest import KIND_OF_SUFFIX
from ..errors import EmoError
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
    try:
        for number, row in table_rows(manifest, "path"):
            name = row.pop("path", None)
            columns = {carried_name(column): value for column, value in row.items()}
            problem = "" if isinstance(name, str) and name else f"line {number} of the manifest has no path"
            yield Entry(str(name or ""), columns, problem)
    except EmoError as error:
        raise BatchRefused(str(error)) from error
