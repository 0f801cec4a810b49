"""The folder OUT.run beside the output: what was asked, the list of files, and one growing part for each process.

A row is a line `[number of the file, row]`, appended whole. What a kill cut short is cut off, and answered anew.
"""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .errors import BatchRefused
from .files import Entry
from .rows import json_line

ASKED, FILES, MERGED = "asked.json", "files.jsonl", "merged"
SYNC_SECONDS = 5.0  # at most so much work is lost when the machine loses its power; a kill loses none


class Journal:
    """The state of one batch on disk, from its first file to the finished output.

    asked.json is written after the list of files, so that where it lies, the list is whole.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self.folder = out.with_name(out.name + ".run")

    def state(self) -> dict[str, Any] | None:
        """`asked`, how many `files`, and, once finished, the `counts`; None before the first run.

        Raises:
            BatchRefused: asked.json is not ours.
        """
        try:
            state = json.loads((self.folder / ASKED).read_bytes())
            return {name: state[name] for name in ("asked", "files", "counts")}
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise BatchRefused(f"{self.folder / ASKED} is broken; --restart throws the rows away") from error

    def begin(self, asked: dict[str, Any], listed: Iterator[Entry]) -> int:
        """Throws away what is there and writes the list of files; returns their number."""
        self.clear()
        count, fresh = 0, self.folder / f"{FILES}.partial"
        try:
            with fresh.open("w", encoding="ascii") as lines:
                for entry in listed:
                    lines.write(json.dumps(entry) + "\n")
                    count += 1
                _sync(lines.fileno())
            fresh.replace(self.folder / FILES)
        finally:
            fresh.unlink(missing_ok=True)
        self.save(asked, count, None)
        return count

    def tidy(self) -> None:
        """Removes list and parts, once the output holds the rows."""
        for path in (self.folder / FILES, *self.parts()):
            path.unlink(missing_ok=True)

    def clear(self) -> None:
        """Removes everything but the lock; asked.json first, for without it the rest counts for nothing."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / ASKED).unlink(missing_ok=True)
        self.tidy()

    def save(self, asked: dict[str, Any], files: int, counts: dict[str, int] | None) -> None:
        """Writes asked.json at once or not at all."""
        fresh = self.folder / f"{ASKED}.partial"
        with fresh.open("w", encoding="ascii") as file:
            json.dump({"asked": asked, "files": files, "counts": counts}, file, indent=1)
            _sync(file.fileno())
        fresh.replace(self.folder / ASKED)

    def entries(self) -> Iterator[tuple[int, Entry]]:
        """The numbered files of the list."""
        with (self.folder / FILES).open(encoding="ascii") as lines:
            for number, line in enumerate(lines):
                yield number, Entry(*json.loads(line))

    def parts(self) -> list[Path]:
        """The part files, also those of processes that an earlier launch had."""
        return sorted(self.folder.glob("part-*.jsonl"))

    def part(self, rank: int) -> "Part":
        """This process's part, opened for more rows."""
        return Part(self.folder / f"part-{rank:05d}.jsonl")

    def rows(self) -> Iterator[tuple[int, int, int, dict[str, Any]]]:
        """(file number, number of the part, offset in it, row) of every whole line of every part."""
        for which, part in enumerate(self.parts()):
            with part.open("rb") as lines:
                offset = 0
                for line in lines:
                    try:
                        number, row = json.loads(line) if line.endswith(b"\n") else (None, None)
                    except ValueError:  # a power cut may leave zeros
                        number = None
                    if number is not None:
                        yield number, which, offset, row
                    offset += len(line)

    def rows_in_order(self, files: int) -> Iterator[dict[str, Any] | None]:
        """The row of each file of the list, None where there is none. Holds 16 bytes a file."""
        places = np.full((files, 2), -1, np.int64)  # part, offset
        for number, which, offset, _ in self.rows():
            if places[number, 0] < 0:
                places[number] = which, offset
        opened = [part.open("rb") for part in self.parts()]
        try:
            for which, offset in places.tolist():
                if which >= 0:
                    opened[which].seek(offset)
                yield json.loads(opened[which].readline())[1] if which >= 0 else None
        finally:
            for file in opened:
                file.close()

    def publish(self, asked: dict[str, Any], counts: dict[str, int]) -> None:
        """Moves the merged file to the output, at once; only then are list and parts removed."""
        merged = self.folder / MERGED
        with merged.open("rb+") as file:
            _sync(file.fileno())
        merged.replace(self.out)
        _sync_folder(self.out.parent)
        self.save(asked, sum(counts.values()), counts)
        self.tidy()


class Part:
    """An append-only file of rows. Each row reaches the system whole at once, and the disk every few seconds."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab+", buffering=0)
        self._file.seek(0)
        whole = sum(len(line) for line in iter(self._file.readline, b"") if line.endswith(b"\n"))
        self._file.truncate(whole)
        self._end, self._synced = whole, time.monotonic()

    def __enter__(self) -> "Part":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def append(self, number: int, row: dict[str, Any]) -> None:
        """Adds a file's row, or raises OSError and leaves the part as it was."""
        line = json_line([number, row])
        written = 0
        try:
            while written < len(line):
                written += self._file.write(line[written:])
            self._end += len(line)
        except OSError:
            self._file.truncate(self._end)
            raise
        if time.monotonic() - self._synced > SYNC_SECONDS:
            self.sync()

    def sync(self) -> None:
        """Returns when all rows are on the disk."""
        _sync(self._file.fileno())
        self._synced = time.monotonic()


def _sync(descriptor: int) -> None:
    os.fsync(descriptor)


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
