"""Glasses sit on the nose in front of the eyes, turn with the head, and leave the eyes to be seen."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from portraits import GIRL, MAN, PEOPLE, drawn, inside, portrait

from emo_toolkit.errors import EmoError
from emo_toolkit.synthetic import FaceRenderer, FaceSpec, Identity
from emo_toolkit.synthetic.glasses import STYLES, glasses_mesh
from emo_toolkit.synthetic.head import Head

EYES = range(36, 48)


def wearing(person: Identity, style: str | None, **scene: object) -> FaceSpec:
    """A person with glasses as green as nothing else in the picture."""
    return portrait(replace(person, glasses=style, frame_color=(0.0, 0.8, 0.0)), **scene)


def frame(renderer: FaceRenderer, person: Identity, style: str, **scene: object) -> tuple[np.ndarray, np.ndarray]:
    """Mask of what the frame covers, and the landmarks."""
    picture, marks = drawn(renderer, wearing(person, style, **scene), size=96)
    bare, _ = drawn(renderer, wearing(person, None, **scene), size=96)
    return (picture[..., 1] > 1.3 * picture[..., 0]) & (np.abs(picture - bare).max(-1) > 25), marks


@pytest.fixture(scope="module")
def meshes(renderer: FaceRenderer) -> dict[tuple[int, str], tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Points and triangles of each style on each person, with the eyes' centres and the skin."""
    head, found = Head(renderer.pack), {}
    for person in PEOPLE:
        neutral = head.neutral(person)
        centres, radii = head.eyes(neutral)
        skin = renderer.pack.subdivide(neutral)
        for style in STYLES:
            found[person.id, style] = (*glasses_mesh(style, centres, radii, skin), centres, skin)
    return found


def test_each_eye_looks_through_its_own_rim(renderer: FaceRenderer) -> None:
    for style, person in (("round", MAN), ("oval", GIRL), ("square", MAN)):
        mask, marks = frame(renderer, person, style)
        span = np.linalg.norm(marks[45] - marks[36])
        for eye in (slice(36, 42), slice(42, 48)):
            middle = marks[eye].mean(0)
            for step in ((-0.5, 0), (0.5, 0), (0, -0.4), (0, 0.4)):  # the rim is met on every side
                ray = middle + np.linspace(0, 1, 60)[:, None] * np.array(step) * span
                x, y = ray.round().astype(int).T
                assert mask[y, x].any(), (style, person.id, step)
            assert mask[inside(mask, marks[eye])].mean() < 0.1
        bridge = mask[int(marks[27, 1]) - 4 : int(marks[29, 1]), int(marks[27, 0]) - 1 : int(marks[27, 0]) + 2]
        assert bridge.any() and 0.003 < mask.mean() < 0.06


def test_the_eyes_stay_visible(renderer: FaceRenderer) -> None:
    for person, yaw in ((MAN, 0.0), (GIRL, 20.0)):
        plain, *worn = (
            renderer.draw(wearing(person, style, yaw=yaw), size=64).truth.visible for style in (None, *STYLES)
        )
        for seen in worn:
            assert seen[EYES].sum() >= plain[EYES].sum() - 2 and seen.sum() >= plain.sum() - 8
            assert not (seen & ~plain).any()


def test_nothing_but_the_frame_and_its_shadow_changes(renderer: FaceRenderer) -> None:
    picture, marks = drawn(renderer, wearing(MAN, "square"), size=96)
    bare, _ = drawn(renderer, wearing(MAN, None), size=96)
    change = np.abs(picture - bare).max(-1)
    assert change[inside(change, marks[48:68])].max() < 12  # the mouth
    ring = cv2.dilate(inside(change, marks[17:48], marks[[0, 16]]).astype(np.uint8), np.ones((9, 9))) > 0
    assert change[ring].sum() > 0.9 * change.sum()


def test_styles_differ_in_the_picture(renderer: FaceRenderer) -> None:
    masks = [frame(renderer, MAN, style)[0] for style in STYLES]
    for i, one in enumerate(masks):
        for two in masks[:i]:
            assert (one & two).sum() < 0.8 * (one | two).sum()


def test_the_frame_turns_with_the_head(renderer: FaceRenderer) -> None:
    centre = {}
    for yaw in (-30.0, 0.0, 30.0):
        mask, marks = frame(renderer, MAN, "round", yaw=yaw)
        x = np.nonzero(mask)[1]
        centre[yaw] = x.mean()
        assert abs(x.mean() - marks[27, 0]) < 0.35 * np.linalg.norm(marks[45] - marks[36])
    assert centre[-30.0] < centre[0.0] - 2 and centre[30.0] > centre[0.0] + 2


def test_the_frame_is_measured_on_the_head(meshes: dict) -> None:
    for (_, style), (points, triangles, centres, skin) in meshes.items():
        half_width, half_height, _, thickness = STYLES[style]
        span = np.linalg.norm(centres[0] - centres[1])
        middle = centres.mean(0)
        assert np.isfinite(points).all() and triangles.min() == 0 and triangles.max() == len(points) - 1
        front = points[points[:, 2] > centres[:, 2].max()]
        assert np.ptp(front[:, 1]) == pytest.approx(2 * (half_height + thickness) * span, rel=0.15)
        assert front[:, 0].max() == pytest.approx((0.5 + half_width) * span, rel=0.15)
        nose = skin[(np.abs(skin[:, 0]) < 0.08 * span) & (np.abs(skin[:, 1] - middle[1]) < 0.1 * span), 2].max()
        bridge = points[np.abs(points[:, 0]) < 0.05 * span]
        assert bridge[:, 2].min() > nose - 0.1 * span  # it rests on the nose, not in it
        assert points[:, 2].min() < middle[2] - span  # the temples reach the ears


def test_frames_are_closed_and_the_same_on_both_sides(meshes: dict) -> None:
    for points, triangles, *_ in meshes.values():
        mirrored = points * np.float32([-1, 1, 1])
        distance = np.linalg.norm(mirrored[:, None] - points[None], axis=-1).min(1)
        assert distance.max() < 0.03
        sides = points[triangles]
        area = np.linalg.norm(np.cross(sides[:, 1] - sides[:, 0], sides[:, 2] - sides[:, 0]), axis=1)
        assert area.min() > 0
    for style in STYLES:  # the topology is made once: it may not depend on the head
        shapes = {(m[0].shape, m[1].tobytes()) for (_, name), m in meshes.items() if name == style}
        assert len(shapes) == 1


def test_an_unknown_style_is_named(renderer: FaceRenderer) -> None:
    with pytest.raises(EmoError, match="no 'monocle' glasses; use one of round, oval, square"):
        glasses_mesh("monocle", np.zeros((2, 3)), np.ones(2), np.zeros((1, 3)))
    with pytest.raises(EmoError, match="monocle"):
        renderer.draw(wearing(MAN, "monocle"), size=16)
