"""FACS codes, letters and prototypes; valence and arousal follow the expression, exactly (0, 0) at rest."""

import math
import random

import pytest

from emo_toolkit.errors import EmoError
from emo_toolkit.labels import LABELS
from emo_toolkit.synthetic.action_units import (
    ACTION_UNITS,
    CIRCUMPLEX,
    COMPOUNDS,
    INTENSITIES,
    PROTOTYPES,
    REGIONS,
    by_side,
    intensity_letter,
    intensity_word,
    split_code,
    valence_arousal,
)

NUMBERS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 16, 17, 18, 20, 21, 22, 23, 24, 25, 26, 27, 28, 34, 38, 43)
EVERY_PROTOTYPE = [
    *((label, variant) for label, variants in PROTOTYPES.items() for variant in variants),
    *((label, variant) for (label, _), variants in COMPOUNDS.items() for variant in variants),
]
# one of each pair undoes the other
OPPOSED = [("AU12", "AU15"), ("AU24", "AU25"), ("AU28", "AU25"), ("AU26", "AU27"), ("AU5", "AU43"), ("AU18", "AU20")]


def numbers(units) -> set[int]:
    return {int(code.lstrip("AULR")) for code in units}


def test_the_table():
    assert tuple(ACTION_UNITS) == tuple(f"AU{number}" for number in NUMBERS)
    assert len({unit.name for unit in ACTION_UNITS.values()}) == len(ACTION_UNITS)
    for unit in ACTION_UNITS.values():
        assert unit.region in REGIONS and unit.muscle and len(unit.phrases) >= 2
    said = [phrase for unit in ACTION_UNITS.values() for phrase in unit.phrases]
    assert len(set(said)) == len(said)  # no two units are said alike


@pytest.mark.parametrize(
    ("code", "parts"), [("AU12", ("AU12", None)), ("L12", ("AU12", "left")), ("R4", ("AU4", "right"))]
)
def test_split_code(code, parts):
    assert split_code(code) == parts


@pytest.mark.parametrize("code", ["", "AU3", "12", "AU12 ", " L12", "L99", "au12", "AU012", "LR12", "AU", "L", "AU1٢"])
def test_split_code_refuses(code):
    with pytest.raises(EmoError, match="no action unit"):
        split_code(code)


def test_by_side_adds_up_within_bounds():
    assert by_side({"AU12": 0.4, "L12": 0.3, "R4": 2.0, "AU6": -1}) == {
        ("AU12", "left"): pytest.approx(0.7),
        ("AU12", "right"): 0.4,
        ("AU4", "right"): 1.0,
        ("AU6", "left"): 0.0,
        ("AU6", "right"): 0.0,
    }


def test_intensity_letters_climb_and_change_at_their_bounds():
    letters = [intensity_letter(value / 100) for value in range(1, 101)]
    assert letters == sorted(letters) and set(letters) == set("ABCDE")
    for bound, letter, word in INTENSITIES[1:]:
        assert intensity_letter(bound) == letter and intensity_word(bound) == word
        assert intensity_letter(bound - 1e-9) < letter
    assert intensity_letter(0.0) is None and intensity_word(0.0) is None


@pytest.mark.parametrize(("label", "variant"), EVERY_PROTOTYPE)
def test_prototypes_are_faces_that_can_be_made(label, variant):
    assert label in LABELS["ferplus"]
    assert all(split_code(code) and 0 < value <= 1 for code, value in variant.items())
    units = {split_code(code)[0] for code in variant}
    assert not any({*pair} <= units for pair in OPPOSED)
    assert "AU25" in units or not units & {"AU26", "AU27"}  # FACS: an open jaw parts the lips


def test_prototypes_tell_the_labels_apart():
    assert set(PROTOTYPES) == set(LABELS["ferplus"]) and PROTOTYPES["neutral"] == ({},)
    seen: dict[frozenset, str] = {}
    for label, variants in PROTOTYPES.items():
        assert len(variants) >= (1 if label == "neutral" else 3)
        for variant in variants:
            assert seen.setdefault(frozenset(variant), label) == label
    mirrored = [
        {code.translate(str.maketrans("LR", "RL")): v for code, v in variant.items()}
        for variant in PROTOTYPES["contempt"]
    ]
    assert all(variant in PROTOTYPES["contempt"] for variant in mirrored)


@pytest.mark.parametrize(
    ("label", "core"),
    [
        ("happiness", {12}),
        ("surprise", {1, 2, 5, 25}),
        ("sadness", {1, 4, 15}),
        ("anger", {4, 5, 7}),
        ("fear", {1, 2, 4, 5, 20, 25}),
        ("disgust", {9}),
        ("contempt", {14}),
    ],
)
def test_what_every_variant_of_a_label_shares(label, core):
    assert core <= set.intersection(*(numbers(variant) for variant in PROTOTYPES[label]))


def test_compounds_after_du_tao_martinez():
    core = {pair: numbers(variants[0]) for pair, variants in COMPOUNDS.items()}
    assert len(core) == 11 and all(first != second for first, second in core)
    assert core["happiness", "surprise"] == {1, 2, 12, 25}
    assert core["happiness", "disgust"] == {10, 12, 25}
    assert core["sadness", "surprise"] == {1, 4, 25, 26}
    assert core["fear", "surprise"] == {1, 2, 5, 20, 25}
    assert core["anger", "disgust"] == {4, 10, 17}
    assert core["disgust", "surprise"] == {1, 2, 5, 10}
    alone = [frozenset(variant) for variants in PROTOTYPES.values() for variant in variants]
    assert not any(frozenset(variant) in alone for variants in COMPOUNDS.values() for variant in variants)


def test_a_face_at_rest_is_exactly_neutral():
    assert valence_arousal({}) == valence_arousal({"AU12": 0.0}) == (0.0, 0.0)
    assert valence_arousal({"AU34": 1.0}) == (0.0, 0.0)  # in no prototype


@pytest.mark.parametrize(("label", "variant"), [item for item in EVERY_PROTOTYPE[1:] if item[0] != "neutral"])
def test_valence_and_arousal_grow_with_the_expression(label, variant):
    points = [valence_arousal({code: v * step / 20 for code, v in variant.items()}) for step in range(21)]
    lengths = [round(math.hypot(*point), 9) for point in points]
    assert points[0] == (0.0, 0.0) and lengths == sorted(lengths)
    assert all(length == pytest.approx(lengths[10] * step / 10) for step, length in enumerate(lengths[:11]))
    for axis in (0, 1):
        values = [round(point[axis], 9) for point in points]
        assert values in (sorted(values), sorted(values, reverse=True))


@pytest.mark.parametrize("label", CIRCUMPLEX)
def test_a_prototype_lies_nearest_to_its_own_label(label):
    for variant in PROTOTYPES[label]:
        point = valence_arousal(variant)
        assert min(CIRCUMPLEX, key=lambda other: math.dist(point, CIRCUMPLEX[other])) == label
        assert math.dist(point, CIRCUMPLEX[label]) < 0.05


@pytest.mark.parametrize("unit", ["AU6", "AU12"])
def test_more_of_a_smile_is_never_less_pleasant(unit):
    values = [valence_arousal({"AU6": 0.5, "AU12": 0.5, unit: step / 20})[0] for step in range(21)]
    assert all(b > a - 1e-5 for a, b in zip(values, values[1:], strict=False)) and values[-1] > values[0]


def test_valence_and_arousal_do_not_know_left_from_right():
    assert valence_arousal({"L12": 0.6, "R12": 0.6}) == valence_arousal({"AU12": 0.6})
    assert valence_arousal({"L14": 0.7}) == pytest.approx(valence_arousal({"R14": 0.7}))


def test_a_compound_lies_between_its_labels():
    happy, surprised = valence_arousal(PROTOTYPES["happiness"][1]), valence_arousal(PROTOTYPES["surprise"][0])
    valence, arousal = valence_arousal(COMPOUNDS["happiness", "surprise"][0])
    assert surprised[0] < valence < happy[0] and happy[1] < arousal < surprised[1]


def test_valence_and_arousal_stay_in_bounds():
    rng = random.Random(0)
    for _ in range(500):
        codes = rng.sample([f"{side}{number}" for number in NUMBERS for side in ("AU", "L", "R")], rng.randint(1, 12))
        assert math.hypot(*valence_arousal({code: rng.uniform(-0.5, 3) for code in codes})) <= 1
