"""Precision, recall, label agreement and contradictions of a text about a known face."""

import pytest
from random_truths import truth_of

from emo_toolkit.synthetic.action_units import VISIBLE_FROM
from emo_toolkit.synthetic.scoring import TextScore, score_text

SMILE = truth_of("happiness", {"AU6": 0.8, "AU12": 0.9})
SURPRISE = truth_of("surprise", {"AU1": 1.0, "AU2": 1.0, "AU5": 0.9, "AU25": 0.5, "AU27": 0.8})
SMIRK = truth_of("contempt", {"L12": 0.5, "L14": 0.8})
NEUTRAL = truth_of("neutral", {})


def test_a_whole_score():
    text = "She smiles (AU12) and the brows are lowered. The cheeks are not raised. This is happiness."
    assert score_text(text, SMILE) == TextScore(
        present=("AU4", "AU12"),
        absent=("AU6",),
        precision=0.5,
        recall=0.5,
        f1=0.5,
        label="happiness",
        label_agrees=True,
        contradictions=("AU6",),
    )


@pytest.mark.parametrize(
    ("text", "truth", "precision", "recall"),
    [
        ("AU6 and AU12.", SMILE, 1, 1),
        ("AU12.", SMILE, 1, 0.5),
        ("AU12 and AU4.", SMILE, 0.5, 0.5),
        ("AU12 is absent.", SMILE, 1, 0),
        ("AU99 and AU12.", SMILE, 0.5, 0.5),
        ("The brows shoot up, the eyes are wide and the mouth is open.", SURPRISE, 1, 0.8),
        ("The mouth is wide open.", SURPRISE, 1, 0.2),
        ("The left mouth corner is pulled up and tightened.", SMIRK, 1, 1),
        ("The mouth corners are pulled up and tightened.", SMIRK, 1, 1),
        ("The right mouth corner is pulled up and tightened.", SMIRK, 0, 0),
        ("L12 and R14.", SMIRK, 0.5, 0.5),
        ("The right lip corner is pulled up.", SMILE, 1, 0.5),
        ("No movement at all.", NEUTRAL, 1, 1),
        ("AU4.", NEUTRAL, 0, 1),
        ("", SMILE, 1, 0),
    ],
)
def test_precision_and_recall(text, truth, precision, recall):
    score = score_text(text, truth)
    assert (score.precision, score.recall) == (pytest.approx(precision), pytest.approx(recall))
    both = precision + recall
    assert score.f1 == pytest.approx(2 * precision * recall / both if both else 0)


@pytest.mark.parametrize(
    ("text", "truth", "contradictions"),
    [
        ("No AU12.", SMILE, ("AU12",)),
        ("The cheeks and the lips are relaxed.", SMILE, ("AU6",)),
        ("AU4 is active. AU4 is absent.", SMILE, ("AU4",)),
        ("The mouth is closed.", SURPRISE, ("AU25", "AU27")),
        ("R12 and R14 are absent.", SMIRK, ()),
        ("AU14 is absent.", SMIRK, ("AU14",)),
        ("No AU4, no AU9 and no AU15.", SMILE, ()),
    ],
)
def test_contradictions(text, truth, contradictions):
    assert score_text(text, truth).contradictions == contradictions


@pytest.mark.parametrize(
    ("text", "label", "agrees"),
    [
        ("Joy.", "happiness", True),
        ("It is not sadness but happiness.", "happiness", True),
        ("It is sadness, hardly happiness.", "sadness", False),
        ("Surprised.", "surprise", True),
        ("AU12", None, False),
        ("not happy", None, False),
    ],
)
def test_labels_agree_with_either_of_a_compound(text, label, agrees):
    score = score_text(text, truth_of("happiness", {"AU12": 0.5}, second="surprise"))
    assert (score.label, score.label_agrees) == (label, agrees)


def test_a_trace_is_not_there():
    for value, there in ((VISIBLE_FROM, True), (VISIBLE_FROM - 1e-6, False)):
        truth = truth_of("happiness", {"AU12": value})
        assert score_text("AU12", truth).precision == there
        assert bool(score_text("no AU12", truth).contradictions) is there


@pytest.mark.parametrize("text", [None, "", "\n\n", "嘴角上扬", "Les sourcils sont froncés.", "🙂" * 1000])
def test_nothing_said_scores_nothing(text):
    score = score_text(text, SMILE)
    assert (score.present, score.absent, score.recall, score.f1, score.label) == ((), (), 0, 0, None)


def test_a_book_is_scored():
    text = "The cheeks are raised and the lip corners are pulled up, without lowered brows. " * 2_600
    score = score_text(text, SMILE)
    assert score.f1 == 1 and score.absent == ("AU4",)
