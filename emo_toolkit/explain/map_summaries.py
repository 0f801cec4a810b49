"""Rows of `score_maps` -> MapAudit: means over pictures with bootstrap intervals, and regions held to drawn faces."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import EmoError
from ..schema import AlikeScore, MapAudit, MapScore, RegionScore
from ..statistics import mean_intervals
from .map_scores import view_of

Row = Mapping[str, Any]
DIGITS = 12  # so that what differs by the rounding of sums alone is equal


def summarise_maps(rows: Sequence[Row], *, moving: Sequence[np.ndarray] | None = None, seed: int = 0) -> MapAudit:
    """Scores every kind of map.

    Args:
        rows: n rows of `score_maps`; those of pictures without a usable face have "failed".
        moving: of n drawn faces, `moving_regions` of their truth; without, nothing is said of regions.
        seed: of resampling.

    Raises:
        EmoError: no picture was judged.
    """
    judged = [row for row in rows if "failed" not in row]
    if not judged:
        raise EmoError("no picture with a usable face was given; nothing can be said about maps")
    names, rng = list(judged[0]["areas"]), np.random.default_rng(seed)
    areas = np.array([[row["areas"][name] for name in names] for row in judged])  # (n, M)
    chance = np.array([[row["copies"][view_of(name)] for name in names] for row in judged])
    centre = np.array([row["centre"] for row in judged])
    copies = np.array([np.mean(list(row["copies"].values())) for row in judged])
    whole = np.array([row["whole"] for row in judged])
    table = np.stack([areas, areas - chance, areas - centre[:, None]], axis=-1)  # (n, M, 3)
    means, bounds = table.mean(0).tolist(), mean_intervals(table, rng).tolist()
    kinds = ("area", "over_chance", "over_centre")
    maps = {name: MapScore(n=len(judged), **_pairs(kinds, means[at], bounds[at])) for at, name in enumerate(names)}
    singles = np.stack([whole, centre, copies], axis=-1)
    return MapAudit(
        n=len(judged),
        failed=len(rows) - len(judged),
        **_pairs(("whole", "centre", "chance"), singles.mean(0).tolist(), mean_intervals(singles, rng).tolist()),
        maps=maps,
        regions=_regions(rows, moving, rng) if moving is not None else {},
        alike=_alike(judged, rng),
    )


def region_agreement(values: np.ndarray, moving: np.ndarray, *, seed: int = 0) -> RegionScore:
    """Whether values of regions are higher where the face moves.

    Args:
        values: (n, R) of the regions of n >= 2 faces.
        moving: (n, R) 1 moves, 0 does not, NaN is left out. Faces on which all or none move are left out of every
            score; their maps count among the others'.
        seed: of resampling.

    Raises:
        EmoError: fewer than two faces, or on none of them some regions move and some do not.
    """
    yes, no = (moving == 1).astype(float), (moving == 0).astype(float)
    pairs = (yes[:, :, None] * no[:, None]).reshape(len(yes), -1)  # (n, R * R): one moves, the other does not
    known = pairs.any(1)
    if len(values) < 2 or not known.any():
        raise EmoError(
            "agreement needs two drawn faces or more, and on some of them regions that move and that do not"
        )
    pairs = pairs[known]
    count = pairs.sum(1)
    against = pairs @ _wins(values).T / count[:, None]  # (k, n) AUC of every map on the truth of every face
    own = against[np.arange(len(pairs)), np.flatnonzero(known)]
    shuffled = (against.sum(1) - own) / (len(values) - 1)
    size = np.abs(values).mean(1, keepdims=True)
    even = np.divide(values, size, out=np.zeros(values.shape), where=size > 0)
    others = (even.sum(0) - even) / (len(values) - 1)  # (n, R) mean map of the other faces
    layout = (pairs * _wins(others)[known]).sum(1) / count
    table = np.stack([own, own - shuffled, own - layout], axis=-1).round(DIGITS)
    bounds = mean_intervals(table, np.random.default_rng(seed)).tolist()
    return RegionScore(
        n=len(own),
        shuffled=float(shuffled.mean()),
        mean_map=float(layout.mean()),
        **_pairs(("auc", "over_shuffled", "over_mean_map"), table.mean(0).tolist(), bounds),
    )


def _wins(values: np.ndarray) -> np.ndarray:
    """(n, R) -> (n, R * R): 1 where the first region of a pair has the higher value, 1 / 2 where they are equal."""
    return (0.5 + 0.5 * np.sign(values[:, :, None] - values[:, None])).reshape(len(values), -1)


def _regions(rows: Sequence[Row], moving: Sequence[np.ndarray], rng: np.random.Generator) -> dict[str, RegionScore]:
    pairs = [(row["regions"], moves) for row, moves in zip(rows, moving, strict=True) if "failed" not in row]
    truth, seed = np.array([moves for _, moves in pairs]), int(rng.integers(2**31))
    return {
        name: region_agreement(np.array([values[name] for values, _ in pairs]), truth, seed=seed)
        for name in pairs[0][0]
    }


def _alike(rows: Sequence[Row], rng: np.random.Generator) -> dict[str, AlikeScore]:
    found = [row["alike"] for row in rows if row.get("alike")]
    if not found:
        return {}
    table = np.array([list(each.values()) for each in found])
    bounds = mean_intervals(table, rng).tolist()
    return {
        name: AlikeScore(len(found), float(mean), (low, high))
        for name, mean, (low, high) in zip(found[0], table.mean(0), bounds, strict=True)
    }


def _pairs(names: Sequence[str], means: Sequence[float], bounds: Sequence[Sequence[float]]) -> dict[str, Any]:
    """{"area": mean, "area_interval": (low, high), ...}"""
    spans = {f"{name}_interval": (low, high) for name, (low, high) in zip(names, bounds, strict=True)}
    return dict(zip(names, means, strict=True)) | spans
