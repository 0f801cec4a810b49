"""Data sets on disk -> samples: the published protocol, and messages that name the file and the line."""

import re

import pytest
from ferplus_tree import row_of, votes_for, write_split

from emo_toolkit.data import DATASETS, load_samples
from emo_toolkit.errors import EmoError
from emo_toolkit.labels import LABELS

GOOD = row_of("fer0000000.png", votes_for("happiness"))


def test_every_label_is_read_by_its_column(tmp_path):
    rows = [row_of(f"fer{n:07d}.png", votes_for(label)) for n, label in enumerate(LABELS["ferplus"])]
    folder = write_split(tmp_path, "train", rows)
    samples = load_samples("ferplus", tmp_path, "train")
    assert [sample.label for sample in samples] == list(LABELS["ferplus"])
    second = samples[1]
    assert second.id == "ferplus/FER2013Train/fer0000001" and second.path == str(folder / "fer0000001.png")
    assert (second.kind, second.dataset, second.split, second.box) == ("image", "ferplus", "train", (0, 0, 48, 48))
    assert second.votes == {label: {"happiness": 8.0, "surprise": 2.0}.get(label, 0.0) for label in LABELS["ferplus"]}
    assert len({sample.id for sample in samples}) == 8


def test_splits_are_folders(tmp_path):
    for split, label in (("train", "fear"), ("valid", "anger"), ("test", "disgust")):
        write_split(tmp_path, split, [row_of("fer0000000.png", votes_for(label))])
    labels = {split: load_samples("ferplus", str(tmp_path), split)[0].label for split in ("train", "valid", "test")}
    assert labels == {"train": "fear", "valid": "anger", "test": "disgust"}


def test_rows_without_a_known_vote_are_left_out(tmp_path):
    unknown, nothing = row_of("b.png", [0] * 8 + [9, 1]), row_of("c.png", [0] * 10)
    few = row_of("d.png", [0, 0, 1, 0, 0, 0, 0, 0, 9, 0])  # "unknown" leads, and the arg-max of the first eight counts
    write_split(tmp_path, "train", [GOOD, unknown, nothing, few], ending="\r\n")
    assert [sample.label for sample in load_samples("ferplus", tmp_path, "train")] == ["happiness", "surprise"]


def test_a_tie_goes_to_the_first_column(tmp_path):
    write_split(tmp_path, "train", [row_of("a.png", [0, 0, 0, 5, 5, 0, 0, 0, 0, 0])])
    assert load_samples("ferplus", tmp_path, "train")[0].label == "sadness"


@pytest.mark.parametrize(
    "row",
    [
        "fer0000001.png",
        "Image name,box,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF",
        row_of("a.png", votes_for("fear"), box="(0, 0, 48)"),
        row_of("a.png", votes_for("fear"), box="(0, 0, 48, 48, 48)"),
        row_of("a.png", votes_for("fear"), box="everywhere"),
        row_of("a.png", [1, 2, 3]),
        row_of("a.png", votes_for("fear")[:-1]),
        row_of("a.png", votes_for("fear")).replace(",0,0", ",zero,0", 1),
    ],
)
def test_a_broken_row_is_named(tmp_path, row):
    folder = write_split(tmp_path, "valid", [GOOD, row])
    with pytest.raises(EmoError, match=re.escape(f"{folder / 'label.csv'}, line 2: ")):
        load_samples("ferplus", tmp_path, "valid")


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(EmoError, match=r"FER2013Test.label.csv does not exist; --root must be the folder"):
        load_samples("ferplus", tmp_path, "test")


def test_an_empty_list_is_an_error(tmp_path):
    write_split(tmp_path, "train", [])
    with pytest.raises(EmoError, match="ferplus train at .* holds no labelled row"):
        load_samples("ferplus", tmp_path, "train")


@pytest.mark.parametrize(
    ("dataset", "split", "message"),
    [
        ("fer2014", "train", "unknown data set 'fer2014'; choose one of rafdb, ferplus, "),
        ("ferplus", "val", "train, valid, test"),
        ("rafdb", "valid", "unknown split 'valid' of rafdb; choose one of train, test"),
        ("affectnet", "test", "choose one of train, valid"),
    ],
)
def test_unknown_names(tmp_path, dataset, split, message):
    with pytest.raises(EmoError, match=message):
        load_samples(dataset, tmp_path, split)


@pytest.mark.parametrize("fold", [None, 0, 6, -1])
@pytest.mark.parametrize("dataset", ["dfew", "mafw"])
def test_a_set_with_folds_needs_one_of_them(tmp_path, dataset, fold):
    with pytest.raises(EmoError, match=f"{dataset} is split anew in each of 5 folds; choose fold 1 to 5, not {fold}"):
        load_samples(dataset, tmp_path, "train", fold=fold)


def test_a_set_without_folds_takes_none(tmp_path):
    with pytest.raises(EmoError, match="ferplus has no folds; leave fold 1 out"):
        load_samples("ferplus", tmp_path, "train", fold=1)


@pytest.mark.parametrize("dataset", DATASETS)
def test_every_set_has_labels_and_names_what_is_missing(tmp_path, dataset):
    splits, folds = DATASETS[dataset].splits, DATASETS[dataset].folds
    assert LABELS[dataset]
    for split in splits:
        with pytest.raises(EmoError, match=f"(?s){re.escape(str(tmp_path))}.*(--root must|--root is)"):
            load_samples(dataset, tmp_path, split, fold=folds or None)
