"""Drawn faces on disk: what is read is what was drawn, each split holds its factor, and damage is named or mended."""

import json
import resource
from dataclasses import replace
from pathlib import Path

import datasets
import numpy as np
import pytest
from PIL import Image

from emo_toolkit.data import DATASETS, load_samples
from emo_toolkit.data.synthetic import read_rows, row_of, truth_of
from emo_toolkit.data.synthetic_writer import SyntheticWriter, claim, draw_item, finish
from emo_toolkit.errors import EmoError
from emo_toolkit.labels import LABELS
from emo_toolkit.media import load_media
from emo_toolkit.schema import FaceTruth
from emo_toolkit.synthetic.clips import sample_clip
from emo_toolkit.synthetic.plan import SPLITS, Item, plan_item
from emo_toolkit.synthetic.renderer import FaceRenderer
from emo_toolkit.synthetic.sampler import sample_identity, sample_spec

SIZE, FRAMES = 48, 5
MADE_FROM = {"seed": 3, "held_out": ("compound",)}


def first_items(kind: str, count: int) -> dict[str, list[Item]]:
    """The first items of each split."""
    found: dict[str, list[Item]] = {split: [] for split in SPLITS}
    for number in range(1000):
        item = plan_item(3, kind, number)
        if len(found[item.split]) < count:
            found[item.split].append(item)
    return found


IMAGES, CLIPS = first_items("image", 2), first_items("video", 1)


@pytest.fixture(scope="module")
def renderer() -> FaceRenderer:
    return FaceRenderer()


@pytest.fixture(scope="module")
def drawn(renderer, tmp_path_factory) -> Path:
    """A set with two photos in every split, and a clip in two."""
    root = tmp_path_factory.mktemp("drawn")
    claim(root, MADE_FROM)
    writers = [SyntheticWriter(root, kind) for kind in ("image", "video")]
    for writer, items in zip(writers, (IMAGES, {"train": CLIPS["train"], "compound": CLIPS["compound"]}), strict=True):
        for split, chosen in items.items():
            writer.path(split).parent.mkdir(parents=True)
            for item in chosen:
                writer.append(split, draw_item(item, writer.folder, renderer, size=SIZE, frames=FRAMES))
    finish(root, MADE_FROM, writers)
    return root


@pytest.fixture
def small(tmp_path, renderer) -> SyntheticWriter:
    """Five rows in a folder of their own, without pictures; the third is of another split."""
    writer = SyntheticWriter(tmp_path, "image")
    truth = renderer.draw(sample_spec(1, label="fear"), size=SIZE).truth
    for number, split in enumerate(("train", "train", "test", "train", "train")):
        writer.path(split).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(writer.path(split, f"{number}.jpg"))
        writer.append(split, {"file_name": f"{number}.jpg", **row_of(truth)})
    return writer


def equal(one: FaceTruth, other: FaceTruth) -> bool:
    plain = {"landmarks": None, "visible": None}
    arrays = np.array_equal(one.landmarks, other.landmarks) and np.array_equal(one.visible, other.visible)
    return arrays and replace(one, **plain) == replace(other, **plain)


@pytest.mark.parametrize("split", SPLITS)
def test_photos_come_back_as_they_were_drawn(drawn, renderer, split):
    samples = load_samples("synthetic", drawn, split)
    assert len(samples) == len({sample.id for sample in samples}) == 2
    for item, sample in zip(IMAGES[split], samples, strict=True):
        spec = sample_spec(item.seed, identity=item.identity, label=item.label, factor=item.factor)
        truth = renderer.draw(spec, size=SIZE).truth
        assert equal(sample.truth, truth_of(row_of(truth)))
        assert np.abs(sample.truth.landmarks - truth.landmarks).max() <= 0.005 + 1e-4
        assert sample.truth.action_units == pytest.approx(
            {code: value for code, value in truth.action_units.items() if value > 5e-5}, abs=5e-5
        )
        for name in ("age", "yaw", "pitch", "roll", "valence", "arousal", "intensity"):
            assert getattr(sample.truth, name) == pytest.approx(getattr(truth, name), abs=5e-5)
        for name in ("label", "second", "gender", "race", "identity", "seed", "factor"):
            assert getattr(sample.truth, name) == getattr(truth, name)
        assert (sample.kind, sample.dataset, sample.split) == ("image", "synthetic", split)
        assert sample.label == truth.label and sample.votes is None and sample.caption is None
        x0, y0, x1, y1 = sample.box
        assert x0 == pytest.approx(truth.landmarks[:, 0].min(), abs=0.01) and y1 > truth.landmarks[:, 1].max() - 0.01
        assert y0 < truth.landmarks[:, 1].min() and x1 > x0
        (frame,) = load_media(sample.path).frames
        far = np.abs(np.asarray(frame, float) - np.asarray(renderer.draw(spec, size=SIZE).image, float)).mean()
        assert frame.size == (SIZE, SIZE) and far < 4  # JPEG


def test_clips_come_back_with_curves(drawn, renderer):
    (sample,) = load_samples("synthetic_clips", drawn, "train")
    (item,) = CLIPS["train"]
    clip = sample_clip(item.seed, identity=item.identity, label=item.label, frames=FRAMES)
    assert (sample.kind, sample.dataset, sample.label, sample.box) == ("video", "synthetic_clips", item.label, None)
    apex = clip.frames[clip.apex_index]
    assert sample.truth.action_units == pytest.approx(apex.expression.action_units, abs=1e-4)
    assert (sample.truth.seed, sample.truth.identity) == (item.seed, item.identity)
    media = load_media(sample.path)
    assert len(media.frames) == FRAMES and media.times == pytest.approx(clip.times, abs=1e-3)
    assert media.duration == pytest.approx(clip.duration, abs=2e-3)
    for frame, spec in zip(media.frames, clip.frames, strict=True):
        image = renderer.draw(spec, size=SIZE).image
        assert np.abs(np.asarray(frame, float) - np.asarray(image, float)).mean() < 8
    (row,) = read_rows(drawn, "video", "train")
    assert row["times"] == list(clip.times) and row["apex"] == clip.apex and row["path"] == sample.path
    for curve in row["curves"]:
        kept = [frame.expression.action_units.get(curve["code"], 0) for frame in clip.frames]
        assert curve["intensities"] == pytest.approx(kept, abs=1e-4) and max(kept) > 0
    assert np.allclose(row["poses"], [(f.scene.yaw, f.scene.pitch, f.scene.roll) for f in clip.frames], atol=1e-4)


def test_a_row_written_again_is_the_same_row(drawn):
    for split in SPLITS:
        for row in read_rows(drawn, "image", split):
            again = row_of(truth_of(row))
            assert {name: row[name] for name in again} == again
            assert set(row) == {*again, "item", "file_name", "path"}


def test_what_rounds_to_nothing_is_left_out(drawn):
    truth = load_samples("synthetic", drawn, "train")[0].truth
    row = row_of(replace(truth, action_units={"AU1": 4e-5, "L12": 0.123456}))
    assert row["action_units"] == [{"code": "L12", "intensity": 0.1235}]
    assert truth_of(row).action_units == {"L12": 0.1235}


def test_each_split_holds_its_factor(drawn):
    truths = {split: [sample.truth for sample in load_samples("synthetic", drawn, split)] for split in SPLITS}
    clip = load_samples("synthetic_clips", drawn, "compound")[0].truth
    for truth in (*truths["compound"], clip):
        assert truth.second in LABELS["synthetic"] and truth.second != truth.label and truth.factor == "compound"
    for split in SPLITS:
        for truth in truths[split]:
            assert (abs(truth.yaw) > 35) == (split == "large_pose")
            assert (truth.intensity < 0.5) == (split == "low_intensity")
            assert (truth.second is None) == (split != "compound")


def test_an_unseen_look_is_unseen():
    """Over many persons of the plan: no hair of the factor is anywhere else."""
    looks: dict[bool, set] = {True: set(), False: set()}
    for number in range(0, 6000, 4):
        item = plan_item(3, "image", number)
        unseen = item.factor == "unseen_look"
        person = sample_identity(item.identity, unseen=unseen)
        looks[unseen].add(person.hair)
    assert len(looks[False]) > 4 and not (looks[True] & looks[False]) - {None}


def test_anybody_can_load_it(drawn, tmp_path):
    """Hugging Face `datasets` finds both kinds and all splits, with one type a column, by the card."""
    photos = datasets.load_dataset(str(drawn), "images", cache_dir=str(tmp_path))
    assert {split: len(rows) for split, rows in photos.items()} == dict.fromkeys(SPLITS, 2)
    sample = load_samples("synthetic", drawn, "train")[0]
    first = photos["train"][0]
    assert first["image"].size == (SIZE, SIZE) and first["label"] == sample.label
    units = {unit["code"]: unit["intensity"] for unit in first["action_units"]}
    assert units == sample.truth.action_units and np.shape(first["landmarks"]) == (68, 2)
    names = datasets.get_dataset_split_names(str(drawn), "clips", cache_dir=str(tmp_path))
    assert names == ["train", "compound"]


def test_manifest_counts(drawn):
    manifest = json.loads((drawn / "manifest.json").read_text())
    assert manifest["counts"] == {"images": dict.fromkeys(SPLITS, 2), "clips": {"train": 1, "compound": 1}}


@pytest.mark.parametrize("dataset", ["synthetic", "synthetic_clips"])
def test_unknown_and_empty_splits(drawn, tmp_path, dataset):
    assert DATASETS[dataset].splits == SPLITS
    with pytest.raises(EmoError, match=f"unknown split 'val' of {dataset}; choose one of train, valid, test, unseen"):
        load_samples(dataset, drawn, "val")
    with pytest.raises(EmoError, match="train.metadata.jsonl does not exist: .*--root is not its --out"):
        load_samples(dataset, tmp_path, "train")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda line: line[:100], "line 2: no row"),
        (lambda line: "", "line 2: no row"),
        (lambda line: "[1, 2]", "line 2: no row"),
        (lambda line: line.replace('"1.jpg"', '"gone.jpg"'), "line 2: gone.jpg is not there"),
        (lambda line: line.replace('"yaw":', '"yaw":NaN,"old":'), "line 2: no row .*NaN"),
        (lambda line: line.replace('"yaw"', '"jaw"'), "line 2: no truth .*yaw"),
        (lambda line: line.replace('"landmarks":[', '"landmarks":[[1,2],'), "line 2: no truth .*69"),
        (lambda line: line.replace('"fear"', '"hunger"'), "line 2: no truth .*hunger"),
        (lambda line: line.replace('"visible":[', '"visible":[true,'), "line 2: no truth"),
        (lambda line: line.replace('"age":', '"age":"old","aged":'), "line 2: no truth"),
        (lambda line: line.replace('"action_units":[', '"action_units":[3,'), "line 2: no truth"),
    ],
)
def test_a_broken_row_is_named(small, damage, message):
    path = small.path("train")
    first, second, *rest = path.read_text().splitlines()
    path.write_text("\n".join([first, damage(second), *rest]) + "\n")
    with pytest.raises(EmoError, match=message) as caught:
        load_samples("synthetic", small.folder.parent, "train")
    assert str(path) in str(caught.value) and "generate_synthetic.py again" in str(caught.value)


def test_an_untouched_folder_goes_on(small):
    before = {split: small.path(split).read_bytes() for split in ("train", "test")}
    again = SyntheticWriter(small.folder.parent, "image")
    assert (again.next, again.lost, again.counts) == (5, [], {"train": 4, "test": 1})
    assert {split: small.path(split).read_bytes() for split in ("train", "test")} == before


@pytest.mark.parametrize("cut", [1, 100, 1000])
def test_a_line_cut_short_is_drawn_again(small, cut):
    path = small.path("train")
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    again = SyntheticWriter(small.folder.parent, "image")
    assert again.next == 4 and again.counts == {"train": 3, "test": 1}
    row = json.loads(whole.splitlines()[-1])
    again.append("train", {name: value for name, value in row.items() if name != "item"})
    assert path.read_bytes() == whole


def test_rows_behind_a_gap_are_drawn_again(small):
    small.path("test").unlink()  # item 2
    again = SyntheticWriter(small.folder.parent, "image")
    assert again.next == 2 and again.counts == {"train": 2} and len(small.path("train").read_bytes().splitlines()) == 2


def test_a_file_that_has_gone_is_asked_for(small):
    small.path("test", "2.jpg").unlink()
    small.path("train", "3.jpg").write_bytes(b"")
    again = SyntheticWriter(small.folder.parent, "image")
    assert (again.next, again.lost) == (5, [2, 3])


def test_a_row_that_does_not_fit_leaves_the_file_as_it_was(small):
    path = small.path("train")
    before, row = path.read_bytes(), json.loads(path.read_text().splitlines()[0])
    with pytest.raises(ValueError, match="not JSON compliant"):
        small.append("train", {**row, "age": float("nan")})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 100, hard))
    try:
        with pytest.raises(OSError):
            small.append("train", row)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == before and small.next == 5


def test_a_folder_belongs_to_one_set(tmp_path):
    claim(tmp_path, MADE_FROM)
    claim(tmp_path, MADE_FROM)
    with pytest.raises(EmoError, match=r"made with seed 3 instead of 4; choose another --out"):
        claim(tmp_path, MADE_FROM | {"seed": 4})
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(EmoError, match="manifest.json is damaged"):
        claim(tmp_path, MADE_FROM)


def test_a_folder_of_other_things_is_left_alone(tmp_path):
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(EmoError, match="holds README.md but no manifest.json"):
        claim(tmp_path, MADE_FROM)
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]
