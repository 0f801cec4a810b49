"""RAF-DB and AffectNet in their published layouts: what is read is what was written, and each trap is avoided."""

import re

import dataset_trees as trees
import numpy as np
import pytest

from emo_toolkit.data import load_samples
from emo_toolkit.data.checks import check_samples
from emo_toolkit.errors import EmoError
from emo_toolkit.labels import LABELS

RAFDB_ROWS = [*(f"train_{code:05d}.jpg {code}" for code in range(1, 8)), "test_0001.jpg 4", "test_0002.jpg 6"]
RAFDB_WORDS = ["surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral"]
AFFECTNET_WORDS = ["neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt"]


def labels_of(samples) -> list[str]:
    return [sample.label for sample in samples]


def test_rafdb_is_read_by_its_codes_and_its_misspelt_list(tmp_path, faces):
    path = trees.rafdb(tmp_path, RAFDB_ROWS)
    trees.save(faces[0], *(tmp_path / f"Image/aligned/{row.split('.')[0]}_aligned.jpg" for row in RAFDB_ROWS))
    samples = load_samples("rafdb", tmp_path, "train")
    assert path.name == "list_patition_label.txt" and labels_of(samples) == RAFDB_WORDS == list(LABELS["rafdb"])
    assert labels_of(load_samples("rafdb", tmp_path, "test")) == ["happiness", "anger"]
    first = samples[0]
    assert (first.id, first.kind, first.split, first.fold) == ("rafdb/train_00001", "image", "train", None)
    assert first.box == (0, 0, 100, 100) and first.row == f"{path}, line 1"
    assert check_samples(samples) == []  # the aligned files have another ending than the list


def test_rafdb_prefers_whole_photos_with_the_box_of_the_labelled_person(tmp_path, faces):
    trees.rafdb(tmp_path, RAFDB_ROWS)
    trees.rafdb(tmp_path, RAFDB_ROWS, folder="original")
    trees.save(faces[0], *(tmp_path / "Image/original" / row.split()[0] for row in RAFDB_ROWS))
    trees.write_text(tmp_path / "Annotation/boundingbox/train_00002_boundingbox.txt", "3.0 4.5 50.0 60.0 \n")
    samples = load_samples("rafdb", tmp_path, "train")
    assert samples[1].box == (3, 4.5, 50, 60) and samples[0].box is None
    assert check_samples(samples) == []


@pytest.mark.parametrize(
    "row", ["train_00001.jpg", "train_00001.jpg 0", "train_00001.jpg 8", "a.jpg 1", "train_1.jpg x"]
)
def test_rafdb_names_a_broken_row(tmp_path, row):
    path = trees.rafdb(tmp_path, ["test_0001.jpg 1", "", row])
    with pytest.raises(EmoError, match=re.escape(f"{path}, line 3: expected a name and a label 1 to 7")):
        load_samples("rafdb", tmp_path, "test")


def test_rafdb_names_a_broken_box(tmp_path):
    trees.rafdb(tmp_path, RAFDB_ROWS, folder="original")
    trees.write_text(tmp_path / "Annotation/boundingbox/train_00002_boundingbox.txt", "3 4 50")
    with pytest.raises(EmoError, match="train_00002_boundingbox.txt: expected four numbers"):
        load_samples("rafdb", tmp_path, "train")


@pytest.mark.parametrize("wrong", ["list_partition_label.txt", "list_patition_label.csv"])
def test_rafdb_names_the_list_that_is_missing(tmp_path, wrong):
    trees.rafdb(tmp_path, RAFDB_ROWS).rename(tmp_path / "EmoLabel" / wrong)
    with pytest.raises(
        EmoError, match="list_patition_label.txt does not exist; --root must be the folder .*EmoLabel/"
    ):
        load_samples("rafdb", tmp_path, "train")


def older(tmp_path, name: str, *, header: bool, codes=range(11)):
    rows = [trees.affectnet_row(f"{code}/a{code}.JPG", code) for code in codes]
    return trees.affectnet_csv(tmp_path, name, rows, header=header)


@pytest.mark.parametrize(("split", "name", "header"), [("train", "training.csv", 1), ("valid", "validation.csv", 0)])
def test_affectnet_csv_with_and_without_a_header(tmp_path, split, name, header):
    path = older(tmp_path, name, header=header)
    samples = load_samples("affectnet", tmp_path, split)  # codes 8 to 10 are left out
    assert labels_of(samples) == AFFECTNET_WORDS == list(LABELS["affectnet"])
    assert samples[0].row == f"{path}, line {1 + header}"  # no row is taken for a header
    assert samples[1].path == str(tmp_path / "Manually_Annotated_Images/1/a1.JPG")
    assert samples[1].box == (10, 20, 40, 60)  # x, y, width, height became corners
    assert len({sample.id for sample in samples}) == 8


def test_affectnet7_has_no_contempt_and_shares_ids(tmp_path):
    older(tmp_path, "training.csv", header=True)
    eight, seven = (load_samples(name, tmp_path, "train") for name in ("affectnet", "affectnet7"))
    assert labels_of(seven) == AFFECTNET_WORDS[:-1] == list(LABELS["affectnet7"])
    assert [s.id for s in seven] == [s.id for s in eight[:-1]] and {s.dataset for s in seven} == {"affectnet7"}


@pytest.mark.parametrize("box", ["NULL,NULL,NULL,NULL", "5,5,-2,-2", "5,5,0,0"])
def test_affectnet_rows_without_a_box(tmp_path, box):
    trees.affectnet_csv(tmp_path, "training.csv", [trees.affectnet_row("1/a.jpg", 1, box)], header=True)
    (sample,) = load_samples("affectnet", tmp_path, "train")
    assert sample.box is None and sample.label == "happiness"


def test_affectnet_lists_may_lie_at_the_top_and_pictures_one_folder_down(tmp_path):
    path = older(tmp_path, "training.csv", header=True)
    path.rename(tmp_path / "training.csv")
    (tmp_path / "Manually_Annotated").mkdir()
    (tmp_path / "Manually_Annotated_Images").rename(tmp_path / "Manually_Annotated/Manually_Annotated_Images")
    sample = load_samples("affectnet", tmp_path, "train")[0]
    assert sample.path == str(tmp_path / "Manually_Annotated/Manually_Annotated_Images/0/a0.JPG")


@pytest.mark.parametrize(
    "row", [trees.affectnet_row("1/a.jpg", 11), trees.affectnet_row("1/a.jpg", ""), "1/a.jpg,1,2"]
)
def test_affectnet_names_a_broken_row(tmp_path, row):
    path = trees.affectnet_csv(tmp_path, "training.csv", [trees.affectnet_row("1/b.jpg", 0), row], header=True)
    with pytest.raises(EmoError, match=re.escape(f"{path}, line 3: expected ")):
        load_samples("affectnet", tmp_path, "train")


@pytest.mark.parametrize("kind", [int, str, float])  # published copies hold numbers or their text
@pytest.mark.parametrize(("split", "folder"), [("train", "train_set"), ("valid", "val_set")])
def test_affectnet_arrays(tmp_path, faces, split, folder, kind):
    codes = {str(100 + code): code if kind is int else kind(code) for code in range(8)}
    notes = trees.affectnet_arrays(tmp_path, folder, codes)
    trees.save(faces[0], *(tmp_path / folder / f"images/{name}.jpg" for name in codes))
    samples = load_samples("affectnet", tmp_path, split)
    assert labels_of(samples) == AFFECTNET_WORDS
    assert samples[3].row == str(notes / "103_exp.npy") and samples[3].box is None
    assert check_samples(samples) == []
    assert labels_of(load_samples("affectnet7", tmp_path, split)) == AFFECTNET_WORDS[:-1]


@pytest.mark.parametrize("bad", [b"", b"not numpy", "pickled"])
def test_affectnet_names_a_broken_array(tmp_path, bad):
    folder = trees.affectnet_arrays(tmp_path, "train_set", {"1": 0, "2": 1})
    if bad == "pickled":
        np.save(folder / "2_exp.npy", np.array({"code": 1}, dtype=object))
    else:
        (folder / "2_exp.npy").write_bytes(bad)
    with pytest.raises(EmoError, match="2_exp.npy: expected an array of one expression code"):
        load_samples("affectnet", tmp_path, "train")


def test_affectnet_names_both_layouts_when_neither_is_there(tmp_path):
    with pytest.raises(EmoError, match="train_set.*training.csv.*Manually_Annotated_file_lists"):
        load_samples("affectnet", tmp_path, "train")
