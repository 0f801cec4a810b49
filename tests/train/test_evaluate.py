"""Evaluation with the pipeline that users meet: figures, files, going on after a stop, several processes."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import dataset_trees as trees
import pytest
from PIL import Image

from emo_toolkit.data import load_samples
from train import evaluate

ROOT = Path(evaluate.__file__).parents[1]


@pytest.fixture
def score(ferplus, tiny, tmp_path, monkeypatch, capsys):
    """Runs evaluate.py on the valid split; returns report, rows and what was printed."""

    def run(*words: object) -> tuple[dict, list[dict], str]:
        output = tmp_path / "out" / "report.json"
        common = ("--checkpoint", tiny, "--root", ferplus, "--split", "valid", "--output", output)
        monkeypatch.setattr(sys, "argv", ["evaluate.py", *map(str, (*common, *words))])
        evaluate.main()
        rows = output.with_suffix(".jsonl").read_text().splitlines()
        assert sorted(path.name for path in output.parent.iterdir()) == ["report.json", "report.jsonl"]
        return json.loads(output.read_text()), list(map(json.loads, rows)), capsys.readouterr().out

    return run


@pytest.fixture
def asked(monkeypatch) -> list[str]:
    """The files that the pipeline is asked about."""
    seen: list[str] = []
    predict = evaluate.EmoPipeline.predict

    def count(self, path: str, **words: object):
        seen.append(Path(path).stem)
        return predict(self, path, **words)

    monkeypatch.setattr(evaluate.EmoPipeline, "predict", count)
    return seen


def steady(rows: list[dict]) -> list[dict]:
    """Rows without their seconds; scores to 1e-5, because another number of threads adds up in another order."""
    kept = [{name: value for name, value in row.items() if name != "seconds"} for row in rows]
    return [row | {"scores": {label: round(chance, 5) for label, chance in row["scores"].items()}} for row in kept]


def test_report_and_rows(score, ferplus, tiny):
    report, rows, said = score()
    samples = {sample.id: sample for sample in load_samples("ferplus", ferplus, "valid")}
    assert {row["id"]: row["truth"] for row in rows} == {name: sample.label for name, sample in samples.items()}
    right = sum(row["truth"] == row["label"] for row in rows)
    assert report["n"] == 6 and report["war"] == pytest.approx(right / 6)
    assert f"WAR {right / 6:.4f}" in said and "UAR" in said and "n = 6" in said
    assert report["checkpoint"] == str(tiny) and (report["dataset"], report["split"]) == ("ferplus", "valid")
    assert report["war_interval_95"][0] <= report["war"] <= report["war_interval_95"][1]
    assert sum(map(sum, report["confusion"])) == 6 - report["unparsed"] and len(report["recalls"]) == 6
    for row in rows:
        assert row["status"] == "ok" and sum(row["scores"].values()) == pytest.approx(1)


def test_a_limit_draws_the_same_samples_every_time(score):
    _, whole, _ = score()
    _, some, _ = score("--limit", 3)
    assert steady(some) == steady(whole[:3])


def test_estimates_reach_the_prompt(score):
    report, rows, _ = score("--estimate", "--limit", 2)
    assert report["estimate"] is True and {row["attributes"]["origin"] for row in rows} == {"estimated"}


def test_a_fold_of_clips_published_as_frames(astronaut, tiny, tmp_path, monkeypatch):
    trees.dfew(tmp_path, "test", 2, ["7,1", "12,4"], clips="jpg_256")
    for name in ("00007", "00012"):
        trees.frame_folder(tmp_path / "Clip/jpg_256" / name, [Image.open(astronaut)] * 2)
    words = ("--dataset", "dfew", "--fold", 2, "--root", tmp_path, "--split", "test", "--checkpoint", tiny)
    monkeypatch.setattr(sys, "argv", ["evaluate.py", *map(str, words), "--output", str(tmp_path / "report.json")])
    evaluate.main()
    report = json.loads((tmp_path / "report.json").read_text())
    rows = list(map(json.loads, (tmp_path / "report.jsonl").read_text().splitlines()))
    assert (report["dataset"], report["fold"], report["n"]) == ("dfew", 2, 2)
    assert {(row["kind"], row["status"], len(row["frames"])) for row in rows} == {("video", "ok", 2)}
    assert {row["id"]: row["truth"] for row in rows} == {"dfew/00007": "happiness", "dfew/00012": "anger"}


def test_a_file_that_cannot_be_read_is_wrong(score, ferplus, tmp_path, monkeypatch):
    samples = load_samples("ferplus", ferplus, "valid")[:2]
    bad = [type(samples[0])(**{**samples[0].__dict__, "path": str(tmp_path / "gone.png")}), samples[1]]
    monkeypatch.setattr(evaluate, "load_samples", lambda *_, **__: bad)
    report, rows, _ = score()
    assert report["n"] == 2 and report["unparsed"] == 1 and report["war"] <= 0.5
    assert {row["status"] for row in rows} == {"error", "ok"}


def test_it_goes_on_after_a_stop(score, asked, tmp_path):
    _, whole, _ = score()
    rows = (tmp_path / "out" / "report.jsonl").read_text().splitlines()
    partial = tmp_path / "out" / "report.0of1.partial.jsonl"
    partial.write_text("\n".join(rows[:2]) + "\n" + rows[2][:40])  # the third row was cut short
    asked.clear()
    _, again, _ = score()
    assert len(asked) == 4 and steady(again) == steady(whole)


def test_rows_of_another_run_are_not_taken(score, asked, tmp_path):
    _, whole, _ = score()
    rows = (tmp_path / "out" / "report.jsonl").read_text().replace('"checkpoint": "', '"checkpoint": "older/')
    (tmp_path / "out" / "report.0of1.partial.jsonl").write_text(rows.replace('"label": "', '"label": "never '))
    asked.clear()
    _, again, _ = score()
    assert len(asked) == 6 and steady(again) == steady(whole)
    (tmp_path / "out" / "report.0of1.partial.jsonl").write_text((tmp_path / "out" / "report.jsonl").read_text())
    asked.clear()
    score("--estimate")
    assert len(asked) == 6


def test_rows_of_two_processes_are_joined(score, ferplus, tiny_pipeline, tmp_path):
    report, rows, _ = score()
    by_id = {sample.id: sample for sample in load_samples("ferplus", ferplus, "valid")}
    samples = [by_id[row["id"]] for row in rows]
    output = tmp_path / "joined.json"
    for rank in (1, 0):
        mine = output.with_suffix(f".{rank}of2.partial.jsonl")
        evaluate.answer_rows(tiny_pipeline, samples[rank::2], estimate=False, rows_file=mine)
    evaluate.finish(evaluate.parse_arguments(), samples, output, 2)
    assert json.loads(output.read_text()) == report
    assert steady(list(map(json.loads, output.with_suffix(".jsonl").read_text().splitlines()))) == steady(rows)


@pytest.mark.slow
def test_two_processes_give_the_same_report(score, ferplus, tiny, tmp_path):
    report, rows, _ = score()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    output = tmp_path / "two" / "report.json"
    launch = ("accelerate.commands.launch", "--multi_gpu", "--num_processes", 2, "--main_process_port", port)
    words = ("--checkpoint", tiny, "--root", ferplus, "--split", "valid", "--output", output)
    place = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    ran = subprocess.run(
        [sys.executable, "-m", *map(str, (*launch, ROOT / "train" / "evaluate.py", *words))],
        env=os.environ | place,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("WAR") == 1
    assert json.loads(output.read_text()) == report
    assert steady(list(map(json.loads, output.with_suffix(".jsonl").read_text().splitlines()))) == steady(rows)
