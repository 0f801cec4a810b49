"""An audit goes on where it was, leaves rows of other checkpoints alone, and writes both reports."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from emo_toolkit.explain.twins import TwinReading
from emo_toolkit.synthetic import sample_spec, twin_grid
from train import audit

TWINS = tuple(twin_grid(sample_spec(0)))


def fake_twins(pipeline, spec, *, renderer) -> TwinReading:
    """Random log-odds, and no face on the first twin: the real reading is tests/explain/test_twins.py's."""
    odds = np.random.default_rng(spec.identity.id).normal(size=(len(TWINS), 2))
    odds[0] = np.nan
    return TwinReading(spec.identity.id, "b", ("a", "b"), TWINS, odds)


@pytest.fixture
def run(tiny, ferplus, tmp_path, monkeypatch):
    """Runs audit.py; returns the report and the page."""
    read = []
    monkeypatch.setattr(audit, "read_twins", lambda *words, **more: read.append(1) or fake_twins(*words, **more))

    def call(*words: object) -> tuple[dict, str, int]:
        read.clear()
        common = ("--checkpoint", tiny, "--out", tmp_path / "out", "--root", ferplus, "--split", "valid")
        monkeypatch.setattr(sys, "argv", ["audit.py", *map(str, (*common, *words))])
        audit.main()
        folder = tmp_path / "out"
        return json.loads((folder / "audit.json").read_text()), (folder / "audit.html").read_text(), len(read)

    return call


def test_both_halves(run, tmp_path):
    words = ("--identities", 5, "--faces", "ferplus", "--limit", 2, "--questions", 2)
    report, page, read = run(*words)
    assert read == 5 and report["twins"]["n"] == 5 and len(report["twins"]["groups"]) == 9
    assert report["twins"]["groups"][0]["missed"] == 5 and report["words"]["n"] <= 2
    assert report["words"]["size_interval_95"][0] <= report["words"]["size"] <= report["words"]["size_interval_95"][1]
    assert "5 drawn persons, each as 24 twins" in page and "race=Asian" in page and "Noise floor" in page
    assert page.count("plotly-graph-div") == 2  # a figure a label
    again, _, read = run(*words)
    assert (again, read) == (report, 0)
    rows = (tmp_path / "out" / "twins.jsonl").read_text().rstrip("\n")
    (tmp_path / "out" / "twins.jsonl").write_text(rows[:-40])  # killed in the middle of the last row
    mended, _, read = run(*words)
    assert mended == report and read == 1


def test_rows_of_another_checkpoint_are_left_alone(run, tmp_path):
    run("--identities", 3)
    file = tmp_path / "out" / "twins.jsonl"
    file.write_text(file.read_text().replace('"checkpoint": "', '"checkpoint": "other'))
    _, _, read = run("--identities", 3)
    assert read == 3 and len(file.read_text().split("other")) == 4


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--faces", "ferplus", "--split", "nowhere"), "nowhere"),
        (("--checkpoint", "no/such/folder/at-all", "--identities", "1"), "no/such/folder"),
    ],
)
def test_what_cannot_be_audited_is_said_in_one_line(run, words, message):
    with pytest.raises(SystemExit, match=message):
        run("--identities", 0, *words)


def test_a_data_set_needs_its_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["audit.py", "--out", str(tmp_path), "--faces", "ferplus"])
    with pytest.raises(SystemExit, match="--faces ferplus needs --root"):
        audit.main()


def test_a_bad_file_has_no_measures(tiny_pipeline, tmp_path: Path):
    (tmp_path / "bad.png").write_bytes(b"no picture")
    sample = audit.EmoSample("bad", str(tmp_path / "bad.png"), "image", "fear", "ferplus", "valid")
    row = audit.words_row(tiny_pipeline, sample, questions=2)
    assert row["measures"] is None and row["message"]
