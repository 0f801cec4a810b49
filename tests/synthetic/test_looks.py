"""Skin has its tone, each look its own place, hair stays off the eyes, and what is inside the head stays inside."""

import warnings
from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest
from portraits import GIRL, MAN, OLD_MAN, WOMAN, bare, cheeks, drawn, inside, portrait

from emo_toolkit.synthetic import FaceRenderer, Identity, sample_identity
from emo_toolkit.synthetic.specs import RENDERED_RACES

EYES, RIGHT_EYE, LEFT_EYE, MOUTH = range(36, 48), slice(36, 42), slice(42, 48), slice(48, 68)


def test_skin_has_the_colour_of_its_tone(renderer: FaceRenderer) -> None:
    for seed in range(3):
        colour = {}
        for race in RENDERED_RACES:
            person = replace(bare(sample_identity(seed, age=30.0, race=race)), beard=0.0)
            colour[race] = cheeks(*drawn(renderer, portrait(person))).mean(0)
            red, green, blue = colour[race]
            assert 1.05 < red / green < 1.6 and 1.0 < green / blue < 1.6, "no red cast, no grey skin"
        assert colour["Black"].mean() < 0.85 * min(colour["White"].mean(), colour["Asian"].mean())


@pytest.mark.parametrize("race", RENDERED_RACES)
def test_a_darker_tone_is_darker(renderer: FaceRenderer, race: str) -> None:
    person = bare(sample_identity(4, race=race))
    tones = [tuple(share * value for value in person.tone) for share in (1.3, 0.8, 0.4)]
    means = [cheeks(*drawn(renderer, portrait(replace(person, tone=tone)), size=48)).mean() for tone in tones]
    assert (np.diff(means) < -5).all()


LOOKS: dict[str, tuple[Identity, dict, Callable[[np.ndarray], np.ndarray]]] = {
    "beard": (MAN, {"beard": 0.9}, lambda m: np.concatenate([m[[2, 14, 33]], m[6:11] + (0, 6)])),
    "freckles": (replace(GIRL, freckles=0.0), {"freckles": 1.0}, lambda m: m[[1, 31, 30, 35, 15, 27]]),
    "lipstick": (WOMAN, {"lipstick": 0.8, "lip_color": (0.25, 0.01, 0.02)}, lambda m: m[MOUTH]),
    "iris": (WOMAN, {"iris": (0.1, 0.3, 0.6)}, lambda m: m[[*EYES]]),
    "wrinkles": (WOMAN, {"wrinkles": 3.0}, lambda m: np.concatenate([m[17:27], m[17:27] - (0, 14)])),
}


@pytest.mark.parametrize("look", LOOKS)
def test_a_look_changes_its_own_place(renderer: FaceRenderer, look: str) -> None:
    person, words, where = LOOKS[look]
    person = replace(person, lipstick=0.0, beard=0.0)
    base, marks = drawn(renderer, portrait(person, {"AU1": 1.0}))
    other, _ = drawn(renderer, portrait(replace(person, **words), {"AU1": 1.0}))
    change = np.abs(other - base).sum(-1)
    place = cv2.dilate(inside(base, where(marks)).astype(np.uint8), np.ones((5, 5))) > 0
    assert change[place].sum() > 150 and change[place].sum() > 0.8 * change.sum(), change.sum()


def test_eyes_lips_and_hair_have_their_own_colour(renderer: FaceRenderer) -> None:
    plain = replace(WOMAN, hair="hair/short01", lipstick=1.0, lashes="")
    pure = np.eye(3) * 0.5 + 0.02
    faces = [replace(plain, iris=tuple(a), lip_color=tuple(b), hair_color=tuple(c)) for a, b, c in (pure, pure[::-1])]
    for person in faces:
        picture, marks = drawn(renderer, portrait(person, {"AU5": 0.6}), size=96)
        eyes = picture[inside(picture, marks[RIGHT_EYE], marks[LEFT_EYE])]
        strands = picture[inside(picture, marks[17:27] - (0, 26), marks[17:27] - (0, 30))]
        seen = (eyes[np.ptp(eyes, axis=1) > 40], picture[inside(picture, marks[48:60])], strands)
        for pixels, color in zip(seen, (person.iris, person.lip_color, person.hair_color), strict=True):
            assert len(pixels) > 10 and np.argmax(np.median(pixels, axis=0)) == np.argmax(color)


def test_hair_covers_the_head_and_no_eye(renderer: FaceRenderer) -> None:
    for seed in (1, 4):
        person = replace(bare(sample_identity(seed)), hair_color=(0.02, 0.5, 0.02))
        free = renderer.draw(portrait(person), size=64).truth.visible[EYES]
        for hair in renderer.pack.hairs:
            face = renderer.draw(portrait(replace(person, hair=hair)), size=64)
            picture, marks = np.asarray(face.image, float), face.truth.landmarks
            green = picture[..., 1] > 1.4 * picture[..., 0]
            assert green.sum() > 80 and green[inside(picture, marks[17:27] - (0, 16))].any(), hair
            assert not green[inside(picture, marks[27:36])].any(), hair  # the nose
            np.testing.assert_array_equal(face.truth.visible[EYES], free, err_msg=f"{hair} on {seed}")


def test_black_hair_and_no_hair_at_all(renderer: FaceRenderer) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        black = drawn(renderer, portrait(replace(MAN, hair="hair/short01", hair_color=(0.0, 0.0, 0.0), beard=0.5)))[0]
        bald = drawn(renderer, portrait(replace(MAN, hair=None, brow="", lashes="")))[0]
    assert np.abs(black - bald).mean() > 3


@pytest.mark.parametrize("units", [{"AU6": 1.0, "AU12": 1.0}, {"AU27": 1.0}, {"AU6": 1.0, "AU7": 1.0, "AU9": 1.0}])
def test_eyes_teeth_and_tongue_stay_behind_the_skin(renderer: FaceRenderer, units: dict[str, float]) -> None:
    """On blue skin in flat light what is not blue pokes through it: an eyeball under a lid, gums under the chin."""
    for person in (GIRL, OLD_MAN):
        blue = replace(person, tone=(0.02, 0.02, 0.5), lashes="", brow="", lipstick=0.0, beard=0.0)
        picture, marks = drawn(renderer, portrait(blue, units, key=0.0, fill=0.0, ambient=1.5), size=128)
        below = marks[6:11] + (0, 0.25 * np.linalg.norm(marks[45] - marks[36]))
        face = cv2.erode(inside(picture, np.concatenate([marks, below])).astype(np.uint8), np.ones((13, 13))) > 0
        holes = inside(picture, marks[RIGHT_EYE], marks[LEFT_EYE], marks[MOUTH])
        holes = cv2.dilate(holes.astype(np.uint8), np.ones((7, 7))) > 0
        other = picture[..., 0] > 0.75 * picture[..., 2]
        assert not (other & face & ~holes).any(), f"{person.id}: {(other & face & ~holes).sum()} pixels"
        assert face.sum() > 1500 and (picture[face & ~holes][:, 2] > 1.6 * picture[face & ~holes][:, 0]).mean() > 0.8


def test_a_smile_changes_the_lower_face(renderer: FaceRenderer) -> None:
    for person in (WOMAN, OLD_MAN):
        rest, marks = drawn(renderer, portrait(person))
        smile, _ = drawn(renderer, portrait(person, {"AU12": 1.0}))
        change = np.abs(smile - rest).sum(-1)
        lower = np.arange(len(rest)) > marks[29, 1]
        assert change[lower].sum() > 3 * change[~lower].sum() and change.sum() > 1000


def test_surprise_bares_the_white_of_the_eye_and_the_dark_of_the_mouth(renderer: FaceRenderer) -> None:
    person = replace(MAN, lashes="")
    eyes, mouths = [], []
    for units in ({}, {"AU5": 1.0, "AU27": 1.0}):
        picture, marks = drawn(renderer, portrait(person, units), size=96)
        grey = picture.mean(-1)
        eyes.append((grey[inside(picture, marks[RIGHT_EYE], marks[LEFT_EYE])] > 150).sum())
        mouths.append((grey[inside(picture, marks[60:68])] < 60).sum())
    assert eyes[1] > 1.5 * eyes[0] and mouths[1] > mouths[0] + 10
