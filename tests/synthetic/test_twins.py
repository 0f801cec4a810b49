"""Twins differ in the one thing that is asked for: in their recipe, and in the picture."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from portraits import PEOPLE, WOMAN, cheeks, drawn, inside, placed, portrait

from emo_toolkit.errors import EmoError
from emo_toolkit.labels import GENDERS
from emo_toolkit.synthetic import FaceRenderer, FaceSpec, sample_scene, sample_spec, twin_grid
from emo_toolkit.synthetic.specs import RENDERED_RACES
from emo_toolkit.synthetic.twins import AGES, switch_action_unit


def spec(seed: int = 6, label: str = "happiness") -> FaceSpec:
    """A random person in a calm, frontal scene that nothing is lost in."""
    return replace(sample_spec(seed, label=label), scene=sample_scene(seed, frontal=True))


def test_the_whole_grid() -> None:
    grid = twin_grid(spec())
    assert list(grid) == [(age, gender, race) for age in AGES for gender in GENDERS for race in RENDERED_RACES]
    for (age, gender, race), twin in grid.items():
        assert (twin.identity.age, twin.identity.gender, twin.identity.race) == (age, gender, race)
    assert len({repr(twin.identity) for twin in grid.values()}) == len(grid)


@pytest.mark.parametrize("factor", ["ordinary", "unseen_look", "compound"])
def test_only_the_person_changes_and_the_original_is_among_the_twins(factor: str) -> None:
    for seed in range(20):
        one = sample_spec(seed, identity=seed + 500, factor=factor)
        person = one.identity
        grid = twin_grid(one, ages=(person.age, 12.0), genders=GENDERS, races=RENDERED_RACES)
        assert grid[person.age, person.gender, person.race] == one
        for twin in grid.values():
            assert replace(twin, identity=person) == one and twin.identity.id == person.id
            assert (twin.identity.phase, twin.identity.shirt, twin.identity.muscle) == (
                person.phase, person.shirt, person.muscle,
            )  # fmt: skip


def test_what_is_not_given_stays() -> None:
    one = spec()
    person = one.identity
    assert list(twin_grid(one, ages=(20.0, 60.0))) == [(age, person.gender, person.race) for age in (20.0, 60.0)]
    assert list(twin_grid(one, races=("Black",))) == [(person.age, person.gender, "Black")]
    assert list(twin_grid(one, genders=("male",), races=("Asian",))) == [(person.age, "male", "Asian")]
    assert twin_grid(one, ages=()) == {}


def test_the_pictures_of_twins_share_scene_and_expression(renderer: FaceRenderer) -> None:
    one = spec(2, "surprise")
    one = replace(one, identity=replace(one.identity, id=9))
    twins = twin_grid(one, ages=(30.0,)).values()
    faces = [renderer.draw(twin, size=64) for twin in (*twins, *twin_grid(one, ages=(8.0, 70.0)).values())]
    first = faces[0].truth
    pictures, outsides = [], []
    for face in faces:
        truth = face.truth
        assert truth.action_units == first.action_units and truth.label == "surprise"
        assert (truth.valence, truth.arousal, truth.yaw, truth.seed) == (
            first.valence, first.arousal, first.yaw, first.seed,
        )  # fmt: skip
        eyes = (truth.landmarks[36:48] - first.landmarks[36:48]).mean(0)
        assert np.linalg.norm(eyes) < 2.5  # pixels of 64
        pictures.append(np.asarray(face.image, float))
        outsides.append(pictures[-1][:4, :4])
    np.testing.assert_array_equal(outsides, np.broadcast_to(outsides[0], np.shape(outsides)))
    assert min(np.abs(one - two).mean() for i, one in enumerate(pictures) for two in pictures[:i]) > 1


def test_race_twins_differ_in_skin_and_age_twins_in_face(renderer: FaceRenderer) -> None:
    one = spec(3, "neutral")
    skins = {
        key[2]: cheeks(*drawn(renderer, twin)).mean()
        for key, twin in twin_grid(one, ages=(30.0,), genders=("female",), races=RENDERED_RACES).items()
    }
    assert skins["Black"] < 0.85 * min(skins["White"], skins["Asian"])
    boxes = [np.ptp(placed(renderer, twin), axis=0) for twin in twin_grid(one, ages=(5.0, 40.0)).values()]
    assert boxes[1][1] / boxes[1][0] > 1.05 * boxes[0][1] / boxes[0][0]  # a grown face is longer


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"ages": (0.5,)}, "nobody of 0.5 years"),
        ({"ages": (25.0, 120.0)}, "nobody of 120.0 years"),
        ({"genders": ("other",)}, "gender 'other'"),
        ({"races": ("Indian",)}, "race 'Indian'"),
        ({"races": "White"}, "race 'W'"),
    ],
)
def test_twins_that_cannot_be_drawn_are_refused(words: dict, message: str) -> None:
    with pytest.raises(EmoError, match=message):
        twin_grid(spec(), **words)


SWITCHES = [  # before, code, intensity, after
    ({}, "AU12", 0.5, {"AU12": 0.5}),
    ({"AU12": 0.9, "AU6": 0.4}, "AU12", 0.2, {"AU12": 0.2, "AU6": 0.4}),
    ({"AU12": 0.9, "AU6": 0.4}, "AU12", 0.0, {"AU6": 0.4}),
    ({"AU12": 0.9}, "L12", 0.1, {"L12": 0.1, "R12": 0.9}),
    ({"AU12": 0.9}, "R12", 0.0, {"L12": 0.9}),
    ({"L12": 0.9}, "R12", 0.3, {"L12": 0.9, "R12": 0.3}),
    ({"L12": 0.9, "R12": 0.1, "L14": 0.2}, "AU12", 0.5, {"AU12": 0.5, "L14": 0.2}),
    ({"L12": 0.9, "R12": 0.1}, "AU12", 0.0, {}),
    ({"AU1": 0.4, "AU10": 0.5}, "L1", 0.0, {"R1": 0.4, "AU10": 0.5}),
    ({"L12": 0.3}, "AU4", 1, {"L12": 0.3, "AU4": 1}),
    ({"AU4": 0.3}, "AU12", 0, {"AU4": 0.3}),
]


@pytest.mark.parametrize(("before", "code", "intensity", "after"), SWITCHES)
def test_one_unit_is_switched(before: dict[str, float], code: str, intensity: float, after: dict[str, float]) -> None:
    one = portrait(WOMAN, before)
    switched = switch_action_unit(one, code, intensity)
    assert switched.expression.action_units == after
    assert replace(switched, expression=one.expression) == one and one.expression.action_units == before


@pytest.mark.parametrize(
    ("code", "intensity", "message"),
    [
        ("AU99", 0.5, "'AU99' is no action unit"),
        ("smile", 0.5, "'smile' is no action unit"),
        ("", 0.5, "'' is no action unit"),
        ("AU12", 1.5, "intensity of AU12 is 1.5"),
        ("L12", -0.1, "intensity of L12 is -0.1"),
        ("AU12", float("nan"), "intensity of AU12 is nan"),
    ],
)
def test_a_switch_that_makes_no_sense_is_refused(code: str, intensity: float, message: str) -> None:
    with pytest.raises(EmoError, match=message):
        switch_action_unit(spec(), code, intensity)


def test_the_switched_unit_changes_its_own_place_in_the_picture(renderer: FaceRenderer) -> None:
    for person in PEOPLE[:2]:
        base = portrait(person, {"AU4": 0.5})
        before, marks = drawn(renderer, base)
        places = {
            "AU12": marks[[2, 14, 31, 35, 5, 11, 8]],
            "AU1": np.concatenate([marks[36:48], marks[17:27] - (0, 14)]),
            "L43": marks[42:48],
        }
        for code, place in places.items():
            after, _ = drawn(renderer, switch_action_unit(base, code, 1.0))
            change = np.abs(after - before).sum(-1)
            near = cv2.dilate(inside(before, place).astype(np.uint8), np.ones((11, 11))) > 0
            assert change.sum() > 300 and change[near].sum() > 0.8 * change.sum(), (code, person.id)
        undone = switch_action_unit(switch_action_unit(base, "AU12", 1.0), "AU12", 0.0)
        np.testing.assert_array_equal(drawn(renderer, undone)[0], before)
