"""Predicted labels against the truth -> UAR and WAR with bootstrap intervals -> EvalReport."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .schema import EvalReport

RESAMPLES = 2000


def evaluate(
    truth: Sequence[str],
    predicted: Sequence[str | None],
    *,
    labels: Sequence[str],
    dataset: str,
    split: str,
    no_face: int = 0,
    seed: int = 0,
) -> EvalReport:
    """Scores n answers. An answer that names no label (None) is wrong.

    WAR is accuracy; UAR is the mean recall over the classes that occur in the truth (source: DFER-CLIP, MAFW).
    Intervals are the 2.5th and 97.5th percentile of 2,000 bootstrap resamples over samples.

    Args:
        truth: n labels; predicted: n labels or None.
        labels: the class names, in the order of the confusion matrix.
        no_face: how many of the n had no usable face (they count as wrong).

    Raises:
        ValueError: for no samples, unequal lengths or a truth outside `labels`.
    """
    if not truth or len(truth) != len(predicted):
        raise ValueError(f"{len(truth)} true labels for {len(predicted)} predictions; need as many, and at least one")
    place = {label: index for index, label in enumerate(labels)}
    unknown = sorted(set(truth) - set(place))
    if unknown:
        raise ValueError(f"true labels {unknown} are not among {list(labels)}")
    rows = np.array([place[label] for label in truth])
    columns = np.array([place.get(label, len(labels)) for label in predicted])  # one more column: unparsed
    table = np.zeros((len(labels), len(labels) + 1), dtype=np.int64)
    np.add.at(table, (rows, columns), 1)
    cells = (rows * (len(labels) + 1) + columns).astype(np.int64)
    draws = np.random.default_rng(seed).multinomial(
        len(cells), np.bincount(cells, minlength=table.size) / len(cells), size=RESAMPLES
    )
    samples = [_war_uar(draw.reshape(table.shape)) for draw in draws]
    low, high = np.percentile(samples, [2.5, 97.5], axis=0)
    war, uar = _war_uar(table)
    support = table.sum(1)
    recalls = {label: float(table[i, i] / support[i]) for i, label in enumerate(labels) if support[i]}
    return EvalReport(
        dataset=dataset,
        split=split,
        labels=tuple(labels),
        n=len(truth),
        war=war,
        uar=uar,
        war_interval=(float(low[0]), float(high[0])),
        uar_interval=(float(low[1]), float(high[1])),
        recalls=recalls,
        confusion=table[:, :-1],
        unparsed=int(table[:, -1].sum()),
        no_face=no_face,
    )


def to_json(report: EvalReport) -> dict[str, Any]:
    """The report as plain JSON values."""
    return {
        "dataset": report.dataset,
        "split": report.split,
        "n": report.n,
        "war": report.war,
        "war_interval_95": list(report.war_interval),
        "uar": report.uar,
        "uar_interval_95": list(report.uar_interval),
        "labels": list(report.labels),
        "recalls": report.recalls,
        "confusion": report.confusion.tolist(),
        "unparsed": report.unparsed,
        "no_face": report.no_face,
    }


def _war_uar(table: np.ndarray) -> tuple[float, float]:
    support = table.sum(1)
    hits = np.diagonal(table)
    present = support > 0
    return float(hits.sum() / support.sum()), float((hits[present] / support[present]).mean())
