"""What the batch's tests do with rows: make them by the command line, read them, compare them."""

import json
from pathlib import Path

from emo_toolkit.cli import main


def run(source: Path, out: Path, *words: object) -> int:
    return main(["batch", str(source), "--out", str(out), *map(str, words)])


def rows_of(out: Path) -> list[dict]:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    return [json.loads(line, parse_constant=refuse) for line in out.read_bytes().splitlines()]


def steady(rows: list[dict]) -> list[dict]:
    """Rows without their seconds; scores to 1e-5, because another number of threads adds up in another order."""
    kept = [{name: value for name, value in row.items() if name != "seconds"} for row in rows]
    return [{name: round(cell, 5) if isinstance(cell, float) else cell for name, cell in row.items()} for row in kept]
