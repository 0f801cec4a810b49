"""Seeds cover people, expressions and scenes evenly; factors hold out what they name; a new trait keeps the rest."""

import json
import math
import pickle
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, fields

import numpy as np
import pytest
from portraits import cheeks, drawn, landmarks, measures, portrait

from emo_toolkit.errors import EmoError
from emo_toolkit.labels import GENDERS, LABELS
from emo_toolkit.synthetic import (
    FACTORS,
    Expression,
    FaceRenderer,
    Identity,
    Scene,
    sample_expression,
    sample_identity,
    sample_scene,
    sample_spec,
)
from emo_toolkit.synthetic.action_units import ACTION_UNITS, COMPOUNDS, PROTOTYPES
from emo_toolkit.synthetic.glasses import STYLES
from emo_toolkit.synthetic.landmarks import LANDMARK_VERTICES
from emo_toolkit.synthetic.sampler import (
    BROWS,
    CHILDLIKE,
    EPICANTHUS,
    FEMININE,
    HAIRS,
    LASHES,
    MASCULINE,
    OLDEST,
    SHAPE_AXES,
    YOUNGEST,
)
from emo_toolkit.synthetic.specs import RENDERED_RACES

SEEDS = range(2000)
# What a person keeps when another age, gender or race is asked for. The rest follows from the attribute.
ALWAYS_KEPT = {"id", "muscle", "weight", "frame_color", "lip_color", "wrinkles", "phase", "shirt"}
KEPT = {
    "age": ALWAYS_KEPT | {"gender", "race", "mix", "tone", "lashes", "iris"},
    "gender": ALWAYS_KEPT | {"age", "race", "mix", "tone", "iris", "hair_color", "freckles", "glasses"},
    "race": ALWAYS_KEPT | {"age", "gender", "brow", "lashes", "glasses", "lipstick", "beard"},
}


@pytest.fixture(scope="module")
def crowd() -> list[Identity]:
    return [sample_identity(seed) for seed in SEEDS]


def leaves(value: object) -> Iterator[object]:
    """Every number and word in nested dicts, lists and tuples."""
    if isinstance(value, dict | list | tuple):
        for part in value.values() if isinstance(value, dict) else value:
            yield from leaves(part)
    else:
        yield value


def test_a_seed_is_a_recipe() -> None:
    specs = [sample_spec(seed) for seed in range(50)]
    assert specs == [sample_spec(seed) for seed in reversed(range(50))][::-1]
    for part in ("identity", "expression", "scene"):
        assert len({repr(getattr(spec, part)) for spec in specs}) == 50
    assert sample_spec(3, identity=8).identity == sample_identity(8)
    assert sample_spec(3, identity=8).scene == sample_spec(3).scene
    assert sample_spec(3).seed == 3


@pytest.mark.parametrize("factor", FACTORS)
def test_a_recipe_is_plain_numbers_and_words(factor: str) -> None:
    for seed in (*range(40), 2**48 - 1, 2**70):
        spec = sample_spec(seed, factor=factor)
        found = list(leaves(asdict(spec)))
        assert {type(value) for value in found} <= {float, int, str, type(None)}  # numpy's numbers would not be JSON
        assert all(math.isfinite(value) for value in found if isinstance(value, float))
        assert pickle.loads(pickle.dumps(spec)) == spec
        again = json.loads(json.dumps(asdict(spec), allow_nan=False))
        assert list(leaves(again)) == found


def test_attributes_are_even(crowd: list[Identity]) -> None:
    for name, words in (("gender", GENDERS), ("race", RENDERED_RACES)):
        count = Counter(getattr(person, name) for person in crowd)
        assert set(count) == set(words)
        assert max(count.values()) < 1.2 * min(count.values())
    ages = np.array([person.age for person in crowd])
    assert YOUNGEST <= ages.min() < YOUNGEST + 2 and OLDEST - 2 < ages.max() <= OLDEST
    assert np.histogram(ages, 8, (YOUNGEST, OLDEST))[0].min() > 0.75 * len(crowd) / 8
    pairs = Counter((person.gender, person.race, person.age < 45) for person in crowd)
    assert len(pairs) == 12 and min(pairs.values()) > 0.7 * len(crowd) / 12  # independent of each other


def test_people_differ_in_everything(crowd: list[Identity]) -> None:
    assert set(Counter(person.glasses for person in crowd)) == {None, *STYLES}
    assert 0.1 < np.mean([person.glasses is not None for person in crowd]) < 0.45
    assert 0.02 < np.mean([person.hair is None for person in crowd]) < 0.25
    women, men = ([p for p in crowd if p.gender == gender] for gender in ("female", "male"))
    assert not any(person.beard for person in women) and not any(person.lipstick for person in men)
    assert 0.2 < np.mean([person.beard > 0 for person in men if person.age > 18]) < 0.7
    assert not any(person.beard or person.lipstick for person in crowd if person.age < 16)
    grey = [np.mean(p.hair_color) for p in crowd if p.race == "Black" and p.age > 80]
    dark = [np.mean(p.hair_color) for p in crowd if p.race == "Black" and p.age < 30]
    assert min(grey) > 5 * max(dark)
    for name in ("tone", "iris", "phase", "wrinkles", "muscle", "weight"):
        assert len({getattr(person, name) for person in crowd}) > 0.9 * len(crowd)
    for person in crowd:
        assert sum(person.mix.values()) == pytest.approx(1) and max(person.mix, key=person.mix.get) == person.race
        colours = np.array([person.tone, person.iris, person.hair_color, person.lip_color, person.shirt])
        assert colours.min() >= 0 and colours.max() <= 1
        assert max(person.shape.values()) < 1.7 and min(person.shape.values()) > 0


def test_everything_that_can_be_drawn_is_in_the_pack(renderer: FaceRenderer) -> None:
    pack = renderer.pack
    for stem, *ends, spread in SHAPE_AXES:
        sides = ("l", "r") if "{side}" in stem else ("",)
        assert {f"{stem.format(side=side)}-{end}" for side in sides for end in ends} <= set(pack.targets)
        assert 0 < spread < 0.5
    for targets in (FEMININE, MASCULINE, CHILDLIKE, EPICANTHUS):
        assert set(targets) <= set(pack.targets)
    for parts, known in ((HAIRS, pack.hairs), (BROWS, pack.brows), (LASHES, pack.lashes)):
        assert set(parts) == set(GENDERS) and {name for names in parts.values() for name in names} <= set(known)
    people = [
        sample_identity(seed, age=age, gender=gender, race=race, unseen=unseen)
        for seed in range(3)
        for age in (YOUNGEST, 30.0, OLDEST)
        for gender in GENDERS
        for race in RENDERED_RACES
        for unseen in (False, True)
    ]
    assert {person.skin for person in people} <= set(pack.skins)
    assert {person.hair for person in people} - {None} <= set(pack.hairs)
    assert {name for person in people for name in person.shape} <= set(pack.targets)


@pytest.mark.parametrize(("change", "values"), [("age", (6.0, 70.0)), ("gender", GENDERS), ("race", RENDERED_RACES)])
def test_another_attribute_keeps_the_rest(change: str, values: tuple) -> None:
    changed = set()
    for seed in range(120):
        person = sample_identity(seed)
        assert sample_identity(seed, **{change: getattr(person, change)}) == person
        for value in values:
            twin = sample_identity(seed, **{change: value})
            assert getattr(twin, change) == value
            differ = {f.name for f in fields(Identity) if getattr(twin, f.name) != getattr(person, f.name)}
            assert not differ & KEPT[change], (seed, value, differ & KEPT[change])
            changed |= differ
    assert changed == {f.name for f in fields(Identity)} - KEPT[change]  # and nothing is called kept for nothing


def test_a_light_skin_of_one_race_is_a_light_one_of_another() -> None:
    tones = [[np.log(sample_identity(seed, race=race).tone[1]) for seed in range(100)] for race in RENDERED_RACES]
    assert np.corrcoef(tones).min() > 0.9


def test_age_takes_no_glasses_off_and_no_grey_away() -> None:
    for seed in range(200):
        old, young = (sample_identity(seed, age=age) for age in (80.0, 20.0))
        assert young.glasses in (None, old.glasses)
        assert np.mean(old.hair_color) >= np.mean(young.hair_color)


def test_unseen_looks_are_seen_nowhere_else(crowd: list[Identity]) -> None:
    unseen = [sample_identity(seed, unseen=True) for seed in SEEDS]
    for part in ("skin", "hair"):
        ordinary, held = ({getattr(person, part) for person in people} - {None} for people in (crowd, unseen))
        assert ordinary and held and not ordinary & held
    for ordinary, held in zip(crowd, unseen, strict=True):
        assert (ordinary.age, ordinary.shape, ordinary.tone) == (held.age, held.shape, held.tone)
    for factor in FACTORS:
        held = [sample_spec(seed, factor=factor).identity.skin.startswith("middleage") for seed in range(30)]
        assert all(held) if factor == "unseen_look" else not any(held)


def test_large_poses_are_larger_than_any_ordinary_one() -> None:
    yaws = {factor: np.array([sample_scene(seed, factor=factor).yaw for seed in range(1000)]) for factor in FACTORS}
    assert np.abs(yaws["large_pose"]).min() >= 38 > 32 >= np.abs(yaws["ordinary"]).max()
    assert 0.4 < (yaws["large_pose"] > 0).mean() < 0.6 and abs(yaws["ordinary"].mean()) < 2
    for factor in set(FACTORS) - {"large_pose"}:
        np.testing.assert_array_equal(yaws[factor], yaws["ordinary"])


def test_low_intensities_are_lower_than_any_ordinary_one() -> None:
    faint, plain = ([sample_expression(s, factor=f) for s in SEEDS] for f in ("low_intensity", "ordinary"))
    assert max(e.intensity for e in faint) <= 0.45 < min(e.intensity for e in plain)
    assert max(max(e.action_units.values(), default=0) for e in faint) <= 0.5
    strength = [np.mean([sum(e.action_units.values()) for e in group]) for group in (faint, plain)]
    assert strength[0] < 0.55 * strength[1]


@pytest.mark.parametrize("label", LABELS["ferplus"])
def test_an_expression_is_a_prototype_of_its_label(label: str) -> None:
    found = [sample_expression(seed, label=label) for seed in range(300)]
    assert {e.label for e in found} == {label} and {e.second for e in found} == {None}
    patterns = {frozenset(variant) for variant in PROTOTYPES[label]}
    assert {frozenset(e.action_units) for e in found} == patterns  # every variant is drawn
    for e in found:
        base = [v for v in PROTOTYPES[label] if set(v) == set(e.action_units)]
        for code, value in e.action_units.items():
            assert 0 < value <= 1 and code.replace("L", "AU").replace("R", "AU") in ACTION_UNITS
            assert any(0.8 < value / (variant[code] * e.intensity) < 1.15 or value == 1 for variant in base)


def test_labels_are_even() -> None:
    count = Counter(sample_expression(seed).label for seed in SEEDS)
    assert set(count) == set(LABELS["ferplus"]) and min(count.values()) > 0.75 * len(SEEDS) / 8


def test_a_compound_has_two_labels_and_their_units() -> None:
    pairs = Counter()
    for seed in SEEDS:
        e = sample_expression(seed, factor="compound")
        pair = (e.label, e.second) if (e.label, e.second) in COMPOUNDS else (e.second, e.label)
        assert set(e.action_units) in [set(variant) for variant in COMPOUNDS[pair]]
        pairs[pair] += 1
    assert set(pairs) == set(COMPOUNDS) and min(pairs.values()) > 0.2 * len(SEEDS) / len(COMPOUNDS)
    for label in {label for pair in COMPOUNDS for label in pair}:
        assert {sample_expression(seed, label=label, factor="compound").label for seed in range(30)} == {label}


def test_scenes_vary_within_reason() -> None:
    scenes = [sample_scene(seed) for seed in SEEDS]
    for name in ("pitch", "roll", "zoom", "field_of_view", "softness", "key", "fill", "ambient", "warmth", "exposure"):
        values = np.array([getattr(scene, name) for scene in scenes])
        assert len(set(values)) > 1000 and values.std() > 0.02
    assert all(abs(s.pitch) <= 18 and abs(s.roll) <= 18 and 10 < s.field_of_view < 40 for s in scenes)
    assert all(s.key > 0 and s.ambient > 0 and s.noise >= 0 and s.blur >= 0 and s.background >= 0 for s in scenes)
    quality = [scene.quality for scene in scenes]
    assert 0.2 < quality.count(None) / len(quality) < 0.4
    assert all(q is None or 30 <= q <= 100 for q in quality)
    sides = np.array([scene.light[0] for scene in scenes])
    assert 0.45 < (sides > 0).mean() < 0.55


def test_a_frontal_scene_is_a_calm_portrait() -> None:
    still = Scene()
    for seed in range(50):
        scene, ordinary = sample_scene(seed, frontal=True), sample_scene(seed)
        for name in ("yaw", "pitch", "roll", "gaze", "shift", "blur", "noise", "quality"):
            assert getattr(scene, name) == getattr(still, name)
        assert scene.background == ordinary.background and np.sign(scene.light[0]) == np.sign(ordinary.light[0])


@pytest.mark.parametrize("factor", FACTORS)
def test_the_face_is_in_the_picture(renderer: FaceRenderer, factor: str) -> None:
    out = []
    for seed in range(30):
        marks = renderer.project(sample_spec(seed, factor=factor))[LANDMARK_VERTICES]
        out.append(((marks < 0) | (marks >= 224)).any(1))
    assert not np.array(out)[:, 17:].any()  # brows, eyes, nose and mouth
    assert np.mean(out) < 0.01


@pytest.mark.parametrize("factor", FACTORS)
def test_every_factor_can_be_drawn(renderer: FaceRenderer, factor: str) -> None:
    for seed in (100, 101):
        spec = sample_spec(seed, factor=factor)
        face = renderer.draw(spec, size=48)
        picture = np.asarray(face.image, float)
        assert face.truth.factor == factor and face.truth.visible.sum() > 30
        assert 20 < picture.mean() < 235 and picture.std() > 15
        assert (spec.expression.second is not None) == (factor == "compound")


def test_attributes_show_in_the_picture(renderer: FaceRenderer) -> None:
    """Of the same person: children have larger eyes, women fuller lips, and another race another skin."""
    for seed in (21, 22, 23):
        eyes = [
            measures(landmarks(renderer, portrait(sample_identity(seed, age=age, gender="female"))))
            for age in (5.0, 30.0)
        ]
        assert eyes[0]["eyes"] > 1.05 * eyes[1]["eyes"]
        assert eyes[1]["upper lip"] - eyes[1]["chin"] > eyes[0]["upper lip"] - eyes[0]["chin"]  # a longer jaw
        lips = [
            measures(landmarks(renderer, portrait(sample_identity(seed, age=30, gender=gender))))["lips"]
            for gender in ("female", "male")
        ]
        assert lips[0] > 1.02 * lips[1]
        skins = [
            cheeks(*drawn(renderer, portrait(sample_identity(seed, age=30, gender="female", race=race)))).mean()
            for race in ("White", "Black")
        ]
        assert skins[0] > 1.15 * skins[1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"race": "Indian"}, "race 'Indian' cannot be drawn; use one of Black, Asian, White"),
        ({"gender": "girl"}, "gender 'girl' .* male, female"),
        ({"age": 0.5}, "nobody of 0.5 years"),
        ({"age": 91}, "nobody of 91.0 years"),
        ({"age": float("nan")}, "nobody of nan years"),
    ],
)
def test_an_unknown_person_is_refused(words: dict, message: str) -> None:
    with pytest.raises(EmoError, match=message):
        sample_identity(1, **words)


def test_unknown_labels_and_factors_are_refused() -> None:
    with pytest.raises(EmoError, match="expression 'bored' cannot be drawn; use one of neutral"):
        sample_spec(1, label="bored")
    for sample in (sample_spec, sample_expression, sample_scene):
        with pytest.raises(EmoError, match="factor 'hard' cannot be drawn; use one of ordinary"):
            sample(1, factor="hard")
    assert isinstance(sample_expression(1), Expression)
