"""What is written about a face is true of it, complete, grammatical and rarely the same twice."""

import random
import re

import pytest
from random_truths import random_truth, truth_of, visible

from emo_toolkit.labels import LABELS, parse_label
from emo_toolkit.synthetic.captions import ABSENT, SHOWS, UNITS, WHY, conversation
from emo_toolkit.synthetic.scoring import score_text

MANY = 400
SMILE = truth_of("happiness", {"AU12": 0.8, "AU25": 0.5}, yaw=25)
PERSONAL = re.compile(
    r"\b(feels?|feeling|wom[ae]n|m[ae]n|girl|boy|female|male|black|white|asian|indian|race|aged?|years?|old|young|"
    r"he|she|his|her|hers)\b"
)
MANY_PARTS = "brows|eyebrows|lids|eyelids|eyes|cheeks|nostrils|lips|corners|ends"
DISAGREES = re.compile(
    rf"\b({MANY_PARTS})( of the \w+)? is\b|(?<!of )\bthe (nose|jaw|mouth|chin|neck|upper lip|lower lip) are\b"
    rf"|\b(left|right) (\w+ )?({MANY_PARTS})\b"
)


def drawn(seed: int):
    rng = random.Random(seed)
    truth, kind = random_truth(rng), rng.choice(("image", "video"))
    return truth, kind, conversation(truth, rng, kind=kind)


def text_of(turns) -> str:
    return " ".join(turn.answer for turn in turns)


@pytest.mark.parametrize("start", range(0, MANY, 50))
def test_every_answer_is_true_and_the_first_is_complete(start):
    for seed in range(start, start + 50):
        truth, _, turns = drawn(seed)
        for turn in turns:
            score = score_text(turn.answer, truth)
            assert score.precision == 1 and not score.contradictions, (turn, truth.action_units)
            assert score.label_agrees or score.label is None, turn
        first = score_text(turns[0].answer, truth)
        assert first.recall == 1 and first.f1 == 1 and first.label_agrees, (turns[0], truth.action_units)
        assert parse_label(text_of(turns), LABELS["ferplus"]) in (truth.label, truth.second)


def test_a_caption_of_another_face_scores_lower():
    faces = [drawn(seed) for seed in range(MANY)]
    pairs = [(a, b) for a, b in zip(faces, faces[1:], strict=False) if visible(a[0]) != visible(b[0])]
    assert len(pairs) > MANY / 2
    for (truth, _, own), (_, _, other) in pairs:
        assert score_text(text_of(other), truth).f1 < score_text(text_of(own), truth).f1 == 1


def test_a_face_that_changed_is_noticed():
    for seed in range(MANY):
        truth, _, turns = drawn(seed)
        units = truth.action_units
        strong = [code for code, value in units.items() if value > 0.3 and code.startswith("AU")]
        if {"AU6", "AU7"} <= units.keys():  # "the eyes are narrowed" is right of either
            strong = [code for code in strong if code not in ("AU6", "AU7")]
        if strong:
            less = truth_of(truth.label, {code: v for code, v in units.items() if code != strong[0]})
            if visible(less) != visible(truth):
                assert score_text(turns[0].answer, less).precision < 1
        spare = next(code for code in ("AU22", "AU16", "AU7") if code not in units)
        assert score_text(turns[0].answer, truth_of(truth.label, {**units, spare: 0.5})).recall < 1


@pytest.mark.parametrize("start", range(0, MANY, 100))
def test_the_english_is_clean(start):
    for seed in range(start, start + 100):
        for turn in drawn(seed)[2]:
            for text in (turn.question, turn.answer):
                assert text == text.strip() and text[0].isupper() and text[-1] in ".?"
                assert not re.search(r"  |[{}\[\]_]| [.,;)]|\( |\.\.|,\.|None|\ba [aeiou]|\ban [^aeiou]", text), text
                assert text.count("(") == text.count(")")
            for sentence in re.split(r"(?<=[.?]) ", turn.answer):
                assert sentence[0].isupper() and sentence.endswith("."), turn
            assert not DISAGREES.search(turn.answer), turn
            assert not PERSONAL.search(turn.answer.lower()), turn


def test_texts_vary_and_repeat_with_the_seed():
    told = [conversation(SMILE, random.Random(seed)) for seed in range(1000)]
    assert len({text_of(turns) for turns in told}) > 700
    assert len({turns[0].answer for turns in told}) > 700
    assert told[7] == conversation(SMILE, random.Random(7))
    assert {len(turns) for turns in told} == {1, 2, 3}
    asked = {turn.question for turns in told for turn in turns}
    assert len(asked) == len(SHOWS + UNITS + ABSENT + WHY)


def test_a_smile_without_raised_cheeks_is_not_called_duchenne():
    said = [text_of(conversation(SMILE, random.Random(seed))) for seed in range(300)]
    duchenne = [text for text in said if "Duchenne" in text]
    assert duchenne and all("not a Duchenne smile" in text for text in duchenne)
    felt = truth_of("happiness", {"AU6": 0.8, "AU12": 0.8})
    said = [text_of(conversation(felt, random.Random(seed))) for seed in range(300)]
    assert any("in a Duchenne smile" in text for text in said) and not any("not a Duchenne" in text for text in said)


@pytest.mark.parametrize(("code", "side", "other"), [("L14", "left", "right"), ("R14", "right", "left")])
def test_one_side_is_named_as_the_persons_own(code, side, other):
    truth = truth_of("contempt", {code: 0.8})
    for seed in range(100):
        first = conversation(truth, random.Random(seed))[0].answer
        assert f"person's {side}" in first and f"person's {other}" not in first


def test_a_movement_with_a_trace_on_the_other_side_is_not_called_one_sided():
    for units, expected in (({"L14": 0.8}, True), ({"L14": 0.8, "R14": 0.1}, False)):
        said = [text_of(conversation(truth_of("contempt", units), random.Random(seed))) for seed in range(100)]
        assert any("one-sided" in text for text in said) is expected


def test_a_neutral_face_claims_nothing():
    truth = truth_of("neutral", {})
    for seed in range(200):
        for turn in conversation(truth, random.Random(seed)):
            score = score_text(turn.answer, truth)
            assert score.present == () and score.label == "neutral"


def test_an_expression_too_weak_to_see_is_said_to_be_weak():
    truth = truth_of("anger", {"AU4": 0.1, "AU7": 0.05})
    said = [conversation(truth, random.Random(seed))[0].answer for seed in range(200)]
    assert all(score_text(text, truth).present == () and "ang" in text for text in said)
    assert not any(re.search("strong (blend|impression|expression)|intense|clear|moderate", text) for text in said)


def test_a_compound_names_both_labels():
    truth = truth_of("happiness", {"AU1": 0.8, "AU2": 0.8, "AU12": 0.8, "AU25": 0.8}, second="surprise")
    for seed in range(100):
        first = conversation(truth, random.Random(seed))[0].answer
        assert "happiness" in first and "surprise" in first


def test_intensity_is_told():
    weak, strong = (truth_of("happiness", {"AU6": v, "AU12": v}) for v in (0.2, 0.95))
    tell_weak = re.compile("slight|a little|faint|AU12B|level B")
    tell_strong = re.compile("fully|very|maximum|AU12E|level E")
    for truth, right, wrong in ((weak, tell_weak, tell_strong), (strong, tell_strong, tell_weak)):
        turns = [turn for seed in range(200) for turn in conversation(truth, random.Random(seed))]
        assert not any(wrong.search(turn.answer) for turn in turns)
        asked = [turn for turn in turns if turn.question in UNITS]  # the questions that ask for it
        assert len(asked) > 20 and all(right.search(turn.answer) for turn in asked)


@pytest.mark.parametrize(
    ("yaw", "pitch", "words"),
    [
        (25, 0, "turned to the viewer's right"),
        (-35, 0, "turned far to the viewer's left"),
        (12, 0, "turned slightly to the viewer's right"),
        (0, 22, "tilted up"),
        (0, -15, "tilted slightly down"),
    ],
)
def test_head_pose(yaw, pitch, words):
    turned = truth_of("fear", {"AU1": 1.0}, yaw=yaw, pitch=pitch)
    said = [conversation(turned, random.Random(seed))[0].answer for seed in range(60)]
    assert 10 < sum(f"The head is {words}." in text for text in said) < 50
    assert all(words in text for text in said if "head" in text)
    ahead = truth_of("fear", {"AU1": 1.0}, yaw=5, pitch=-5)
    assert not any("head" in conversation(ahead, random.Random(seed))[0].answer for seed in range(60))


def test_a_clip_has_an_apex_and_an_image_has_none():
    moves = re.compile("onset|apex|peak|strongest frame|fades|returns to where it began")
    for seed in range(100):
        for kind, expected in (("video", True), ("image", False)):
            turns = conversation(SMILE, random.Random(seed), kind=kind)
            assert bool(moves.search(turns[0].answer)) is expected
            wrong = "image" if kind == "video" else "video"
            assert not any(wrong in turn.question + turn.answer for turn in turns)
