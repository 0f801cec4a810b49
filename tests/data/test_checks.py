"""A whole set is read before a run is paid for: every kind of damage is found once, and what is right passes."""

from dataclasses import replace

import dataset_trees as trees
import pytest

from emo_toolkit.data import DATASETS, load_samples
from emo_toolkit.data.checks import PUBLISHED, check_files, check_samples
from emo_toolkit.labels import LABELS

DAMAGE = {
    "gone.jpg": "missing",
    "empty.jpg": "empty",
    "hollow": "empty",
    "torn.jpg": "unreadable",
    "text.jpg": "unreadable",
    "torn": "unreadable",
    "clip.jpg": "wrong kind",
    "n" * 300 + ".jpg": "unreadable",  # no system has such a name
}


@pytest.fixture
def samples(tmp_path, faces, clip):
    """A good photo, a good clip, good frames, and one of each damage."""
    trees.save(faces[0], tmp_path / "good.jpg", tmp_path / "torn.jpg", tmp_path / "torn/2.jpg")
    trees.copy(clip, tmp_path / "good.mp4", tmp_path / "clip.jpg")
    trees.frame_folder(tmp_path / "good", faces)
    (tmp_path / "torn.jpg").write_bytes((tmp_path / "torn.jpg").read_bytes()[:500])
    trees.write_text(tmp_path / "torn/1.jpg", "no picture")
    trees.write_text(tmp_path / "text.jpg", "no picture")
    trees.write_text(tmp_path / "empty.jpg", "")
    (tmp_path / "hollow").mkdir()
    rows = [*(f"{name},fear" for name in ("good.jpg", "good.mp4", "good", *DAMAGE)), ""]
    return load_samples("manifest", trees.write_text(tmp_path / "mine.csv", "\n".join(["path,label", *rows])), "all")


@pytest.mark.parametrize("workers", [1, 2])
def test_every_damage_is_found_with_its_row(samples, workers):
    problems = check_samples(samples, workers=workers)
    assert {problem.path.rpartition("/")[2]: problem.kind for problem in problems} == DAMAGE
    assert [int(problem.row.rpartition(" ")[2]) for problem in problems] == list(range(5, 5 + len(DAMAGE)))
    assert "1.jpg" in next(problem.text for problem in problems if problem.path.endswith("/torn"))


def test_answers_come_in_order(samples):
    found = list(check_files(samples))
    assert [problem is None for problem in found] == [True] * 3 + [False] * len(DAMAGE)
    assert list(check_files([])) == []


def test_labels_and_ids(samples):
    good = samples[0]
    strange, empty = replace(good, id="x", label="bored"), replace(good, id="y", label="")
    twice = replace(good, row="other.csv, line 9")
    problems = check_samples([good, strange, twice, empty])
    assert [problem.kind for problem in problems] == ["no label", "duplicate id", "no label"]
    assert problems[1].row == "other.csv, line 9" and good.row in problems[1].text


def test_published_counts_fit_the_labels_and_each_other():
    for (dataset, split, fold), counts in PUBLISHED.items():
        assert len(counts) in (1, len(LABELS[dataset])) and split in DATASETS[dataset].splits
        assert (fold is None) == (DATASETS[dataset].folds == 0)
    whole = {"dfew": 11697, "mafw": 9172}
    for dataset, count in whole.items():  # each fold divides the same clips
        for fold in range(1, 6):
            assert sum(sum(PUBLISHED[dataset, split, fold]) for split in ("train", "test")) == count
    sizes = {"rafdb": 12271, "ferplus": 28556, "affectnet": 287651, "affectnet7": 283901, "ferv39k": 31088}
    assert {name: sum(PUBLISHED[name, "train", None]) for name in sizes} == sizes
    assert [sum(PUBLISHED["ferplus", split, None]) for split in ("valid", "test")] == [3579, 3573]
    assert sum(PUBLISHED["rafdb", "test", None]) == 3068 and sum(PUBLISHED["ferv39k", "test", None]) == 7847
