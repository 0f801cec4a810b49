"""Each action unit moves what FACS says it moves: that way, on that side, in step with its intensity, on anybody."""

from dataclasses import replace

import numpy as np
import pytest
from portraits import GIRL, MAN, PEOPLE, WOMAN, landmarks, measures, portrait

from emo_toolkit.errors import EmoError
from emo_toolkit.synthetic import FaceRenderer, Identity, sample_identity
from emo_toolkit.synthetic.action_units import ACTION_UNITS
from emo_toolkit.synthetic.head import FACE_UNITS, Head, face_unit_weights, macro_weights
from emo_toolkit.synthetic.landmarks import LANDMARK_VERTICES
from emo_toolkit.synthetic.specs import RENDERED_RACES

# What changes at full intensity, in eye spans: at least so much (about a third of what it is), and which way.
EFFECTS: dict[str, dict[str, float]] = {
    "AU1": {"inner brows": 0.04},
    "AU2": {"outer brows": 0.015},
    "AU4": {"inner brows": -0.05, "outer brows": -0.025, "brow gap": -0.05},
    "AU5": {"eyes": 0.015},
    "AU6": {"eyes": -0.01, "cheeks": 0.04},
    "AU7": {"eyes": -0.012},
    "AU9": {"inner brows": -0.025, "nostrils": 0.02},
    "AU10": {"upper lip": 0.02, "opening": 0.02, "nostrils": 0.01},
    "AU12": {"corners": 0.05, "width": 0.05, "cheeks": 0.02},
    "AU14": {"width": 0.045},
    "AU15": {"corners": -0.03},
    "AU16": {"lower lip": -0.018, "opening": 0.02},
    "AU17": {"lower lip": 0.025},
    "AU18": {"width": -0.035},
    "AU20": {"width": 0.06},
    "AU21": {"corners": -0.02, "neck": 0.02},
    "AU22": {"opening": 0.05, "width": -0.025},
    "AU23": {"lips": -0.007, "opening": -0.01},
    "AU24": {"lips": -0.012, "opening": -0.015},
    "AU25": {"opening": 0.03},
    "AU26": {"opening": 0.06, "chin": -0.04},
    "AU27": {"opening": 0.12, "chin": -0.08},
    "AU28": {"lips": -0.025},
    "AU34": {"puff": 0.02},
    "AU38": {"nostrils": 0.005},
    "AU43": {"eyes": -0.04},
}
MOUTH, BROWS_AND_EYES = range(48, 68), [*range(17, 27), *range(36, 48)]
UPPER_FACE, LOWER_FACE = ("AU1", "AU2", "AU4", "AU5", "AU6", "AU7", "AU43"), [f"AU{n}" for n in (*range(14, 29), 12)]
MIRROR = {48: 54, 36: 45, 17: 26, 21: 22}  # landmarks of the person's right side -> left side
SIDED = [code for code, units in FACE_UNITS.items() if all("*" in unit for unit, _ in units)]


@pytest.fixture(scope="module")
def head(renderer: FaceRenderer) -> Head:
    return Head(renderer.pack)


def motion(renderer: FaceRenderer, person: Identity, units: dict[str, float]) -> tuple[np.ndarray, np.ndarray]:
    """Where each point of the skin is at rest and how far the units move it, in eye spans, y up."""
    rest, moved = (renderer.project(portrait(person, codes)).astype(np.float64) for codes in ({}, units))
    span = np.linalg.norm(rest[LANDMARK_VERTICES[36]] - rest[LANDMARK_VERTICES[45]])
    return rest / span * (1, -1), (moved - rest) / span * (1, -1)


def changes(renderer: FaceRenderer, person: Identity, units: dict[str, float]) -> dict[str, float]:
    """How much each measure changes, with three of the skin where there are no landmarks."""
    rest, moved = motion(renderer, person, units)
    marks, shifts = rest[LANDMARK_VERTICES], moved[LANDMARK_VERTICES]
    before, after = measures(marks), measures(marks + shifts)
    below_eyes = [0.65 * marks[eye] + 0.35 * marks[corner] for eye, corner in ((36, 48), (45, 54))]
    rise = [moved[np.linalg.norm(rest - place, axis=1) < 0.12, 1].max() for place in below_eyes]
    beside_mouth = (rest[:, 1] < marks[33, 1]) & (rest[:, 1] > marks[8, 1])
    outwards = moved[:, 0] * np.sign(rest[:, 0] - marks[8, 0])
    skin = {
        "cheeks": min(rise),
        "puff": outwards[beside_mouth].max(),
        "neck": np.linalg.norm(moved[rest[:, 1] < marks[8, 1] - 0.1], axis=1).max(),
    }
    return {name: after[name] - before[name] for name in before} | skin


def test_every_action_unit_can_be_done_on_anybody(renderer: FaceRenderer) -> None:
    assert set(FACE_UNITS) == set(ACTION_UNITS) == set(EFFECTS)
    for race in RENDERED_RACES:
        person = sample_identity(0, race=race)
        for code in ACTION_UNITS:
            for one in (code, f"L{code[2:]}", f"R{code[2:]}"):
                weights = face_unit_weights(person, {one: 1.0})
                assert weights and set(weights) <= set(renderer.pack.targets)


@pytest.mark.parametrize("code", EFFECTS)
def test_a_unit_moves_what_facs_says(renderer: FaceRenderer, code: str) -> None:
    for person in PEOPLE:
        found = changes(renderer, person, {code: 1.0})
        for name, least in EFFECTS[code].items():
            assert found[name] * np.sign(least) > abs(least), f"{code} changes {name} of {person.id} by {found[name]}"


@pytest.mark.parametrize("code", EFFECTS)
def test_more_of_a_unit_is_more_of_its_change(renderer: FaceRenderer, code: str) -> None:
    steps = [changes(renderer, WOMAN, {code: intensity}) for intensity in (0.0, 0.3, 0.6, 1.0)]
    for name, least in EFFECTS[code].items():
        values = [step[name] * np.sign(least) for step in steps]
        assert values[0] == 0 and (np.diff(values) > 0).all(), (name, values)


def test_a_unit_stays_in_its_half_of_the_face(renderer: FaceRenderer) -> None:
    for person in (MAN, GIRL):
        for codes, quiet in ((UPPER_FACE, MOUTH), (LOWER_FACE, BROWS_AND_EYES)):
            for code in set(codes) & set(FACE_UNITS):
                _, moved = motion(renderer, person, {code: 1.0})
                far = np.linalg.norm(moved[LANDMARK_VERTICES[list(quiet)]], axis=1).max()
                assert far < 0.02, f"{code} moves what it should leave by {far}"


def test_the_mouth_opens_wider_and_wider(renderer: FaceRenderer) -> None:
    for person in PEOPLE:
        rest = measures(landmarks(renderer, portrait(person)))["opening"]
        opens = [changes(renderer, person, {code: 1.0})["opening"] for code in ("AU25", "AU26", "AU27")]
        assert rest < 0.05 and 0 < 1.5 * opens[0] < opens[1] and 1.5 * opens[1] < opens[2]


def test_a_shut_eye_is_shut(renderer: FaceRenderer) -> None:
    for person in PEOPLE:
        rest, shut = (measures(landmarks(renderer, portrait(person, units)))["eyes"] for units in ({}, {"AU43": 1.0}))
        assert rest > 0.05 and shut < 0.25 * rest


@pytest.mark.parametrize("code", SIDED)
def test_one_side_moves_alone_and_the_sides_mirror_each_other(renderer: FaceRenderer, code: str) -> None:
    along = 0.45 if code == "AU16" else 0.15  # the lower lip takes its other half along
    for person in (WOMAN, MAN):
        sizes = {}
        for letter, sign in (("L", 1), ("R", -1)):  # the person's left is on the viewer's right
            rest, moved = motion(renderer, person, {letter + code[2:]: 1.0})
            side = sign * (rest[:, 0] - rest[LANDMARK_VERTICES[27], 0])
            length = np.linalg.norm(moved, axis=1)
            sizes[letter] = length.sum()
            assert length.max() > 0.004 and length[side < 0].sum() < along * sizes[letter]
        assert sizes["L"] == pytest.approx(sizes["R"], rel=0.05)


def test_both_sides_are_the_sum_of_the_sides(renderer: FaceRenderer) -> None:
    for code in FACE_UNITS:
        sides = {f"{letter}{code[2:]}": 0.7 for letter in "LR"}
        assert face_unit_weights(MAN, sides) == pytest.approx(face_unit_weights(MAN, {code: 0.7}))
    assert face_unit_weights(MAN, {"AU12": 1.0, "L12": 1.0}) == face_unit_weights(MAN, {"AU12": 1.0})
    smirk = changes(renderer, MAN, {"L12": 1.0})
    assert smirk["left corner"] > 0.05 > 0.01 > abs(smirk["right corner"])
    wink = changes(renderer, MAN, {"R43": 1.0})
    assert wink["right eye"] < -0.04 < -0.005 < wink["left eye"]


def test_grief_lifts_the_inner_brows_and_draws_them_together(renderer: FaceRenderer) -> None:
    for person in PEOPLE:
        grief = changes(renderer, person, {"AU1": 1.0, "AU4": 1.0})
        assert grief["inner brows"] > 0.01 and grief["brow gap"] < -0.02


def test_a_small_head_moves_by_its_own_measure(renderer: FaceRenderer, head: Head) -> None:
    neutral = {person.id: head.neutral(person) for person in (GIRL, MAN)}
    scales = {person: float(head.scale(points)) for person, points in neutral.items()}
    assert scales[GIRL.id] < 0.95 * scales[MAN.id]
    for person in (GIRL, MAN):
        jump = head.moved(person, {"AU27": 1.0}, neutral[person.id]) - neutral[person.id]
        assert np.abs(jump).max() / scales[person.id] == pytest.approx(
            np.abs(renderer.pack.blend(face_unit_weights(person, {"AU27": 1.0}))).max(), rel=1e-4
        )
    one, two = (changes(renderer, person, {"AU12": 1.0})["corners"] for person in (GIRL, MAN))
    assert one == pytest.approx(two, rel=0.3)


def test_a_head_grows_up_evenly(head: Head) -> None:
    person = sample_identity(5, gender="female", race="White")
    ages = np.arange(1, 91, 1.0)
    heads = np.stack([head.neutral(replace(person, age=age)) for age in ages])
    skin = heads[:, : head.pack.skin_vertices]
    skin = skin - skin.mean(1, keepdims=True)
    years = np.linalg.norm(np.diff(skin, axis=0), axis=-1).max(1)  # decimetres: farthest that a point goes in a year
    assert years.max() < 0.25 and years.min() > 1e-3
    scales = [float(head.scale(points)) for points in heads]
    assert (np.diff(scales[:24]) > 0).all() and scales[24] / scales[0] > 1.2


def test_macro_shares_are_whole() -> None:
    for person in (*PEOPLE, sample_identity(9, age=1), sample_identity(9, age=90)):
        weights = macro_weights(person)
        for kind in ("universal", "african", "asian", "caucasian"):
            share = sum(value for name, value in weights.items() if name.startswith(f"macro/{kind}-"))
            expected = {"african": "Black", "asian": "Asian", "caucasian": "White"}.get(kind)
            assert share == pytest.approx(person.mix[expected] if expected else 1)
        assert all(f"-{person.gender}-" in name for name in weights)


def test_eyeballs_sit_behind_the_lids(head: Head) -> None:
    for person in PEOPLE:
        neutral = head.neutral(person)
        centres, radii = head.eyes(neutral)
        assert centres[0, 0] > 0.15 > -0.15 > centres[1, 0]  # the person's left first
        assert radii[0] == pytest.approx(radii[1], rel=0.05)
        marks = head.pack.subdivide(neutral)[LANDMARK_VERTICES]
        for centre, radius, lids in ((centres[0], radii[0], marks[42:48]), (centres[1], radii[1], marks[36:42])):
            away = np.linalg.norm(lids - centre, axis=1) / radius
            assert away.min() > 0.75 and away.max() < 1.4


@pytest.mark.parametrize("units", [{"AU99": 1.0}, {"smile": 0.5}, {"L99": 0.5}, {"": 0.1}, {"AU012": 1.0}])
def test_an_unknown_unit_is_refused(renderer: FaceRenderer, units: dict[str, float]) -> None:
    with pytest.raises(EmoError, match="no action unit drawn here"):
        renderer.draw(portrait(MAN, units), size=16)


@pytest.mark.parametrize("intensity", [-0.1, 1.01, 1e9, float("nan"), float("inf")])
def test_an_intensity_beyond_the_scale_is_refused(renderer: FaceRenderer, intensity: float) -> None:
    with pytest.raises(EmoError, match="the intensity of AU12 is .* 0..1"):
        renderer.draw(portrait(MAN, {"AU12": intensity}), size=16)


def test_nothing_moves_without_units(renderer: FaceRenderer) -> None:
    for units in ({}, {"AU12": 0.0}, dict.fromkeys(FACE_UNITS, 0.0)):
        assert not motion(renderer, WOMAN, units)[1].any()
