"""The door in front of a paid run: what it prints, what it writes, and how it ends."""

import csv
import sys

import dataset_trees as trees
import pytest
from PIL import Image

from emo_toolkit.recording import write_clip
from train import check_data


@pytest.fixture
def check(monkeypatch, capsys):
    """Runs check_data.py in this process; returns its exit code and what it printed."""

    def run(*words: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["check_data.py", *map(str, words), "--workers", "1"])
        return check_data.main(), capsys.readouterr().out

    return run


@pytest.fixture
def dfew(tmp_path):
    """Folds of three clips; the third is in train and test of fold 4 alone."""
    for fold in range(1, 6):
        trees.dfew(tmp_path, "train", fold, ["1,1", "2,2"] if fold % 2 else ["1,1", "3,3"])
        trees.dfew(tmp_path, "test", fold, ["3,3"] if fold % 2 or fold == 4 else ["2,2"])
    for number in (1, 2, 3):
        write_clip([Image.new("RGB", (32, 32))] * 3, tmp_path / f"Clip/original/{number}.mp4", fps=25)
    return tmp_path


def test_a_good_set_passes(check, ferplus):
    code, said = check("--dataset", "ferplus", "--root", ferplus, "--split", "valid")
    assert code == 0 and "nothing is wrong with 6 files" in said
    assert [line.split() for line in said.splitlines() if line.strip().startswith("all")] == [
        ["all", "6", "3,579", "differs"]
    ]


def test_what_is_wrong_is_printed_and_written(check, ferplus, tmp_path):
    rows = ["path,label", f"{ferplus}/FER2013Valid/fer0000000.png,fear", *(f"gone{n}.jpg,fear" for n in range(30))]
    path = trees.write_text(tmp_path / "mine.csv", "\n".join(rows))
    code, said = check("--dataset", "manifest", "--root", path, "--problems", tmp_path / "wrong.csv")
    assert code == 1 and "missing" in said and f"{path}, line 3: {tmp_path / 'gone0.jpg'} does not exist" in said
    assert "and 10 more" in said and said.count("does not exist") == check_data.MOST_PRINTED
    with (tmp_path / "wrong.csv").open(newline="") as file:
        written = list(csv.DictReader(file))
    assert len(written) == 30 and written[29]["path"] == str(tmp_path / "gone29.jpg")


def test_all_folds_are_checked_and_each_file_is_read_once(check, dfew, monkeypatch):
    read: list[str] = []
    load = check_data.check_files
    monkeypatch.setattr(
        check_data, "check_files", lambda samples, workers: [read.append(s.id) for s in samples] and load(samples)
    )
    code, said = check("--dataset", "dfew", "--root", dfew)
    assert code == 1 and sorted(read) == ["dfew/00001", "dfew/00002", "dfew/00003"]
    assert said.count("fold ") == 10 and "duplicate id" in said and "also in train: " in said and "set_4.csv" in said
    assert check("--dataset", "dfew", "--root", dfew, "--fold", 1)[0] == 0


def test_a_list_that_cannot_be_read_does_not_stop_the_others(check, dfew):
    path = trees.dfew(dfew, "train", 2, ["1,9"])
    code, said = check("--dataset", "dfew", "--root", dfew, "--fold", 2)
    assert code == 1 and f"{path}, line 2: expected a clip number" in said and "dfew test, fold 2" in said


def test_a_set_that_is_not_there(check, tmp_path):
    code, said = check("--dataset", "rafdb", "--root", tmp_path)
    assert code == 1 and said.count("Image/original does not exist") == 2  # train and test
