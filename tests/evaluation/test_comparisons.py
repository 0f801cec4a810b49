"""Groups, folds and pairs of runs: against plain arithmetic, against simulation, and what is refused."""

import json

import numpy as np
import pytest

from emo_toolkit.errors import EmoError
from emo_toolkit.evaluation import by_group, evaluate, join_folds, paired_difference, to_json
from emo_toolkit.schema import EvalReport

LABELS = ("happiness", "sadness", "anger")
SHARES = (0.6, 0.3, 0.1)


def rows_of(rng: np.random.Generator, count: int, accuracy: float, **groups: str | None) -> list[dict]:
    """Answers that are right with probability `accuracy`, never by luck."""
    truth = rng.choice(LABELS, count, p=SHARES)
    right = rng.random(count) < accuracy
    return [
        {"id": f"set/{at}", "truth": str(label), "label": str(label) if hit else None, "groups": groups}
        for at, (label, hit) in enumerate(zip(truth, right, strict=True))
    ]


def answered(rows: list[dict], rng: np.random.Generator, accuracy: float) -> list[dict]:
    """The same samples, answered by another run."""
    return [row | {"label": row["truth"] if rng.random() < accuracy else "disgust"} for row in rows]


def report(rows: list[dict], **more: object) -> EvalReport:
    named = {"labels": LABELS, "dataset": "dfew", "split": "test"} | more
    return evaluate([row["truth"] for row in rows], [row["label"] for row in rows], **named)


def fold(number: int, count: int = 60, accuracy: float = 0.5, **more: object) -> EvalReport:
    return report(rows_of(np.random.default_rng(number), count, accuracy), fold=number, **more)


# Two runs


def test_a_run_does_not_differ_from_itself():
    rows = rows_of(np.random.default_rng(0), 90, 0.6)
    apart = paired_difference(rows, rows[::-1])
    assert (apart.n, apart.war, apart.uar, apart.only_first, apart.only_second) == (90, 0, 0, 0, 0)
    assert apart.war_interval == apart.uar_interval == (0, 0)


def test_the_difference_is_that_of_the_scores():
    rng = np.random.default_rng(1)
    one = rows_of(rng, 400, 0.7)
    two = answered(one, rng, 0.5)
    apart, back = paired_difference(one, two), paired_difference(two, one)
    assert apart.war == pytest.approx(report(one).war - report(two).war)
    assert apart.uar == pytest.approx(report(one).uar - report(two).uar)
    assert (back.war, back.only_first) == (pytest.approx(-apart.war), apart.only_second)
    assert 400 * apart.war == pytest.approx(apart.only_first - apart.only_second)
    assert apart.war_interval[0] > 0  # 20 points over 400 samples are no chance


def test_pairing_narrows_the_interval():
    rng = np.random.default_rng(2)
    one = rows_of(rng, 500, 0.6)
    two = [row if rng.random() < 0.95 else row | {"label": None} for row in one]  # the same but for a few
    low, high = paired_difference(one, two).war_interval
    below, above = report(one).war_interval
    assert low > 0 and high - low < 0.5 * (above - below)


def test_the_paired_interval_covers_the_true_difference():
    hits = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        one = rows_of(rng, 200, 0.7)
        low, high = paired_difference(one, answered(one, rng, 0.6)).war_interval
        hits += low <= 0.1 <= high
    assert hits >= 50  # 95 % of 60 are 57


def test_rows_that_are_no_pairs():
    rows = rows_of(np.random.default_rng(3), 6, 0.5)
    other = rows[0] | {"truth": "anger" if rows[0]["truth"] != "anger" else "sadness"}
    for second, message in (
        (rows[:4], r"2 only in the first \(set/4, set/5\)"),
        ([*rows, rows[0] | {"id": "set/new"}], r"1 only in the second \(set/new\)"),
        ([*rows, rows[2]], "the second run has 7 rows of 6 samples; set/2 is there more than once"),
        ([other, *rows[1:]], f"set/0 is '{rows[0]['truth']}' in the first run and '{other['truth']}' in the second"),
    ):
        with pytest.raises(EmoError, match=message):
            paired_difference(rows, second)
    with pytest.raises(EmoError, match="no rows"):
        paired_difference([], [])


# Groups


def test_each_group_is_scored_on_its_own():
    rng = np.random.default_rng(4)
    parts = {name: rows_of(rng, count, 0.6, age=name) for name, count in (("10-19", 40), ("3-9", 70), (None, 15))}
    found = by_group([row for rows in parts.values() for row in rows], "age")
    assert [(group.name, group.n) for group in found.groups] == [("3-9", 70), ("10-19", 40)]  # by age
    assert (found.left_out, found.origin) == (15, "exact")
    for group in found.groups:
        alone = report(parts[group.name])
        assert (group.war, group.uar) == (pytest.approx(alone.war), pytest.approx(alone.uar))
        assert group.war_interval == pytest.approx(alone.war_interval, abs=0.02)
        assert group.uar_interval == pytest.approx(alone.uar_interval, abs=0.04)
    assert json.loads(json.dumps(to_json(found)))["groups"][0]["name"] == "3-9"


def test_a_large_gap_is_found():
    rng = np.random.default_rng(5)
    rows = [*rows_of(rng, 300, 0.8, race="a"), *rows_of(rng, 300, 0.5, race="b"), *rows_of(rng, 300, 0.65, race="c")]
    found = by_group(rows, "race")
    gap, scores = found.war_gap, {group.name: group.war for group in found.groups}
    assert (gap.best, gap.worst, gap.size) == ("a", "b", pytest.approx(scores["a"] - scores["b"]))
    assert gap.chance < 0.15 < gap.interval[0] < gap.size < gap.interval[1] < 0.45


def test_gaps_of_equal_groups_stay_below_chance():
    beyond = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        rows = [row for name in "abcd" for row in rows_of(rng, 80, 0.6, race=name)]
        gap = by_group(rows, "race").war_gap
        beyond += gap.size > gap.chance
    assert beyond <= 10  # 5 % of 60 are 3


def test_an_easier_mix_of_expressions_is_no_gap():
    """Both groups are read equally well; one has more of the expression that is easy."""
    easy = [{"truth": "happiness", "label": "happiness"}] * 95 + [{"truth": "sadness", "label": None}] * 5
    hard = [{"truth": "happiness", "label": "happiness"}] * 5 + [{"truth": "sadness", "label": None}] * 95
    rows = [row | {"groups": {"age": name}} for name, part in (("3-9", easy), ("70+", hard)) for row in part]
    gap = by_group(rows, "age").war_gap
    assert gap.size == pytest.approx(0.9) == pytest.approx(gap.chance)
    assert by_group(rows, "age").uar_gap.size == 0


def test_small_groups_are_shown_but_not_compared():
    rng = np.random.default_rng(6)
    rows = [*rows_of(rng, 50, 0.5, age="20-29"), *rows_of(rng, 50, 0.5, age="30-39"), *rows_of(rng, 9, 1, age="70+")]
    found = by_group(rows, "age")
    assert [group.name for group in found.groups] == ["20-29", "30-39", "70+"]
    assert "70+" not in (found.war_gap.best, found.uar_gap.best)
    assert by_group(rows[45:55], "age").war_gap is None


@pytest.mark.parametrize("rows", [[], [{"truth": "anger", "label": None}], rows_of(np.random.default_rng(), 3, 1)])
def test_rows_without_the_group(rows):
    with pytest.raises(EmoError, match="no row has a group 'age'"):
        by_group(rows, "age")


# Folds


def test_the_mean_over_the_folds_and_the_pool():
    reports = [fold(number, 30 * number, 0.4 + 0.1 * number) for number in (1, 2, 3, 4, 5)]
    joined = join_folds(reports[::-1])
    assert [each.fold for each in joined.reports] == [1, 2, 3, 4, 5]
    assert joined.war == pytest.approx(np.mean([each.war for each in reports]))
    assert joined.uar == pytest.approx(np.mean([each.uar for each in reports]))
    assert joined.war_spread == pytest.approx(np.std([each.war for each in reports], ddof=1))
    assert (joined.pooled.confusion == sum(each.confusion for each in reports)).all()
    assert joined.pooled.war == pytest.approx(np.average([each.war for each in reports], weights=[1, 2, 3, 4, 5]))
    assert (joined.pooled.n, joined.pooled.fold) == (450, None)
    assert joined.pooled.unparsed == sum(each.unparsed for each in reports)
    for value, (low, high) in ((joined.war, joined.war_interval), (joined.uar, joined.uar_interval)):
        assert low < value < high
    json.dumps(to_json(joined))


def test_five_folds_narrow_the_interval():
    joined = join_folds([fold(number, 100) for number in (1, 2, 3, 4, 5)])
    low, high = joined.war_interval
    mean_width = np.mean([np.ptp(each.war_interval) for each in joined.reports])
    assert high - low == pytest.approx(mean_width / np.sqrt(5), rel=0.15)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ((1, 2, 2, 4, 5), "fold 2 there twice; fold 3 missing"),
        ((1, 2, 3, 4), "fold 5 missing"),
        ((1, 2, 3, 4, 6), "fold 5 missing; fold 6 not among 1 to 5"),
        ((1, 2, 3, 4, None), "fold 5 missing; fold None not among"),
        ((), "fold 1, 2, 3, 4, 5 missing"),
        ((1, 1, 2, 3, 4, 5), "fold 1 there twice$"),
    ],
)
def test_folds_that_are_missing_or_there_twice(numbers, message):
    with pytest.raises(EmoError, match=message):
        join_folds([report(rows_of(np.random.default_rng(0), 9, 0.5), fold=number) for number in numbers])


def test_folds_of_different_sets():
    with pytest.raises(EmoError, match="different sets or labels: dfew test and mafw test"):
        join_folds([fold(1, dataset="mafw"), *(fold(number) for number in (2, 3, 4, 5))])
