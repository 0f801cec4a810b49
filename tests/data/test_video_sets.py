"""DFEW, FERV39k and MAFW in their published layouts: what is read is what was written, and each trap is avoided."""

import re

import dataset_trees as trees
import pytest

from emo_toolkit.data import load_samples
from emo_toolkit.data.checks import check_samples
from emo_toolkit.errors import EmoError
from emo_toolkit.labels import LABELS
from emo_toolkit.media import load_media

DFEW_ROWS = [f"{10 ** (code % 5) + code},{code}" for code in range(1, 8)]  # 11,1 ... numbers of one to five digits
DFEW_WORDS = ["happiness", "sadness", "neutral", "anger", "surprise", "disgust", "fear"]
FERV39K_WORDS = {
    "Angry": "anger",
    "Disgust": "disgust",
    "Fear": "fear",
    "Happy": "happiness",
    "Neutral": "neutral",
    "Sad": "sadness",
    "Surprise": "surprise",
}
CHINESE = "他皱着眉头，看起来很生气"


def labels_of(samples) -> list[str]:
    return [sample.label for sample in samples]


def numbers(rows: list[str]) -> list[int]:
    return [int(row.split(",")[0]) for row in rows]


@pytest.mark.parametrize("name", ["{}.mp4", "{:05d}.mp4", "part_2/{}.mp4"])
def test_dfew_clips_are_found_by_number(tmp_path, clip, name):
    path = trees.dfew(tmp_path, "train", 2, DFEW_ROWS)
    trees.copy(clip, *(tmp_path / "Clip/original" / name.format(number) for number in numbers(DFEW_ROWS)))
    samples = load_samples("dfew", tmp_path, "train", fold=2)
    assert labels_of(samples) == DFEW_WORDS == list(LABELS["dfew"])  # labels begin with 1
    assert [sample.id for sample in samples] == [f"dfew/{number:05d}" for number in numbers(DFEW_ROWS)]
    assert samples[0].row == f"{path}, line 2" and {sample.fold for sample in samples} == {2}
    assert check_samples(samples) == []


@pytest.mark.parametrize(
    ("folder", "pattern", "box"),
    [
        ("jpg_256", "{:05d}.jpg", None),
        ("clip_224x224", "00011_{:05d}.jpg", (0, 0, 224, 224)),
        ("clip_224x224_16f", "{}.jpg", (0, 0, 224, 224)),
    ],
)
def test_dfew_frames_lie_in_folders_of_five_digits(tmp_path, faces, folder, pattern, box):
    trees.dfew(tmp_path, "test", 5, ["11,3"], clips=folder)
    trees.frame_folder(tmp_path / "Clip" / folder / "00011", faces * 4, pattern)
    (sample,) = samples = load_samples("dfew", tmp_path, "test", fold=5)
    assert check_samples(samples) == [] and sample.box == box
    media = load_media(sample.path)
    assert (media.kind, len(media.frames), media.size) == ("video", 12, (64, 64))


def test_dfew_splits_and_folds_are_files(tmp_path):
    for number, (split, fold) in enumerate([("train", 1), ("test", 1), ("train", 2), ("test", 2)], start=1):
        trees.dfew(tmp_path, split, fold, [f"{number},{number}"])
    found = {(s, f): load_samples("dfew", tmp_path, s, fold=f)[0].id for s in ("train", "test") for f in (1, 2)}
    assert found == {(s, f): f"dfew/0000{2 * f - (s == 'train')}" for s, f in found}


def test_dfew_refuses_lists_that_count_from_0(tmp_path):
    path = trees.dfew(tmp_path, "train", 1, ["00011,1", "00012,0"])
    with pytest.raises(EmoError, match=re.escape(f"{path}, line 3: labels are 1 to 7; a list with 0 is a copy")):
        load_samples("dfew", tmp_path, "train", fold=1)


@pytest.mark.parametrize("row", ["11", "11,8", "11,Happy", "eleven,1", "11,1,1"])
def test_dfew_names_a_broken_row(tmp_path, row):
    path = trees.dfew(tmp_path, "train", 1, ["1,1", row])
    with pytest.raises(EmoError, match=re.escape(f"{path}, line 3: expected a clip number")):
        load_samples("dfew", tmp_path, "train", fold=1)


def test_dfew_names_a_missing_clip_and_its_row(tmp_path, clip):
    path = trees.dfew(tmp_path, "train", 1, ["1,1", "2,2"])
    trees.copy(clip, tmp_path / "Clip/original/1.mp4")
    (problem,) = check_samples(load_samples("dfew", tmp_path, "train", fold=1))
    assert problem.kind == "missing" and problem.row == f"{path}, line 3"
    assert problem.path == str(tmp_path / "Clip/original/2.mp4")


def test_ferv39k(tmp_path, faces):
    rows = [f"{scene}/{word}/0267 {word}" for scene in ("Action", "War") for word in FERV39K_WORDS]
    path = trees.ferv39k(tmp_path, "train", rows)
    trees.ferv39k(tmp_path, "test", rows[:1])
    for row in rows:
        trees.frame_folder(tmp_path / "2_ClipsforFaceCrop" / row.split()[0], faces)
    samples = load_samples("ferv39k", tmp_path, "train")
    assert labels_of(samples) == [*FERV39K_WORDS.values()] * 2 == [*LABELS["ferv39k"]] * 2
    assert samples[0].row == f"{path}, line 1"  # there is no header
    assert check_samples(samples) == []  # among others, the ids differ although the numbers do not
    assert len(load_samples("ferv39k", tmp_path, "test")) == 1


@pytest.mark.parametrize("row", ["Action/Happy/0267", "Action/Happy/0267 Bored", "Action/Happy/0267,Happy"])
def test_ferv39k_names_a_broken_row(tmp_path, row):
    path = trees.ferv39k(tmp_path, "train", ["Action/Happy/0001 Happy", row])
    with pytest.raises(EmoError, match=re.escape(f"{path}, line 2: expected a clip and its emotion")):
        load_samples("ferv39k", tmp_path, "train")


@pytest.mark.parametrize("above", ["Train & Test Set", "split", "."])
def test_mafw(tmp_path, clip, above):
    rows = [f"{number:05d}.mp4 {label}" for number, label in enumerate(LABELS["mafw"], start=1)]
    path = trees.mafw(tmp_path, "train", 3, rows, above=above)
    trees.write_text(path.parents[3] / "compound/no_caption/set_3/train.txt", "00099.mp4 anger_disgust\n")
    trees.copy(clip, *(tmp_path / "data/clips" / row.split()[0] for row in rows))
    samples = load_samples("mafw", tmp_path, "train", fold=3)
    assert labels_of(samples) == list(LABELS["mafw"])
    assert [sample.id for sample in samples] == [f"mafw/{number:05d}" for number in range(1, 12)]
    assert {sample.fold for sample in samples} == {3} and {sample.caption for sample in samples} == {None}
    assert check_samples(samples) == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_mafw_captions_in_either_encoding(tmp_path, encoding):
    path = trees.mafw(tmp_path, "test", 1, ["00001.mp4 anger", "00002.mp4 neutral", "00003.mp4 fear"])
    rows = [["00001.mp4", "anger", CHINESE, "He frowns."], ["00003.mp4", "fear", CHINESE, "Eyes wide, mouth open."]]
    trees.mafw_captions(path, rows, encoding)
    captions = [sample.caption for sample in load_samples("mafw", tmp_path, "test", fold=1)]
    assert captions == ["He frowns.", None, "Eyes wide, mouth open."]  # neutral clips have none, and stay


def test_mafw_frames_have_no_suffix(tmp_path, faces):
    trees.mafw(tmp_path, "train", 1, ["03747.mp4 anger"])
    (tmp_path / "data/clips").rmdir()
    folder = trees.frame_folder(tmp_path / "data/faces/03747", faces, "{:04d}.png")
    (sample,) = samples = load_samples("mafw", tmp_path, "train", fold=1)
    assert sample.path == str(folder) and check_samples(samples) == []


@pytest.mark.parametrize("row", ["00002.mp4", "00002.mp4 anger_disgust", "00002.mp4 0"])
def test_mafw_names_a_broken_row(tmp_path, row):
    path = trees.mafw(tmp_path, "train", 1, ["00001.mp4 anger", row])
    with pytest.raises(EmoError, match=re.escape(f"{path}, line 2: expected a clip and one of the 11 labels")):
        load_samples("mafw", tmp_path, "train", fold=1)


def test_mafw_names_a_broken_caption(tmp_path):
    path = trees.mafw(tmp_path, "train", 1, ["00001.mp4 anger"])
    place = trees.mafw_captions(path, [["00001.mp4", "anger", "He frowns."]], "utf-8")
    with pytest.raises(EmoError, match=re.escape(f"{place}, line 1: expected clip, label, Chinese and English")):
        load_samples("mafw", tmp_path, "train", fold=1)
