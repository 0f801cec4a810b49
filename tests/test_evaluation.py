"""Scores against numbers worked out by hand: what counts as wrong, what an absent class does, what intervals hold."""

import json

import numpy as np
import pytest

from emo_toolkit.evaluation import evaluate, to_json
from emo_toolkit.schema import EvalReport

LABELS = ("happiness", "sadness", "anger", "contempt")


def score(truth: list[str], predicted: list[str | None], **more: object) -> EvalReport:
    return evaluate(truth, predicted, labels=LABELS, dataset="made", split="test", **more)


def drawn(count: int, accuracy: float, seed: int = 0) -> tuple[list[str], list[str]]:
    """Random truth, and answers that are right with probability `accuracy`."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(LABELS, count, p=[0.6, 0.2, 0.15, 0.05])
    right = rng.random(count) < accuracy
    return truth.tolist(), np.where(right, truth, rng.choice(LABELS, count)).tolist()


def test_by_hand():
    truth = ["happiness"] * 6 + ["sadness"] * 3 + ["anger"]
    predicted = [*["happiness"] * 5, "sadness", "sadness", "happiness", None, "anger"]
    report = score(truth, predicted, no_face=1)
    assert report.war == pytest.approx(7 / 10)
    assert report.uar == pytest.approx((5 / 6 + 1 / 3 + 1) / 3)  # contempt never occurs, so it does not count
    assert report.recalls == pytest.approx({"happiness": 5 / 6, "sadness": 1 / 3, "anger": 1.0})
    assert report.confusion.tolist() == [[5, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    assert (report.n, report.unparsed, report.no_face) == (10, 1, 1)


def test_against_the_usual_formulas():
    truth, predicted = drawn(500, 0.6)
    report = score(truth, predicted)
    real, said = np.array(truth), np.array(predicted)
    recalls = [(said[real == label] == label).mean() for label in LABELS]
    assert report.war == pytest.approx((real == said).mean()) and report.uar == pytest.approx(np.mean(recalls))
    assert report.war == pytest.approx(np.average(recalls, weights=[(real == label).sum() for label in LABELS]))
    assert report.confusion.sum() == 500 and report.confusion.sum(1).tolist() == [(real == x).sum() for x in LABELS]


@pytest.mark.parametrize("answer", [None, "joy", ""])
def test_an_answer_without_a_label_is_wrong(answer):
    report = score(["happiness", "sadness"], ["happiness", answer])
    assert report.war == report.uar == 0.5 and report.unparsed == 1 and report.confusion.sum() == 1


def test_a_class_that_is_only_predicted_has_no_recall():
    report = score(["happiness", "happiness"], ["happiness", "contempt"])
    assert report.uar == report.war == 0.5 and "contempt" not in report.recalls


def test_perfect_and_hopeless():
    perfect = score(list(LABELS), list(LABELS))
    assert perfect.war == perfect.uar == 1 and perfect.war_interval == perfect.uar_interval == (1.0, 1.0)
    hopeless = score(["anger"], [None])
    assert hopeless.war == hopeless.uar == 0 and hopeless.war_interval == (0.0, 0.0)


def test_intervals_hold_the_estimate_and_shrink():
    widths = []
    for count in (100, 1600):
        report = score(*drawn(count, 0.7))
        for value, (low, high) in ((report.war, report.war_interval), (report.uar, report.uar_interval)):
            assert 0 <= low < value < high <= 1
        widths.append(np.subtract(*report.war_interval[::-1]))
    assert widths[0] / widths[1] == pytest.approx(4, rel=0.2)  # with the root of n
    assert widths[1] == pytest.approx(2 * 1.96 * np.sqrt(report.war * (1 - report.war) / 1600), rel=0.1)


def test_the_same_seed_gives_the_same_interval():
    truth, predicted = drawn(60, 0.5)
    assert score(truth, predicted).uar_interval == score(truth, predicted).uar_interval
    assert score(truth, predicted).uar_interval != score(truth, predicted, seed=1).uar_interval


@pytest.mark.parametrize(
    ("truth", "predicted", "message"),
    [
        ([], [], "0 true labels for 0 predictions"),
        (["anger"], [], "1 true labels for 0 predictions"),
        (["anger", "joy", "rage"], ["anger"] * 3, r"true labels \['joy', 'rage'\] are not among"),
    ],
)
def test_errors(truth, predicted, message):
    with pytest.raises(ValueError, match=message):
        score(truth, predicted)


def test_the_report_is_plain_json():
    values = to_json(score(["happiness", "sadness"], ["happiness", None]))
    assert json.loads(json.dumps(values)) == values
    assert {"war", "uar", "n", "war_interval_95", "uar_interval_95", "recalls", "confusion"} <= values.keys()
