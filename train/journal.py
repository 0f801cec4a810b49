"""What a teacher answered, one JSON line each, appended as it comes: nothing that was paid for is asked for twice.

The first line says what the answers were made from. A later line about a sample replaces an earlier one.
"""

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from emo_toolkit.data.synthetic_writer import append_whole, write_whole
from emo_toolkit.errors import EmoError

WRITTEN, REFUSED, INVALID, UNANSWERED, UNREADABLE = "written", "refused", "invalid", "unanswered", "unreadable"
OUTCOMES = (WRITTEN, REFUSED, INVALID, UNANSWERED, UNREADABLE)
ANSWERED = (WRITTEN, REFUSED, INVALID)  # paid for; the others are tried again by the next run
MOST_PRINTED = 20  # samples of each outcome


class Entry(NamedTuple):
    """What came of one sample. `tokens` are those of the request and of the answer with its thoughts."""

    id: str
    outcome: str
    reason: str = ""
    turns: list[list[str]] | None = None  # [[question, answer], ...]
    tokens: tuple[int, int] = (0, 0)


class Journal:
    """Opens a journal, whose file begins with the first entry; a last line that a kill cut short is removed.

    `tokens` are the sums over all entries.

    Args:
        path: a JSON-lines file.
        made_from: model, prompt and data set; the journal must be of the same.

    Raises:
        EmoError: the journal is of other values, or damaged before its last line.
    """

    def __init__(self, path: Path, made_from: dict[str, Any]) -> None:
        self.path, self.made_from, self.tokens = path, made_from, [0, 0]
        self._places: dict[str, tuple[str, int]] = {}  # id -> outcome, where its line begins in bytes
        if not path.is_file():
            return
        with path.open("rb") as lines:
            place = len(first := next(lines, b""))
            self._check(first)
            for number, line in enumerate(lines, start=2):
                if not line.endswith(b"\n"):
                    break
                try:
                    self._note(Entry(**json.loads(line)), place)
                except (ValueError, TypeError) as error:
                    raise EmoError(f"{path}, line {number} is damaged; delete that line and start again") from error
                place += len(line)
        os.truncate(path, place)

    def append(self, entry: Entry) -> None:
        """Writes one line.

        Raises:
            OSError: when the disk is full; the file is as it was.
        """
        if not self.path.is_file():
            header = json.dumps({"made_from": self.made_from}) + "\n"
            write_whole(self.path, lambda path: path.write_text(header, encoding="utf-8"))
        line = json.dumps(entry._asdict(), separators=(",", ":")).encode() + b"\n"
        self._note(entry, append_whole(self.path, line))

    def answered(self, name: str) -> bool:
        """Whether a sample needs no more asking."""
        return self._places.get(name, ("", 0))[0] in ANSWERED

    def entries(self, names: list[str], *outcomes: str) -> Iterator[Entry]:
        """The entries of these samples, in this order, whose outcome is one of those named."""
        places = [self._places[name][1] for name in names if self._places.get(name, ("", 0))[0] in outcomes]
        if places:
            with self.path.open("rb") as lines:
                for place in places:
                    lines.seek(place)
                    yield Entry(**json.loads(lines.readline()))

    def report(self, names: list[str]) -> list[str]:
        """Lines about what came of these samples, with the first of each kind that gave no text."""
        counts = Counter(self._places[name][0] for name in names if name in self._places)
        lines = [f"{self.path}: {', '.join(f'{outcome} {counts[outcome]:,}' for outcome in OUTCOMES)}"]
        shown: Counter[str] = Counter()
        for entry in self.entries(names, *OUTCOMES[1:]):
            shown[entry.outcome] += 1
            if shown[entry.outcome] <= MOST_PRINTED:
                lines.append(f"  {entry.outcome}: {entry.id}: {entry.reason}")
        return lines + [
            f"  {shown[kind] - MOST_PRINTED:,} more {kind}" for kind in shown if shown[kind] > MOST_PRINTED
        ]

    def _note(self, entry: Entry, place: int) -> None:
        self.tokens = [sum(pair) for pair in zip(self.tokens, entry.tokens, strict=True)]
        self._places[entry.id] = (entry.outcome, place)

    def _check(self, line: bytes) -> None:
        try:
            known = json.loads(line)["made_from"]
            pairs = [(name, known.get(name), value) for name, value in self.made_from.items()]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise EmoError(f"{self.path} is no journal of answers; choose another --out") from error
        other = [f"{name} {was}, not {value}" for name, was, value in pairs if was != value]
        if other:
            raise EmoError(f"{self.path} holds answers of {'; '.join(other)}; choose another --out, or these values")
