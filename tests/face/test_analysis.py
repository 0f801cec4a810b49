"""The embedded analyser: tokens of the right shape and meaning, and age and gender but never race."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
from face_scenes import scene, turned
from PIL import Image

from emo_toolkit.errors import EmoError
from emo_toolkit.face import EmbeddedAnalyser, FaceDetector
from emo_toolkit.face.sessions import BUNDLE, FaceNet
from emo_toolkit.labels import AGE_GROUPS, GENDERS
from emo_toolkit.schema import FaceAttributes, FaceCrop, FaceStatus

NO_FACE = FaceCrop(FaceStatus.NO_FACE)


@pytest.fixture(scope="module")
def analyser() -> EmbeddedAnalyser:
    return EmbeddedAnalyser(threads=1)


@pytest.fixture(scope="module")
def crops() -> list[FaceCrop]:
    frames = [turned(5 * k - 20) for k in range(8)]
    return FaceDetector(threads=1).track(frames)


def test_batch_of_eight_is_eight_batches_of_one(analyser, crops):
    together = analyser.embed(crops)
    assert together.shape == (8, 49, 1536) and together.dtype == np.float32
    alone = np.concatenate([analyser.embed([crop]) for crop in crops])
    np.testing.assert_allclose(together, alone, atol=2e-3)


def test_rows_without_a_face_are_zero_and_do_not_shift_the_others(analyser, crops):
    tokens = analyser.embed([NO_FACE, crops[0], NO_FACE, crops[1]])
    assert not tokens[[0, 2]].any()
    np.testing.assert_allclose(tokens[[1, 3]], analyser.embed(crops[:2]), atol=2e-3)
    assert not analyser.embed([NO_FACE]).any() and analyser.embed([]).shape == (0, 49, 1536)


def test_tokens_follow_the_grid_of_the_crop(analyser, crops):
    """Painting the mouth changes the lower rows of the 7 x 7 grid more than the upper ones."""
    picture = np.asarray(crops[4].image).copy()
    picture[150:185, 70:155] = (200, 40, 40)
    before, after = analyser.embed([crops[4], replace(crops[4], image=Image.fromarray(picture))])
    change = np.linalg.norm((after - before).reshape(7, 7, -1), axis=-1)
    assert change[4:6].mean() > 3 * change[:2].mean()


def test_parts_of_a_token_have_like_scales(analyser, crops):
    tokens = analyser.embed(crops)
    sizes = [np.sqrt((tokens[..., part] ** 2).mean()) for part in (slice(1024), slice(1024, 1280), slice(1280, None))]
    assert max(sizes) < 4 * min(sizes)
    assert np.abs(tokens).max() < 12  # no peak drowns the rest


def test_the_astronaut_is_a_woman_in_her_thirties_or_forties(analyser, crops):
    attributes = analyser.attributes(crops)
    assert attributes.gender == "female" and attributes.age in ("30-39", "40-49")
    assert attributes.race is None and attributes.origin == "estimated"
    assert set(attributes.probabilities) == {"age", "gender"}
    assert tuple(attributes.probabilities["age"]) == AGE_GROUPS
    assert set(attributes.probabilities["gender"]) == set(GENDERS)
    for shares in attributes.probabilities.values():
        assert sum(shares.values()) == pytest.approx(1, abs=1e-4)


def test_attributes_need_a_face_and_ignore_frames_without(analyser, crops):
    assert analyser.attributes([NO_FACE]) == FaceAttributes() == analyser.attributes([])
    assert analyser.attributes([NO_FACE, crops[0]]) == analyser.attributes([crops[0]])


def test_attributes_do_not_hang_on_the_tilt_of_the_head(analyser):
    detector = FaceDetector(threads=1)
    views = [analyser.attributes(detector.track([turned(degrees)])) for degrees in (-25, 25)]
    assert [view.gender for view in views] == ["female", "female"]
    small = analyser.attributes(detector.track([scene((100, 80, 120))]))
    assert small.gender == "female"


def test_the_bundle_is_small_and_matches_its_manifest():
    manifest = json.loads((BUNDLE / "manifest.json").read_text(encoding="utf-8"))
    assert {entry["file"] for entry in manifest} == {path.name for path in BUNDLE.glob("*.onnx")}
    for entry in manifest:
        data = (BUNDLE / entry["file"]).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (entry["bytes"], entry["sha256"])
        assert entry["licence"] in ("Apache-2.0", "MIT", "CC0-1.0")
    assert sum(path.stat().st_size for path in BUNDLE.iterdir()) <= 16 * 2**20
    notice = (BUNDLE / "NOTICE").read_text(encoding="utf-8")
    assert all(entry["file"] in notice for entry in manifest)


def test_a_missing_net_says_what_to_do():
    with pytest.raises(EmoError, match="build_face_bundle"):
        FaceNet("no_such_net")(np.zeros((1, 3, 8, 8)))
