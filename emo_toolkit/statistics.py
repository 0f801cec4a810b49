"""Chance in numbers: bootstrap intervals, a permutation test, Holm's correction, log-odds. Arrays in, arrays out."""

import numpy as np

RESAMPLES = 2000
PERMUTATIONS = 9999
Interval = tuple[float, float]


def resample(counts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Counts of any shape -> (RESAMPLES, *shape) those of bootstrap resamples of what was counted."""
    total = int(counts.sum())
    return rng.multinomial(total, counts.ravel() / total, size=RESAMPLES).reshape(-1, *counts.shape)


def interval(values: np.ndarray) -> Interval:
    """The middle 95 % of resampled values (RESAMPLES,); resamples without a value are left out."""
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return float(low), float(high)


def mean_intervals(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The middle 95 % of the mean over resampled units: (U, ...) -> (..., 2).

    NaN is a value that a unit does not have; where no unit has one, neither has the interval.
    """
    times = resample(np.ones(len(values), np.int64), rng).astype(float)  # (RESAMPLES, U)
    flat = values.reshape(len(values), -1)
    there = ~np.isnan(flat)
    counts = times @ there
    sums = times @ np.where(there, flat, 0.0)
    means = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    bounds = np.full((2, flat.shape[1]), np.nan)
    known = there.any(0)
    bounds[:, known] = np.nanpercentile(means[:, known], [2.5, 97.5], axis=0)
    return bounds.T.reshape(*values.shape[1:], 2)


def exchange_p(
    effects: np.ndarray, others: np.ndarray, rng: np.random.Generator, *, permutations: int = PERMUTATIONS
) -> np.ndarray:
    """How often chance gives a mean over units as far from zero as the effects' own.

    In every unit, any one of the R other changes could as well have been the effect, and which one is drawn anew for
    each permutation. p = (1 + draws as large) / (1 + permutations), uniform where effect and others are alike.

    Args:
        effects: (U, ...) what a change does in each unit.
        others: (U, R, ...) what R meaningless changes do there; broadcast over the dimensions that it lacks (1).

    Returns:
        (...) two-sided p, above 0.
    """
    units, rivals = others.shape[:2]
    choice = np.concatenate([effects[:, None], np.broadcast_to(others, (units, rivals, *effects.shape[1:]))], axis=1)
    picks = rng.integers(rivals + 1, size=(permutations, units))
    totals = np.zeros((permutations, *effects.shape[1:]))
    for unit in range(units):
        totals += choice[unit][picks[:, unit]]
    observed = np.abs(effects.sum(0)) * (1 - 1e-9)  # equal sums in another order differ by rounding
    return (1 + (np.abs(totals) >= observed).sum(0)) / (1 + permutations)


def holm(p: np.ndarray) -> np.ndarray:
    """p of any shape -> p corrected for all of them together, by Holm's step-down (1979)."""
    flat = p.ravel()
    order = np.argsort(flat)
    stepped = np.maximum.accumulate(flat[order] * np.arange(len(flat), 0, -1))
    corrected = np.empty_like(flat)
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected.reshape(p.shape)


def log_odds(log_p: np.ndarray) -> np.ndarray:
    """Log-probabilities (..., L) of at least two labels -> log of p over the sum of the others (..., L).

    Taken from the logarithms, so that a p next to 0 or 1 keeps its digits.
    """
    rivals = np.where(np.eye(log_p.shape[-1], dtype=bool), -np.inf, log_p[..., None, :])
    return log_p - np.logaddexp.reduce(rivals, axis=-1)
