"""An audit of maps goes on where it was, survives a bad file, and prints tables with n and intervals."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from emo_toolkit.data.synthetic_writer import SyntheticWriter, draw_item
from emo_toolkit.explain.maps import VIEWS
from emo_toolkit.synthetic.plan import plan_item
from emo_toolkit.synthetic.renderer import FaceRenderer
from train import audit_maps

ROOT = Path(audit_maps.__file__).parents[1]
COUNT = 4


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    """Root of a few drawn photos of the test split."""
    root, renderer = tmp_path_factory.mktemp("drawn"), FaceRenderer()
    writer = SyntheticWriter(root, "image")
    writer.path("test").parent.mkdir(parents=True)
    for item in [item for number in range(800) if (item := plan_item(3, "image", number)).split == "test"][:COUNT]:
        writer.append("test", draw_item(item, writer.folder, renderer, size=96, frames=1))
    return root


@pytest.fixture
def run(tiny, tmp_path, monkeypatch, capsys):
    """Runs audit_maps.py; returns report, rows, what was printed and which samples were read."""
    read: list[str] = []
    judged = audit_maps.judged
    monkeypatch.setattr(
        audit_maps, "judged", lambda *words, **more: read.append(words[1].id) or judged(*words, **more)
    )

    def call(*words: object) -> tuple[dict, list[dict], str, list[str]]:
        read.clear()
        common = ("--checkpoint", tiny, "--out", tmp_path / "out" / "maps.json", "--steps", 2)
        monkeypatch.setattr(sys, "argv", ["audit_maps.py", *map(str, (*common, *words))])
        audit_maps.main()
        output = tmp_path / "out" / "maps.json"
        rows = list(map(json.loads, output.with_suffix(".jsonl").read_text().splitlines()))
        assert not list(output.parent.glob("*partial*"))
        return json.loads(output.read_text()), rows, capsys.readouterr().out, list(read)

    return call


def without_time(rows: list[dict]) -> list[dict]:
    return [{name: value for name, value in row.items() if "seconds" not in name} for row in rows]


def test_drawn_faces_have_every_table(run, drawn, tmp_path) -> None:
    words = ("--dataset", "synthetic", "--root", drawn, "--randomise", 1, "--figures", tmp_path / "pages")
    words = (*words, "--dtype", "bfloat16")
    report, rows, said, _ = run(*words)
    assert report["n"] + report["failed"] == COUNT == len(rows) and report["made_from"]["dtype"] == "bfloat16"
    maps = sum(map(len, VIEWS.values()))
    assert len(report["maps"]) == len(report["alike"]) == maps and len(report["regions"]) > maps
    score = report["maps"]["local, raw"]
    assert score["over_chance_interval_95"][0] <= score["over_chance"] <= score["over_chance_interval_95"][1]
    assert (
        f"{report['n']} pictures" in said and "| word, gradient | " in said and "shuffled weights (1 pictures)" in said
    )
    page = (tmp_path / "pages" / "figures.html").read_text(encoding="utf-8")
    assert "<script src" not in page and "0.5 is chance" in page and page.count('class="plotly-graph-div"') == 1


def test_real_faces_have_no_regions_and_a_run_goes_on(run, ferplus, tmp_path) -> None:
    words = ("--dataset", "ferplus", "--root", ferplus, "--split", "valid", "--limit", 3)
    report, rows, said, read = run(*words)
    assert len(read) == 3 and not report["regions"] and not report["alike"] and "AUC" not in said
    lines = [json.dumps(row) for row in rows]
    partial = tmp_path / "out" / "maps.0of1.partial.jsonl"
    partial.write_text("\n".join([*lines[:2], lines[2][:40]]))  # killed in the middle of the last row
    again, mended, _, read = run(*words)
    assert read == [rows[2]["id"]] and again == report and without_time(mended) == without_time(rows)
    partial.write_text("\n".join(lines).replace('"steps": 2', '"steps": 5'))
    assert len(run(*words)[3]) == 3  # rows of other curves are left alone


def test_one_bad_file_never_stops_it(run, ferplus, tmp_path, monkeypatch) -> None:
    jobs = audit_maps.load_jobs

    def broken(arguments: object) -> list:
        (_, first), *others = jobs(arguments)
        (tmp_path / "bad.png").write_bytes(b"no picture")
        return [(None, audit_maps.EmoSample("bad", str(tmp_path / "bad.png"), "image", "fear", "ferplus", "valid")),
                *others]  # fmt: skip

    monkeypatch.setattr(audit_maps, "load_jobs", broken)
    words = ("--dataset", "ferplus", "--root", ferplus, "--split", "valid")
    report, rows, said, _ = run(*words, "--limit", 2)
    assert report["failed"] >= 1 and rows[0]["failed"] and "more had no usable face" in said and "bad: " in said
    with pytest.raises(SystemExit, match="no picture could be judged; bad: "):
        run(*words, "--limit", 1)


def test_no_such_checkpoint_is_said_in_one_line(run, drawn) -> None:
    with pytest.raises(SystemExit, match="no/such/folder"):
        run("--root", drawn, "--checkpoint", "no/such/folder/at-all")


def test_two_processes_give_the_same_report(run, ferplus, tiny, tmp_path) -> None:
    words = ("--dataset", "ferplus", "--root", ferplus, "--split", "valid", "--limit", 3)
    alone, _, _, _ = run(*words)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    output = tmp_path / "two" / "maps.json"
    launch = ("accelerate.commands.launch", "--multi_gpu", "--num_processes", 2, "--main_process_port", port)
    more = ("--checkpoint", tiny, "--steps", 2, "--out", output)
    environment = {name: value for name, value in os.environ.items() if name not in ("RANK", "WORLD_SIZE")}
    subprocess.run(
        [sys.executable, "-m", *map(str, (*launch, ROOT / "train" / "audit_maps.py", *words, *more))],
        env=environment
        | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])},
        check=True,
        timeout=300,
    )
    together = json.loads(output.read_text())
    assert together["n"] == alone["n"] and together["maps"].keys() == alone["maps"].keys()
    for name, score in alone["maps"].items():
        assert together["maps"][name]["over_chance"] == pytest.approx(score["over_chance"], abs=1e-3)
