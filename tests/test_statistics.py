"""Chance in numbers: p is uniform where nothing is going on, intervals hold what they claim, Holm only raises p."""

import numpy as np
import pytest

from emo_toolkit.statistics import exchange_p, holm, log_odds, mean_intervals

UNITS, RIVALS = 8, 12


def largest_gap(p: np.ndarray) -> float:
    """Kolmogorov-Smirnov: the largest distance between the distribution of p and the uniform one."""
    steps = np.arange(1, len(p) + 1) / len(p)
    return float(np.abs(np.sort(p) - steps + 0.5 / len(p)).max() + 0.5 / len(p))


@pytest.mark.parametrize("kind", ["normal", "heavy tails", "unlike units", "related rivals"])
def test_p_is_uniform_where_nothing_is_going_on(kind):
    rng = np.random.default_rng(7)
    p = []
    for _ in range(600):
        drawn = (
            rng.standard_t(2, (UNITS, 1 + RIVALS)) if kind == "heavy tails" else rng.normal(size=(UNITS, 1 + RIVALS))
        )
        if kind == "unlike units":
            drawn = drawn * rng.lognormal(0, 1.5, (UNITS, 1)) + rng.normal(size=(UNITS, 1))
        if kind == "related rivals":
            drawn = drawn + rng.normal(size=(UNITS, 1))
        p.append(exchange_p(drawn[:, 0], drawn[:, 1:], rng, permutations=299))
    p = np.array(p)
    assert largest_gap(p) < 1.63 / len(p) ** 0.5  # the 1 % limit
    assert abs((p < 0.05).mean() - 0.05) < 0.03 and p.min() >= 1 / 300


def test_a_steady_effect_is_found_and_its_sign_does_not_matter():
    rng = np.random.default_rng(0)
    others = rng.normal(size=(UNITS, RIVALS))
    effects = np.stack([rng.normal(3, 0.3, UNITS), rng.normal(-3, 0.3, UNITS), rng.normal(0, 0.3, UNITS)], axis=1)
    p = exchange_p(effects, others[:, :, None], np.random.default_rng(1))
    assert p.shape == (3,) and p[:2].max() < 0.001 and p[2] > 0.05
    assert p.tolist() == exchange_p(-effects, -others[:, :, None], np.random.default_rng(1)).tolist()


def test_nothing_at_all_is_no_effect():
    assert exchange_p(np.zeros((3, 2, 4)), np.zeros((3, 5, 1, 4)), np.random.default_rng(0)).min() == 1


def test_holm():
    p = np.array([[0.01, 0.04], [0.03, 0.005]])
    np.testing.assert_allclose(holm(p), [[0.03, 0.06], [0.06, 0.02]])
    drawn = np.random.default_rng(0).uniform(size=(20, 6))
    corrected = holm(drawn)
    assert (corrected >= drawn).all() and corrected.max() <= 1
    order = np.argsort(drawn.ravel())
    assert (np.diff(corrected.ravel()[order]) >= 0).all()
    assert holm(np.array([0.2])) == [0.2]


def test_holm_keeps_the_error_of_the_whole_family():
    rng = np.random.default_rng(3)
    wrong = [(holm(rng.uniform(size=30)) < 0.05).any() for _ in range(2000)]
    assert 0.03 < np.mean(wrong) < 0.065


def test_log_odds():
    p = np.array([[0.5, 0.3, 0.2], [0.98, 0.01, 0.01]])
    np.testing.assert_allclose(log_odds(np.log(p)), np.log(p / (1 - p)))
    certain = log_odds(np.log([1 - 1e-300, 1e-300]))
    np.testing.assert_allclose(certain, [-np.log(1e-300), np.log(1e-300)])


def test_intervals_hold_the_mean_as_often_as_they_say():
    rng = np.random.default_rng(5)
    values = rng.exponential(size=(60, 400))  # 60 units, 400 experiments at once
    low, high = mean_intervals(values, rng).T
    assert 0.88 < ((low < 1) & (high > 1)).mean() < 0.98


def test_intervals_without_some_values():
    values = np.array([[1.0, np.nan, 3.0], [1.0, np.nan, np.nan], [1.0, np.nan, 5.0]])
    bounds = mean_intervals(values, np.random.default_rng(0))
    assert bounds[0].tolist() == [1, 1] and np.isnan(bounds[1]).all() and bounds[2].tolist() == [3, 5]
