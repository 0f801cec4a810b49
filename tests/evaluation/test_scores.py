"""Scores against numbers worked out by hand: what counts as wrong, what an absent class does, what intervals hold."""

import json

import numpy as np
import pytest

from emo_toolkit.evaluation import evaluate, to_json
from emo_toolkit.evaluation.scores import table_of
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


def test_precision_and_f1_by_hand():
    truth = ["happiness"] * 6 + ["sadness"] * 3 + ["anger"]
    predicted = [*["happiness"] * 5, "sadness", "sadness", "happiness", None, "contempt"]
    report = score(truth, predicted)
    happy, sad, angry = (report.classes[label] for label in ("happiness", "sadness", "anger"))
    assert (happy.support, happy.predicted, sad.support, sad.predicted) == (6, 6, 3, 2)
    assert (happy.precision, happy.f1) == (pytest.approx(5 / 6), pytest.approx(5 / 6))
    assert (sad.recall, sad.precision, sad.f1) == (pytest.approx(1 / 3), 0.5, pytest.approx(2 / 5))
    assert (angry.recall, angry.precision, angry.f1) == (0, 0, 0)  # never named: precision 0, not left out
    assert report.macro_f1 == pytest.approx((5 / 6 + 2 / 5 + 0) / 3)  # contempt never occurs, so it does not count
    assert report.weighted_f1 == pytest.approx((6 * 5 / 6 + 3 * 2 / 5) / 10)


def test_f1_is_the_harmonic_mean():
    report = score(*drawn(400, 0.5))
    for each in report.classes.values():
        assert each.f1 == pytest.approx(2 * each.precision * each.recall / (each.precision + each.recall))
        for name in ("recall", "precision", "f1"):
            low, high = getattr(each, f"{name}_interval")
            assert 0 <= low < getattr(each, name) < high <= 1
    assert report.macro_f1 == pytest.approx(np.mean([each.f1 for each in report.classes.values()]))


def test_intervals_cover_what_a_large_set_would_show():
    whole = score(*drawn(200_000, 0.6, seed=99))
    hits = dict.fromkeys(("war", "uar", "macro_f1", "weighted_f1"), 0)
    for seed in range(60):
        report = score(*drawn(300, 0.6, seed=seed))
        for name in hits:
            low, high = getattr(report, f"{name}_interval")
            hits[name] += low <= getattr(whole, name) <= high
    assert all(count >= 50 for count in hits.values()), hits  # 95 % of 60 are 57; chance rarely takes 7


def test_the_table_can_be_had_back():
    truth, predicted = drawn(300, 0.4)
    predicted[:40] = [None] * 40
    report = score(truth, predicted)
    table = table_of(report)
    assert table.shape == (4, 5) and table.sum() == 300 and table[:, -1].sum() == report.unparsed == 40
    assert table.sum(1).tolist() == [truth.count(label) for label in LABELS]


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


def test_the_order_of_the_labels_changes_nothing():
    truth, predicted = drawn(60, 0.5)
    one = evaluate(truth, predicted, labels=LABELS, dataset="made", split="test")
    other = evaluate(truth, predicted, labels=(*LABELS[::-1], "awe"), dataset="made", split="test")
    for name in ("war", "uar", "macro_f1", "weighted_f1"):
        for part in (name, f"{name}_interval"):
            assert getattr(one, part) == pytest.approx(getattr(other, part), abs=1e-12)
    assert one.classes["anger"].f1_interval == pytest.approx(other.classes["anger"].f1_interval, abs=1e-12)
    assert (one.confusion[::-1, ::-1] == other.confusion[:4, :4]).all()


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
    assert {"macro_f1", "weighted_f1", "macro_f1_interval_95", "weighted_f1_interval_95"} <= values.keys()
    assert values["classes"]["sadness"] == {
        **{"support": 1, "predicted": 0, "recall": 0, "precision": 0, "f1": 0},
        **dict.fromkeys(("recall_interval_95", "precision_interval_95", "f1_interval_95"), [0, 0]),
    }
