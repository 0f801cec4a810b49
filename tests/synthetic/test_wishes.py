"""What somebody wishes to see: checked before anything is drawn, and told truly afterwards."""

import json
from typing import Any

import pytest

from emo_toolkit.errors import EmoError
from emo_toolkit.synthetic import FaceRenderer
from emo_toolkit.synthetic.claims import read_labels
from emo_toolkit.synthetic.scoring import score_text
from emo_toolkit.synthetic.wishes import RANGES, FaceWish, caption, make_wish, truth_data


@pytest.fixture(scope="module")
def renderer() -> FaceRenderer:
    return FaceRenderer()


@pytest.mark.parametrize(
    ("units", "traits", "message"),
    [
        (None, {}, "object with FACS codes"),
        ([["AU12", 1]], {}, "object with FACS codes"),
        ({"AU99": 1}, {}, "AU99"),
        ({"": 1}, {}, "no action unit"),
        ({"AU12": 1.01}, {}, "intensity of AU12 must be a number from 0 to 1"),
        ({"AU12": "1"}, {}, "must be a number"),
        ({"AU12": True}, {}, "must be a number"),
        ({"AU12": float("nan")}, {}, "must be a number"),
        ({"AU12": [0.5]}, {}, "must be a number"),
        ({}, {"age": 3}, "age must be a number from 4 to 85"),
        ({}, {"age": None}, "age must be a number"),
        ({}, {"person": 1e9}, "person must be a number"),
        ({}, {"yaw": float("inf")}, "yaw must be a number"),
        ({}, {"gender": ["female"]}, "gender must be a word"),
        ({}, {"race": {}}, "race must be a word"),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_a_sentence(units: Any, traits: dict[str, Any], message: str) -> None:
    with pytest.raises(EmoError, match=message):
        make_wish(units, **traits)


def test_words_that_cannot_be_drawn_are_refused() -> None:
    for traits in ({"gender": "robot"}, {"race": "Indian"}):
        with pytest.raises(EmoError, match="cannot be drawn"):
            make_wish({}, **traits).spec  # noqa: B018, the recipe is where words are looked up


def test_equal_wishes_are_one_key_whatever_the_order() -> None:
    first = make_wish({"AU12": 0.5, "AU6": 1, "AU4": 0}, age=30, person=7.0)
    second = make_wish({"AU6": 1.0, "AU12": 0.5}, person=7, age=30.0)
    assert first == second and hash(first) == hash(second) and first.units == (("AU6", 1.0), ("AU12", 0.5))
    assert isinstance(first.person, int)


def test_every_extreme_can_be_drawn(renderer: FaceRenderer) -> None:
    for end in (0, 1):
        wish = make_wish({"AU12": 1, "L12": 1, "R14": 1}, **{name: limits[end] for name, limits in RANGES.items()})
        assert renderer.draw(wish.spec, size=48).image.size == (48, 48)


def test_the_truth_is_what_was_wished(renderer: FaceRenderer) -> None:
    wish = make_wish({"AU6": 0.9, "AU12": 0.95, "AU25": 0.1}, age=70, gender="male", race="Asian", yaw=-20)
    face = renderer.draw(wish.spec, size=64)
    data = json.loads(json.dumps(truth_data(wish, face)))
    assert (data["label"], data["second"]) == ("happiness", None)
    assert [(unit["code"], unit["letter"]) for unit in data["action_units"]] == [
        ("AU6", "E"),
        ("AU12", "E"),
        ("AU25", "A"),
    ]
    assert (data["age"], data["gender"], data["race"], data["yaw"]) == (70, "male", "Asian", -20)
    assert len(data["landmarks"]) == 68
    score = score_text(data["caption"], face.truth)
    assert score.f1 == 1 and score.label == "happiness"


def test_a_face_without_a_name_is_described_without_one(renderer: FaceRenderer) -> None:
    wish = FaceWish(units=(("AU1", 0.8), ("AU15", 0.8), ("AU9", 0.8), ("AU12", 0.8)))
    face = renderer.draw(wish.spec, size=48)
    told = caption(wish, face)
    assert truth_data(wish, face)["label"] is None
    assert not list(read_labels(told)) and score_text(told, face.truth).f1 == 1
    assert told == caption(wish, face)
