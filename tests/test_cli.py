"""The command line as users meet it: JSON with the promised fields, a table, exit codes, words instead of traces."""

import json
import shutil
from pathlib import Path

import pytest

from emo_toolkit.cli import main
from emo_toolkit.labels import DEFAULT_OPTIONS

PROMISED = {
    *("path", "kind", "status", "label", "scores", "text", "attributes", "frames", "prompt", "checkpoint", "seconds")
}


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of one command."""
    code = main([str(word) for word in words])
    return code, *capsys.readouterr()


def test_json(capsys, tiny, astronaut):
    code, out, _ = run(capsys, "predict", astronaut, "--checkpoint", tiny, "--format", "json")
    (answer,) = json.loads(out)
    assert code == 0 and answer.keys() >= PROMISED
    assert list(answer["attributes"]) == ["age", "gender", "race", "origin"]
    assert answer["frames"][0].keys() >= {"time", "box", "found"} and len(answer["frames"][0]["box"]) == 4
    assert tuple(answer["scores"]) == DEFAULT_OPTIONS and sum(answer["scores"].values()) == pytest.approx(1)
    assert (answer["path"], answer["kind"], answer["status"]) == (str(astronaut), "image", "ok")
    assert answer["checkpoint"] == str(tiny) and answer["label"] in DEFAULT_OPTIONS and answer["message"] is None


def test_one_bad_file_never_stops_the_others(capsys, tiny, astronaut, tmp_path):
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no picture")
    named = tmp_path / "\udcff.jpg"  # a name that is no UTF-8
    shutil.copy(astronaut, named)
    paths = (astronaut, bad, tmp_path, tmp_path / "missing.mp4", named)
    code, out, _ = run(capsys, "predict", *paths, "--checkpoint", tiny, "--format", "json")
    answers = json.loads(out)
    assert code == 1 and [answer["path"] for answer in answers] == [str(path) for path in paths]
    assert [answer["status"] for answer in answers] == ["ok", "error", "error", "error", "ok"]
    for answer in answers[1:4]:
        assert answer["message"] and answer["label"] is None and answer.keys() >= PROMISED
    code, out, _ = run(capsys, "predict", named, "--checkpoint", tiny)
    assert code == 0 and out.splitlines()[0].endswith("?.jpg")


def test_table(capsys, tiny, astronaut, tmp_path):
    words = ("--checkpoint", tiny, "--options", "clear, mixed,,clear", "--question", "Clear or mixed?")
    code, out, _ = run(capsys, "predict", astronaut, tmp_path, *words, "--attributes", "age=30-39,gender=female")
    assert code == 1
    lines = out.splitlines()
    assert lines[0] == str(astronaut) and {line.split()[0] for line in lines[1:3]} == {"clear", "mixed"}
    assert "attributes  30-39, female (given)" in out and "1 of 1 with a usable face" in out
    assert f"{tmp_path}\n  error: " in out and "perceived expression, not felt emotion" in lines[-1]


def test_attributes_are_estimated_on_demand(capsys, tiny, astronaut):
    _, out, _ = run(capsys, "predict", astronaut, "--checkpoint", tiny, "--attributes", "estimate", "--format", "json")
    known = json.loads(out)[0]["attributes"]
    assert known["origin"] == "estimated" and known["gender"] == "female" and known["race"] is None


def test_wrong_attributes(capsys, tiny, astronaut):
    code, out, err = run(capsys, "predict", astronaut, "--checkpoint", tiny, "--attributes", "age=33")
    assert code == 2 and out == "" and "'33' is not a value of age; choose one of 0-2" in err


@pytest.mark.parametrize(
    "words", [(), ("predict",), ("explode",), ("predict", "a.jpg", "--format", "xml"), ("batch", "photos")]
)
def test_a_wrong_command_line(capsys, words):
    with pytest.raises(SystemExit) as stop:
        main(list(words))
    assert stop.value.code == 2 and "usage:" in capsys.readouterr().err


@pytest.mark.parametrize("words", [("--help",), ("predict", "--help")])
def test_help_shows_examples_and_words(capsys, words):
    with pytest.raises(SystemExit) as stop:
        main(list(words))
    out = capsys.readouterr().out
    assert stop.value.code == 0
    for part in (
        "python -m emo_toolkit predict photo.jpg",
        "30-39",
        "never estimated",
        "exit code",
        "not felt emotion",
    ):
        assert part in out


def test_help_of_batch_teaches(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["batch", "--help"])
    out = capsys.readouterr().out
    assert stop.value.code == 0
    for part in (
        "python -m emo_toolkit batch photos/ --out rows.jsonl",
        "accelerate launch --multi_gpu --num_processes 4 -m emo_toolkit batch",
        "score_LABEL",
        "Run the same line again",
        "--restart",
        "exit code: 0 finished; 1 finished",
        "never estimated",
        "not felt emotion",
    ):
        assert part in out


def test_batch(capsys, tiny, astronaut, tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    shutil.copy(astronaut, tmp_path / "good.jpg")
    rows = tmp_path / "rows.jsonl"
    code, out, err = run(capsys, "batch", tmp_path, "--out", rows, "--checkpoint", tiny)
    assert code == 1 and out == "" and err == f"{rows}: 2 of 2 files, 1 ok, 0 without a face, 1 errors\n"
    assert [json.loads(line)["status"] for line in rows.read_text().splitlines()] == ["error", "ok"]


@pytest.mark.parametrize("content", [None, "{}", "not json", '{"model_type": "emo_llama"}'])
def test_a_checkpoint_that_cannot_be_loaded(capsys, tmp_path: Path, astronaut, content):
    if content:
        (tmp_path / "config.json").write_text(content)
    code, out, err = run(capsys, "predict", astronaut, "--checkpoint", tmp_path)
    assert code == 1 and out == "" and str(tmp_path) in err and "Traceback" not in err
