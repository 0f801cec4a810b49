"""A batch with `tiny`: the same rows however often it is stopped, and no row of another request."""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from batch_rows import rows_of, run, steady
from filelock import FileLock

from emo_toolkit.batch.files import Entry, entries
from emo_toolkit.batch.journal import Journal, Part
from emo_toolkit.batch.rows import COLUMNS
from emo_toolkit.labels import DEFAULT_OPTIONS
from emo_toolkit.pipeline import EmoPipeline

ROOT = Path(__file__).parents[2]


def until(happened, seconds: float = 240.0) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.005)


def lines_in_parts(out: Path) -> int:
    return sum(part.read_bytes().count(b"\n") for part in Journal(out).parts())


def test_rows(whole, photos, words):
    assert [row["path"] for row in whole] == [f"set{n % 2}/{n}.png" for n in (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)]
    scores = [f"score_{label}" for label in DEFAULT_OPTIONS]
    assert list(whole[0]) == [*list(COLUMNS)[:4], *scores, *list(COLUMNS)[4:]]
    for row in whole:
        assert (row["kind"], row["status"], row["text"], row["message"]) == ("image", "ok", None, None)
        assert sum(row[name] for name in scores) == pytest.approx(1) and row["faces"] == row["frames"] == 1
        assert row["score_" + row["label"]] == max(row[name] for name in scores)
        assert row["seconds"] > 0 and row["checkpoint"] == words[1]


def test_a_finished_run_returns_at_once(whole, photos, words, tmp_path, capsys, monkeypatch):
    out = tmp_path / "rows.jsonl"
    assert run(photos, out, *words) == 0
    made = out.stat()
    assert sorted(path.name for path in Journal(out).folder.iterdir()) == ["asked.json", "lock"]
    with monkeypatch.context() as patch:
        patch.setattr(EmoPipeline, "from_checkpoint", None)  # it is not even loaded
        assert run(photos, out, *words) == 0
    assert "10 of 10 files, 10 ok" in capsys.readouterr().err and out.stat().st_ino == made.st_ino
    out.unlink()
    assert run(photos, out, *words) == 0 and steady(rows_of(out)) == steady(whole)


def test_a_killed_run_goes_on(whole, photos, words, tmp_path):
    out = tmp_path / "rows.jsonl"
    command = [sys.executable, "-m", "emo_toolkit", "batch", str(photos), "--out", str(out), *words]
    place = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=os.environ | place, stderr=subprocess.DEVNULL)
    until(lambda: lines_in_parts(out) >= 2 or process.poll() is not None)
    process.kill()
    assert process.wait() == -signal.SIGKILL and not out.exists()
    (part,) = Journal(out).parts()
    torn = part.read_bytes().splitlines(keepends=True)
    part.write_bytes(b"".join(torn[:-1]) + torn[-1][:30])  # the last row was cut short
    assert run(photos, out, *words) == 0
    assert steady(rows_of(out)) == steady(whole)


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_run_goes_on(whole, photos, words, tmp_path, capsys, sign):
    out = tmp_path / "rows.jsonl"
    before = signal.getsignal(sign)
    watch = threading.Thread(
        target=lambda: (until(lambda: lines_in_parts(out) >= 1), os.kill(os.getpid(), sign)), daemon=True
    )
    watch.start()
    assert run(photos, out, *words) == 128 + sign and not out.exists()
    assert capsys.readouterr().err == "stopped; to go on run the same line again, finished rows are kept\n"
    assert signal.getsignal(sign) == before and 0 < lines_in_parts(out) < 10
    assert run(photos, out, *words) == 0 and "before)" in capsys.readouterr().err
    assert steady(rows_of(out)) == steady(whole)


@pytest.fixture
def small_disk() -> Iterator[None]:
    """No file may grow beyond 2,000 bytes until `lift` is called."""
    kept = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, kept[1]))
    yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, kept)
    resource.setrlimit(resource.RLIMIT_FSIZE, kept)


def test_a_full_disk(whole, photos, words, tmp_path, capsys, small_disk):
    out = tmp_path / "rows.jsonl"
    assert run(photos, out, *words) == 3
    (said,) = capsys.readouterr().err.splitlines()
    assert "File too large" in said and "run the same line again" in said
    (part,) = Journal(out).parts()
    assert 0 < part.stat().st_size < 2000 and part.read_bytes().endswith(b"\n")
    small_disk()
    assert run(photos, out, *words) == 0 and steady(rows_of(out)) == steady(whole)


def test_rows_of_another_number_of_processes_are_kept(whole, photos, words, tmp_path):
    out = tmp_path / "rows.jsonl"
    journal = Journal(out)
    assert run(photos, out, *words) == 0
    rows, state = rows_of(out), journal.state()
    out.unlink()
    journal.begin(state["asked"], entries(photos))
    marked = [row | {"text": "kept"} for row in rows]
    for rank, numbers in enumerate([(6, 0, 3), (9, 3, 4)]):  # in any order, one of them twice
        with journal.part(rank) as part:
            for number in numbers:
                part.append(number, marked[number])
    with journal.parts()[1].open("ab") as part:
        part.write(b"\0\0\0\n[7, {")
    assert run(photos, out, *words) == 0
    again = rows_of(out)
    assert [number for number, row in enumerate(again) if row["text"] == "kept"] == [0, 3, 4, 6, 9]
    assert steady([row | {"text": None} for row in again]) == steady(whole)


def test_another_request_is_refused(photos, words, tiny, tmp_path, capsys):
    out = tmp_path / "rows.jsonl"
    assert run(photos, out, *words, "--options", "happiness,sadness") == 0
    for changed, name in [((), "--options"), (("--options", "happiness,sadness", "--answer"), "--answer")]:
        capsys.readouterr()
        assert run(photos, out, *words, *changed) == 2
        assert f"{name} was" in (said := capsys.readouterr().err) and "--restart" in said
    assert run(photos / "set0", out, *words, "--options", "happiness,sadness") == 2
    assert list(rows_of(out)[0])[4:6] == ["score_happiness", "score_sadness"]
    assert run(photos, out, *words, "--options", "fear", "--restart") == 0
    assert {row["score_fear"] for row in rows_of(out)} == {1.0}


def test_a_slip_before_the_first_row_costs_nothing(photos, words, tmp_path, capsys):
    out = tmp_path / "rows.jsonl"
    assert run(photos, out, "--checkpoint", tmp_path) == 3 and "not a checkpoint" in capsys.readouterr().err
    assert run(photos / "set0", out, *words) == 0 and len(rows_of(out)) == 5


def test_what_is_not_begun(photos, words, tmp_path, capsys):
    manifest, strange = tmp_path / "list.jsonl", tmp_path / "strange.jsonl"
    manifest.write_text('{"path": "a.png"}\n')
    strange.write_text("somebody's\n")
    (tmp_path / "empty").mkdir()
    for source, out, why in [
        (photos, tmp_path / "rows.txt", "must end in .jsonl or .parquet"),
        (tmp_path / "nowhere", tmp_path / "rows.jsonl", "does not exist"),
        (photos / "set0" / "0.png", tmp_path / "rows.jsonl", "use 'predict'"),
        (tmp_path / "empty", tmp_path / "rows.jsonl", "no photo or clip; known are .avi"),
        (manifest, manifest, "or the manifest itself"),
        (photos, strange, "nothing tells what made it"),
    ]:
        assert run(source, out, *words) == 2 and why in capsys.readouterr().err
    assert strange.read_text() == "somebody's\n" and manifest.read_text() == '{"path": "a.png"}\n'


def test_two_runs_do_not_share_an_output(photos, words, tmp_path, capsys):
    out = tmp_path / "rows.jsonl"
    Journal(out).folder.mkdir()
    with FileLock(Journal(out).folder / "lock"):
        assert run(photos, out, *words) == 2 and "another run is writing" in capsys.readouterr().err
    assert run(photos / "set0", out, *words) == 0


def test_a_part_mends_its_torn_end(tmp_path):
    path, long = tmp_path / "part", {"a": "x" * 5000}
    for cut in (1, 7, 4000, 5010):
        path.unlink(missing_ok=True)
        with Part(path) as part:
            part.append(0, {"a": "ä"})
            part.append(1, long)
        path.write_bytes(path.read_bytes()[:-cut])
        with Part(path) as part:
            part.append(2, {})
        assert [json.loads(line) for line in path.read_bytes().splitlines()] == [[0, {"a": "ä"}], [2, {}]]


def test_a_broken_journal_is_refused(photos, words, tmp_path, capsys):
    out = tmp_path / "rows.jsonl"
    journal = Journal(out)
    journal.begin({}, iter([Entry("a.png", {})]))
    (journal.folder / "asked.json").write_text("{")
    assert run(photos, out, *words) == 2 and "is broken; --restart" in capsys.readouterr().err
    assert run(photos, out, *words, "--restart") == 0


@pytest.mark.slow
def test_two_processes_give_the_same_rows(whole, photos, words, tmp_path):
    out = tmp_path / "rows.jsonl"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launch = ("accelerate.commands.launch", "--multi_gpu", "--num_processes", 2, "--main_process_port", port)
    command = ["-m", *launch, "-m", "emo_toolkit", "batch", photos, "--out", out, *words]
    place = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    process = subprocess.Popen([sys.executable, *map(str, command)], env=os.environ | place, stderr=subprocess.PIPE)
    until(lambda: len(Journal(out).parts()) == 2 or process.poll() is not None)
    until(lambda: lines_in_parts(out) >= 3 or process.poll() is not None)
    process.terminate()  # the launcher passes it on
    process.communicate()
    assert process.returncode != 0 and not out.exists() and lines_in_parts(out) >= 3
    ran = subprocess.run([sys.executable, *map(str, command)], env=os.environ | place, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.count("10 of 10 files, 10 ok") == 1 and ran.stdout == ""
    assert steady(rows_of(out)) == steady(whole)
