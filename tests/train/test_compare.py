"""compare.py: a Markdown table of runs over the same samples, and one line for what cannot be compared."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from train import compare

LABELS = ("happiness", "sadness", "anger")


@pytest.fixture
def run_of(tmp_path):
    """Writes the rows of a run that is right with a given probability; returns the word for the command line."""

    def write(name: str, accuracy: float, count: int = 300, **changes: object) -> str:
        rng = np.random.default_rng(len(name))
        rows = [
            {"id": f"set/{at}", "truth": LABELS[at % 3], "label": LABELS[at % 3] if rng.random() < accuracy else None}
            for at in range(count)
        ]
        rows[0] |= changes
        path = tmp_path / f"{name}.jsonl"
        path.write_text("".join(json.dumps(row | {"seconds": 0.1}) + "\n" for row in rows))
        return f"{name}={path}"

    return write


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_table_of_three_runs(run_of, capsys):
    compare.main([run_of("full", 0.8), run_of("no_fim", 0.5), run_of("twin", 0.8)])
    head, _, full, worse, twin, *_ = capsys.readouterr().out.splitlines()
    assert cells(head) == ["run", "n", "WAR", "UAR", "WAR minus full", "UAR minus full"]
    assert cells(full)[:2] == ["full", "300"] and cells(full)[4:] == ["", ""]
    war, base = (float(cells(line)[2].split()[0]) for line in (worse, full))
    apart, low, high = map(float, re.findall(r"[+-]\d\.\d+", cells(worse)[4]))
    assert apart == pytest.approx(war - base, abs=2e-4) and low < apart < high < 0 and cells(worse)[4].endswith("*")
    assert cells(twin)[4:] == ["+0.0000 [+0.0000, +0.0000]"] * 2


def test_one_run_alone_is_a_table_too(run_of, capsys):
    compare.main([run_of("full", 0.8)])
    assert "| full | 300 | 0." in capsys.readouterr().out


def test_what_cannot_be_compared(run_of, tmp_path):
    full = run_of("full", 0.8)
    bad = {
        "short=": run_of("short", 0.8, 299),
        "other=": run_of("other", 0.8, id="set/x"),
        "liar=": run_of("liar", 0.8, truth="anger"),
    }
    for word, message in (
        (bad["short="], r"short against full: .* 1 only in the second \(set/299\)"),
        (bad["other="], r"other against full: .* 1 only in the first \(set/x\); 1 only in the second \(set/0\)"),
        (bad["liar="], "set/0 is 'anger' in the first run and 'happiness' in the second"),
        ("full=elsewhere.jsonl", "the name 'full' is there twice"),
        ("report.jsonl", "'report.jsonl' is no run; write name=rows.jsonl"),
        ("=report.jsonl", "is no run"),
        (f"gone={tmp_path / 'gone.jsonl'}", "No such file"),
    ):
        with pytest.raises(SystemExit, match=message):
            compare.main([full, word])


@pytest.mark.parametrize("text", ["", '{"id": "a", "truth": "anger"}\n', "[1]\n", '{"id": "a", "tr', "\n", "\xff"])
def test_files_that_hold_no_rows(text, tmp_path):
    path = Path(tmp_path / "rows.jsonl")
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(SystemExit, match="rows|row of|decode"):
        compare.main([f"run={path}"])
