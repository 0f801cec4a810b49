"""Explanations held against exact units: the truth's own words, hand-made answers, and words without a face."""

import random

import pytest
from drawn_truths import CALM, SMILE, SMIRK, faces

from emo_toolkit.data.instructions import OPEN_QUESTIONS
from emo_toolkit.evaluation import QUESTION, score_explanations
from emo_toolkit.prompts import clean_question
from emo_toolkit.schema import UnitScores
from emo_toolkit.synthetic.captions import SHOWS, conversation


@pytest.mark.parametrize("kind", ["image", "video"])
def test_the_truths_own_words_are_right(kind):
    truths, rng = faces(150), random.Random(0)
    captions = [conversation(truth, rng, kind=kind)[0].answer for truth in truths]
    report = score_explanations(captions, truths, [truth.label for truth in truths])
    assert (report.total.precision, report.total.recall, report.total.f1) == (1, 1, 1)
    assert report.total.visible == report.total.claimed == report.total.right > 300
    assert report.f1_interval == (1, 1) and report.contradictions == 0
    assert (report.named, report.agreement) == (1, 1)
    assert report.shuffled_f1 < 0.5  # the words are about their own face
    assert report.shuffled_f1 < report.same_label_f1 < 1


def test_a_general_answer_earns_as_much_on_any_face():
    truths = faces(150)
    report = score_explanations(["The lip corners are pulled up and the lips are parted."] * 150, truths, [None] * 150)
    assert 0 < report.total.f1 < 0.6 and report.shuffled_f1 == pytest.approx(report.total.f1)


def test_what_the_expression_alone_earns():
    """An answer that is the same for all faces of an expression owes nothing to the single face."""
    drawn = faces(150)
    first = {truth.label: truth for truth in reversed(drawn)}
    texts = [" ".join(first[truth.label].action_units) for truth in drawn]
    report = score_explanations(texts, drawn, [None] * 150)
    assert report.same_label_f1 == pytest.approx(report.total.f1, abs=0.03) and report.shuffled_f1 < report.total.f1
    alone = score_explanations(["The lips are parted.", "A smile."], [SMILE, CALM], [None, None])
    assert alone.same_label_f1 == 0  # nobody to be held against


def test_by_hand():
    texts = ["She smiles (AU12), the brows are lowered: happiness.", "L12 and R14. Sadness.", None]
    report = score_explanations(texts, [SMILE, SMIRK, CALM], ["happiness", "contempt", "neutral"])
    assert report.units == {
        "AU4": UnitScores(0, 1, 0, 0, 0, 0),
        "AU6": UnitScores(1, 0, 0, 0, 0, 0),
        "AU12": UnitScores(2, 2, 2, 1, 1, 1),
        "AU14": UnitScores(1, 1, 0, 0, 0, 0),  # the other side
    }
    assert report.total == UnitScores(4, 4, 2, 0.5, 0.5, 0.5)
    assert (report.n, report.named, report.agreement) == (3, pytest.approx(2 / 3), 0.5)


def test_the_total_is_the_sum_of_the_units():
    truths, rng = faces(90), random.Random(1)
    captions = [conversation(truth, rng)[0].answer for truth in truths]
    report = score_explanations(captions[::-1], truths, [truth.label for truth in truths])
    for name in ("visible", "claimed", "right"):
        assert getattr(report.total, name) == sum(getattr(each, name) for each in report.units.values())
    total = report.total
    assert total.precision == pytest.approx(total.right / total.claimed) and 0 < total.f1 < 1
    for name in ("precision", "recall", "f1"):
        low, high = getattr(report, f"{name}_interval")
        assert low < getattr(total, name) < high
    assert report.agreement_interval[0] < report.agreement < report.agreement_interval[1]


def test_denial_of_what_is_seen_is_counted():
    report = score_explanations(["No AU12.", "AU12 is active.", "AU4, but AU4 is absent."], [SMILE] * 3, [None] * 3)
    assert report.contradictions == pytest.approx(2 / 3)


@pytest.mark.parametrize("texts", [[None] * 2, [""] * 2, ["A person."] * 2])
def test_answers_that_say_nothing(texts):
    report = score_explanations(texts, [SMILE, CALM], ["happiness", None])
    assert report.total == UnitScores(2, 0, 0, 0, 0, 0) and set(report.units) == {"AU6", "AU12"}
    assert (report.named, report.agreement, report.shuffled_f1) == (0, 0, 0)
    assert report.agreement_interval == (0, 0)


def test_nothing_to_see_and_nothing_said():
    report = score_explanations(["It is neutral."], [CALM], ["neutral"])
    assert report.units == {} and report.total == UnitScores(0, 0, 0, 0, 0, 0) and report.agreement == 1


def test_the_question_is_one_that_drawn_faces_are_asked_and_raters_are_not():
    assert QUESTION in SHOWS and QUESTION not in OPEN_QUESTIONS
    assert clean_question(QUESTION) == QUESTION


def test_errors():
    for texts, truths, labels in (([], [], []), (["a"], [SMILE], []), (["a"], [SMILE] * 2, [None])):
        with pytest.raises(ValueError, match="need as many of each"):
            score_explanations(texts, truths, labels)
