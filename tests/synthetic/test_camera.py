"""Pose, gaze, lens, light and film act as `Scene` says, with the signs that the viewer sees."""

from dataclasses import replace

import numpy as np
import pytest
from portraits import GIRL, MAN, OLD_MAN, PEOPLE, WOMAN, cheeks, drawn, inside, placed, portrait

from emo_toolkit.synthetic import FaceRenderer

RIGHT_EYE, LEFT_EYE = slice(36, 42), slice(42, 48)


def test_pose_has_the_viewers_signs(renderer: FaceRenderer) -> None:
    for person in PEOPLE:
        nose = {}
        for name, pose in {"": {}, "right": {"yaw": 25.0}, "left": {"yaw": -25.0}, "up": {"pitch": 15.0}}.items():
            marks = placed(renderer, portrait(person, **pose))
            nose[name] = (marks[30] - marks[[36, 45]].mean(0)) / np.linalg.norm(marks[45] - marks[36])
        assert nose["right"][0] > 0.08 > 0.02 > abs(nose[""][0]) and nose["left"][0] < -0.08
        assert nose["up"][1] < nose[""][1] - 0.04  # y grows downwards


@pytest.mark.parametrize("roll", [-30.0, -5.0, 12.0, 40.0])
def test_roll_turns_clockwise_by_its_degrees(renderer: FaceRenderer, roll: float) -> None:
    for person in PEOPLE:
        marks = placed(renderer, portrait(person, roll=roll))
        across = marks[45] - marks[36]  # x to the right, y down: a positive angle is clockwise
        assert np.degrees(np.arctan2(across[1], across[0])) == pytest.approx(roll, abs=1.5)


@pytest.mark.parametrize("angle", ["yaw", "pitch"])
def test_turning_is_by_degrees(renderer: FaceRenderer, angle: str) -> None:
    """Under a long lens a turned point moves by radius x sine: the slope between two angles gives the same radius."""
    axis = {"yaw": 0, "pitch": 1}[angle]
    radius = []
    for degrees in (10.0, 20.0, 30.0):
        ends = [placed(renderer, portrait(MAN, **{angle: sign * degrees}, field_of_view=3.0)) for sign in (1, -1)]
        tip = [end[30, axis] - end[[39, 42], axis].mean() for end in ends]
        radius.append((tip[0] - tip[1]) / 2 / np.sin(np.radians(degrees)))
    assert np.ptp(radius) < 0.1 * abs(np.mean(radius)) and abs(np.mean(radius)) > 0.5


def test_the_iris_follows_the_gaze(renderer: FaceRenderer) -> None:
    def iris(gaze: tuple[float, float]) -> np.ndarray:
        """Where the coloured iris is between the corners of the eye, mean of both eyes."""
        person = replace(WOMAN, lashes="", iris=(0.0, 0.8, 0.0))
        picture, marks = drawn(renderer, portrait(person, {"AU5": 0.7}, gaze=gaze), size=128)
        found = []
        for eye in (RIGHT_EYE, LEFT_EYE):
            y, x = np.nonzero(inside(picture, marks[eye]) & (picture[..., 1] > 1.3 * picture[..., 0]))
            found.append((np.array([x.mean(), y.mean()]) - marks[eye].mean(0)) / np.ptp(marks[eye][:, 0]))
        return np.mean(found, axis=0)

    ahead, right, left, up, down = (iris(gaze) for gaze in ((0, 0), (18, 0), (-18, 0), (0, 10), (0, -10)))
    assert right[0] > ahead[0] + 0.05 and left[0] < ahead[0] - 0.05
    assert up[1] < ahead[1] - 0.01 and down[1] > ahead[1] + 0.01


def test_zoom_and_shift_place_the_face(renderer: FaceRenderer) -> None:
    base, close = (placed(renderer, portrait(MAN, zoom=zoom)) for zoom in (1.0, 1.5))
    moved = placed(renderer, portrait(MAN, shift=(0.2, -0.1)))
    assert np.linalg.norm(close[45] - close[36]) == pytest.approx(1.5 * np.linalg.norm(base[45] - base[36]), rel=0.08)
    np.testing.assert_allclose((moved - base).mean(0), (0.2 * 32, -0.1 * 32), atol=1.5)


def test_a_short_lens_makes_the_nose_large(renderer: FaceRenderer) -> None:
    ratio = []
    for lens in (10.0, 25.0, 45.0):
        marks = placed(renderer, portrait(OLD_MAN, field_of_view=lens))
        ratio.append((marks[35, 0] - marks[31, 0]) / (marks[15, 0] - marks[1, 0]))
    assert ratio[0] < ratio[1] < ratio[2]


def test_light_comes_from_its_side(renderer: FaceRenderer) -> None:
    for person in (WOMAN, MAN, OLD_MAN):
        for azimuth in (-60.0, 60.0):
            left, right = cheeks(*drawn(renderer, portrait(person, light=(azimuth, 25.0)))).mean(1)
            assert (right - left) * np.sign(azimuth) > 8
    low, high = (drawn(renderer, portrait(MAN, light=(0.0, height))) for height in (-30.0, 70.0))
    brow = [picture[inside(picture, marks[[21, 22, 27, 19, 24]] - (0, 4))].mean() for picture, marks in (low, high)]
    chin = [picture[inside(picture, marks[[6, 8, 10, 57]])].mean() for picture, marks in (low, high)]
    assert brow[1] - chin[1] > brow[0] - chin[0] + 10


def test_exposure_lamps_and_warmth(renderer: FaceRenderer) -> None:
    means = [drawn(renderer, portrait(GIRL, exposure=value))[0].mean() for value in (0.0, 0.5, 1.0, 2.0)]
    assert means[0] < 1 and (np.diff(means) > 10).all()
    for lamp in ("key", "fill", "ambient"):
        dark, bright = (cheeks(*drawn(renderer, portrait(MAN, **{lamp: value}))).mean() for value in (0.1, 1.0))
        assert bright > dark + 3, lamp
    blue, orange = (cheeks(*drawn(renderer, portrait(GIRL, warmth=value))).mean(0) for value in (-1.0, 1.0))
    assert orange[0] / orange[2] > 1.04 * blue[0] / blue[2]


def test_blur_noise_and_compression_act(renderer: FaceRenderer) -> None:
    def roughness(**scene: object) -> float:
        return float(np.abs(np.diff(drawn(renderer, portrait(WOMAN, **scene))[0], axis=1)).mean())

    sharp = roughness()
    assert roughness(blur=6.0) < 0.9 * sharp < sharp * 1.2 < roughness(noise=0.05)
    base = drawn(renderer, portrait(WOMAN))[0]
    losses = [np.abs(drawn(renderer, portrait(WOMAN, quality=quality))[0] - base).mean() for quality in (95, 60, 10)]
    assert 0 < losses[0] < losses[1] < losses[2] < 25
