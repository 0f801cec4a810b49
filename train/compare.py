"""Compares runs over the same samples: a Markdown table of WAR and UAR, and each run's difference to the first.

    python train/compare.py full=full.jsonl no_fim=no_fim.jsonl probe=baselines-linear-probe.jsonl

The files are the rows that train/evaluate.py and train/baselines.py write. Intervals hold 95 %; those of differences
resample the samples with the answers of both runs, so that they are much narrower than the scores' own.
"""

import json
import sys
from pathlib import Path
from typing import Any

from emo_toolkit.errors import EmoError
from emo_toolkit.evaluation import evaluate, paired_difference
from emo_toolkit.schema import EvalReport, PairedDifference
from train.findings import span

Rows = list[dict[str, Any]]


def main(words: list[str]) -> None:
    """Prints the table, or one line that says why there is none."""
    if not words or words[0] in ("-h", "--help"):
        sys.exit(__doc__)
    try:
        print(table(read_runs(words)))
    except (EmoError, OSError, UnicodeDecodeError) as error:
        sys.exit(str(error))


def read_runs(words: list[str]) -> dict[str, Rows]:
    """name=file words -> name -> rows.

    Raises:
        EmoError: a word is of another form, a name is there twice, or a file holds a line that is no row.
    """
    runs: dict[str, Rows] = {}
    for word in words:
        name, _, path = word.partition("=")
        if not name or not path:
            raise EmoError(f"'{word}' is no run; write name=rows.jsonl")
        if name in runs:
            raise EmoError(f"the name '{name}' is there twice; give each run its own")
        runs[name] = read_rows(Path(path))
    return runs


def read_rows(path: Path) -> Rows:
    """All rows of a finished run."""
    rows = []
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                row = json.loads(line)
                rows.append({name: row[name] for name in ("id", "truth", "label")})
            except (ValueError, KeyError, TypeError) as error:
                raise EmoError(
                    f"{path}, line {number} is no row of an evaluation; name the .jsonl of a finished run"
                ) from error
    if not rows:
        raise EmoError(f"{path} holds no rows; name the .jsonl of a finished run")
    return rows


def table(runs: dict[str, Rows]) -> str:
    """The Markdown table; differences are a run's score minus the first run's.

    Raises:
        EmoError: a run is over other samples than the first; names both.
    """
    first = next(iter(runs))
    lines = [
        f"| run | n | WAR | UAR | WAR minus {first} | UAR minus {first} |",
        "|---|---:|---|---|---|---|",
    ]
    for name, rows in runs.items():
        truth = [row["truth"] for row in rows]
        answers = [row["label"] for row in rows]
        known = sorted({*truth, *answers} - {None})
        report = evaluate(truth, answers, labels=known, dataset="rows", split="rows")
        try:
            apart = paired_difference(rows, runs[first])
        except EmoError as error:
            raise EmoError(f"{name} against {first}: {error}") from error
        lines.append(_line(name, report, None if name == first else apart))
    return "\n".join([*lines, "", "Brackets are 95 % intervals; * marks a difference whose interval leaves out zero."])


def _line(name: str, report: EvalReport, apart: PairedDifference | None) -> str:
    cells = [name, f"{report.n}"]
    cells += [f"{value:.4f} {span(spread)}" for value, spread in _both(report)]
    cells += [_signed(value, spread) for value, spread in _both(apart)] if apart else ["", ""]
    return f"| {' | '.join(cells)} |"


def _both(scores: EvalReport | PairedDifference) -> tuple[tuple[float, tuple[float, float]], ...]:
    return (scores.war, scores.war_interval), (scores.uar, scores.uar_interval)


def _signed(value: float, spread: tuple[float, float]) -> str:
    low, high = spread
    return f"{value:+.4f} [{low:+.4f}, {high:+.4f}]" + " *" * (low > 0 or high < 0)


if __name__ == "__main__":
    main(sys.argv[1:])
