"""The same recipe gives the same pixels, the truth says what they show, and what cannot be drawn is refused."""

import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from portraits import GIRL, MAN, OLD_MAN, PEOPLE, WOMAN, drawn, inside, portrait

from emo_toolkit.errors import EmoError
from emo_toolkit.synthetic import FaceRenderer, FaceSpec, sample_spec
from emo_toolkit.synthetic.landmarks import LANDMARK_VERTICES

ROOT = Path(__file__).resolve().parents[2]
EYES, RIGHT_EYE, LEFT_EYE, MOUTH = range(36, 48), slice(36, 42), slice(42, 48), slice(48, 68)
STATUS = Path("/proc/self/statm")


def pixels(renderer: FaceRenderer, spec: FaceSpec, size: int = 48) -> np.ndarray:
    return np.asarray(renderer.draw(spec, size=size).image)


def resident() -> float:
    """MiB of memory that this process holds."""
    return int(STATUS.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def test_the_same_spec_gives_the_same_picture_whatever_was_drawn_before(renderer: FaceRenderer) -> None:
    specs = [sample_spec(seed) for seed in range(3)]
    first = [pixels(renderer, spec) for spec in specs]
    other = FaceRenderer()
    for spec, picture in reversed(list(zip(specs, first, strict=True))):
        np.testing.assert_array_equal(pixels(renderer, spec), picture)
        np.testing.assert_array_equal(pixels(other, spec), picture)
    assert all((first[0] != picture).mean() > 0.5 for picture in first[1:])


def test_another_process_draws_the_same(renderer: FaceRenderer) -> None:
    code = (
        "import hashlib; from emo_toolkit.synthetic import FaceRenderer, sample_spec; renderer = FaceRenderer();"
        "faces = [renderer.draw(sample_spec(seed), size=48).image.tobytes() for seed in (1, 2)];"
        "print(*[hashlib.sha256(face).hexdigest() for face in faces])"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "77"}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    own = [hashlib.sha256(pixels(renderer, sample_spec(seed)).tobytes()).hexdigest() for seed in (1, 2)]
    assert result.stdout.split() == own


def test_two_threads_draw_what_one_draws(renderer: FaceRenderer) -> None:
    specs = [sample_spec(seed) for seed in range(2)]

    def draw_all(one: FaceRenderer) -> list[np.ndarray]:
        return [pixels(one, spec) for spec in specs]

    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(draw_all, (FaceRenderer(), FaceRenderer())))
    np.testing.assert_array_equal(both[0], draw_all(renderer))
    np.testing.assert_array_equal(both[1], both[0])


def test_another_seed_is_other_noise_and_nothing_else(renderer: FaceRenderer) -> None:
    clean = pixels(renderer, portrait(WOMAN, seed=1)).astype(float)
    np.testing.assert_array_equal(pixels(renderer, portrait(WOMAN, seed=2)), clean)
    one, two = (pixels(renderer, portrait(WOMAN, seed=seed, noise=0.02)).astype(float) for seed in (1, 2))
    assert (one != two).mean() > 0.8
    for noisy in (one, two):
        assert (noisy - clean).std() == pytest.approx(0.02 * 255, rel=0.15) and abs((noisy - clean).mean()) < 0.5


def test_a_larger_picture_shows_the_same(renderer: FaceRenderer) -> None:
    for spec in (portrait(OLD_MAN, {"AU12": 1.0}), sample_spec(3)):
        spec = replace(spec, scene=replace(spec.scene, noise=0.0, quality=None))
        small, large = (renderer.draw(spec, size=size) for size in (48, 144))
        np.testing.assert_allclose(large.truth.landmarks, 3 * small.truth.landmarks, atol=0.01)
        shrunk = np.asarray(large.image, float).reshape(48, 3, 48, 3, 3).mean((1, 3))
        assert np.abs(shrunk - np.asarray(small.image, float)).mean() < 6


def test_any_size(renderer: FaceRenderer) -> None:
    big = pixels(renderer, portrait(GIRL), 96).mean((0, 1))
    for size, apart in ((1, 60), (2, 60), (7, 8), (400, 8)):
        picture = pixels(renderer, portrait(GIRL), size)
        assert picture.shape == (size, size, 3) and np.abs(picture.mean((0, 1)) - big).max() < apart


def test_the_truth_is_the_recipe(renderer: FaceRenderer) -> None:
    for spec in (sample_spec(11), sample_spec(12, factor="compound"), sample_spec(13, label="neutral")):
        truth = renderer.draw(spec, size=32).truth
        person, expression, scene = spec.identity, spec.expression, spec.scene
        assert (truth.age, truth.gender, truth.race, truth.identity) == (
            person.age, person.gender, person.race, person.id,
        )  # fmt: skip
        assert (truth.yaw, truth.pitch, truth.roll) == (scene.yaw, scene.pitch, scene.roll)
        assert (truth.label, truth.second, truth.intensity) == (
            expression.label, expression.second, expression.intensity,
        )  # fmt: skip
        assert (truth.seed, truth.factor) == (spec.seed, spec.factor)
        assert truth.action_units == expression.action_units
    idle = renderer.draw(portrait(MAN, {"AU12": 0.0, "AU4": 0.3}), size=16).truth
    assert idle.action_units == {"AU4": 0.3}


def test_landmarks_are_where_their_vertices_are(renderer: FaceRenderer) -> None:
    for spec in (portrait(WOMAN, yaw=20.0, roll=10.0), sample_spec(8)):
        truth = renderer.draw(spec, size=64).truth
        np.testing.assert_array_equal(truth.landmarks, renderer.project(spec, size=64)[LANDMARK_VERTICES])
        assert truth.landmarks.shape == (68, 2) and truth.landmarks.dtype == np.float32
        assert truth.landmarks.min() > 0 and truth.landmarks.max() < 64
        assert truth.visible.shape == (68,) and truth.visible.dtype == bool


def test_eyes_and_lips_are_seen_at_their_landmarks(renderer: FaceRenderer) -> None:
    """The pictures themselves: the iris and the lipstick lie inside the landmarks' outlines, and nowhere else."""
    for person, pose in ((WOMAN, {}), (MAN, {"yaw": 25.0, "roll": -15.0})):
        plain = replace(person, lipstick=0.0)
        eyes = replace(plain, iris=(0.0, 0.9, 0.0))
        lips = replace(plain, lipstick=1.0, lip_color=(0.0, 0.9, 0.0))
        base, marks = drawn(renderer, portrait(plain, **pose), size=96)
        for changed, outlines in ((eyes, (marks[RIGHT_EYE], marks[LEFT_EYE])), (lips, (marks[MOUTH],))):
            picture, _ = drawn(renderer, portrait(changed, **pose), size=96)
            change = np.abs(picture - base).sum(-1)
            near = cv2.dilate(inside(base, *outlines).astype(np.uint8), np.ones((7, 7))) > 0
            assert change.sum() > 500 and change[near].sum() > 0.97 * change.sum()


def test_everything_is_visible_from_the_front_and_the_far_side_is_not_from_the_side(renderer: FaceRenderer) -> None:
    for person in PEOPLE:
        visible = {yaw: renderer.draw(portrait(person, yaw=yaw), size=64).truth.visible for yaw in (-50.0, 0.0, 50.0)}
        assert visible[0.0].sum() >= 60 and visible[0.0][[*EYES, *range(48, 60)]].all()
        for yaw, far, near in ((50.0, range(11, 17), range(1, 7)), (-50.0, range(0, 6), range(10, 16))):
            assert not visible[yaw][list(far)].any() and visible[yaw][list(near)].all()


def test_what_is_hidden_does_not_depend_on_the_lens(renderer: FaceRenderer) -> None:
    """The far brow and the inner corner of the far eye lie behind the nose, for a long lens too."""
    for person in (WOMAN, GIRL):
        for lens in (12.0, 20.0, 38.0):
            visible = renderer.draw(portrait(person, yaw=60.0, field_of_view=lens), size=64).truth.visible
            assert not visible[[26, 42]].any() and visible[[30, 36, 48, 51]].all(), (person.id, lens)


def test_what_leaves_the_picture_is_not_visible(renderer: FaceRenderer) -> None:
    truth = renderer.draw(portrait(MAN, shift=(0.7, 0.0)), size=64).truth
    out = truth.landmarks[:, 0] >= 64
    assert 10 < out.sum() < 60 and not truth.visible[out].any() and truth.visible[~out].sum() > 0.7 * (~out).sum()
    assert not renderer.draw(portrait(MAN, shift=(0.0, 3.0)), size=64).truth.visible.any()


def test_another_background_leaves_the_face_alone(renderer: FaceRenderer) -> None:
    one, marks = drawn(renderer, portrait(MAN, background=1))
    two, _ = drawn(renderer, portrait(MAN, background=2))
    changed = (one != two).any(-1)
    face = cv2.erode(inside(one, marks).astype(np.uint8), np.ones((7, 7))) > 0
    assert face.sum() > 400 and not changed[face].any()
    assert changed[:8, :8].all() and changed[:8, -8:].all()


@pytest.mark.parametrize("size", [0, -5])
def test_a_picture_needs_pixels(renderer: FaceRenderer, size: int) -> None:
    with pytest.raises(EmoError, match=f"cannot be {size} pixels"):
        renderer.draw(portrait(MAN), size=size)


def test_a_part_that_does_not_exist_is_named(renderer: FaceRenderer) -> None:
    for part in ("hair", "brow", "lashes", "skin", "glasses"):
        with pytest.raises(EmoError, match="wig"):
            renderer.draw(portrait(replace(MAN, **{part: "wig"})), size=16)
    assert renderer.draw(portrait(MAN), size=16).truth.visible.any()  # and the renderer goes on


def test_a_shape_that_does_not_exist_is_named(renderer: FaceRenderer) -> None:
    with pytest.raises(EmoError, match="nose/snout"):
        renderer.draw(portrait(replace(MAN, shape={"nose/snout": 1.0})), size=16)


def test_extreme_scenes_are_drawn(renderer: FaceRenderer) -> None:
    scenes = (
        {"yaw": 180.0}, {"yaw": -90.0, "pitch": 40.0}, {"light": (0.0, 90.0)}, {"light": (180.0, -90.0)},
        {"field_of_view": 1.0}, {"field_of_view": 100.0}, {"zoom": 20.0}, {"zoom": 0.05}, {"gaze": (60.0, 60.0)},
        {"softness": 0.0}, {"exposure": 50.0}, {"quality": 0}, {"blur": 60.0},
    )  # fmt: skip
    for scene in scenes:
        face = renderer.draw(portrait(OLD_MAN, **scene), size=24)
        assert np.isfinite(face.truth.landmarks).all(), scene
    back = renderer.draw(portrait(OLD_MAN, yaw=180.0), size=24).truth
    assert not back.visible[[30, 36, 45, 51]].any()


@pytest.mark.skipif(not STATUS.exists(), reason="reads Linux's process status")
def test_memory_does_not_grow_from_picture_to_picture(renderer: FaceRenderer) -> None:
    def spec(seed: int) -> FaceSpec:
        """Everything differs but the parts, which the renderer may keep."""
        whole = sample_spec(seed)
        parts = {name: getattr(WOMAN, name) for name in ("skin", "hair", "brow", "lashes", "glasses")}
        return replace(whole, identity=replace(whole.identity, **parts))

    for seed in range(4):
        renderer.draw(spec(seed), size=64)
    before = resident()
    for seed in range(4, 22):
        renderer.draw(spec(seed), size=64)
    assert resident() - before < 12


@pytest.mark.slow
@pytest.mark.skipif(not STATUS.exists(), reason="reads Linux's process status")
def test_memory_reaches_a_ceiling(renderer: FaceRenderer) -> None:
    for seed in range(160):
        renderer.draw(sample_spec(seed), size=32)
    before = resident()
    for seed in range(160, 300):
        renderer.draw(sample_spec(seed), size=32)
    assert resident() - before < 40
