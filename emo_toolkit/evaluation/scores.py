"""Predicted labels against the truth -> WAR, UAR, recall, precision and F1 with bootstrap intervals -> EvalReport."""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..schema import ClassScores, EvalReport
from ..statistics import interval, resample

WHOLE = ("war", "uar", "macro_f1", "weighted_f1")
EACH = ("recall", "precision", "f1")  # of each class


class Measures(NamedTuple):
    """What a table (..., L, L + 1) comes to; per class NaN where the class does not occur in the truth."""

    war: np.ndarray  # (...)
    uar: np.ndarray
    macro_f1: np.ndarray
    weighted_f1: np.ndarray
    recall: np.ndarray  # (..., L)
    precision: np.ndarray
    f1: np.ndarray


def evaluate(
    truth: Sequence[str],
    predicted: Sequence[str | None],
    *,
    labels: Sequence[str],
    dataset: str,
    split: str,
    fold: int | None = None,
    no_face: int = 0,
    seed: int = 0,
) -> EvalReport:
    """Scores n answers. An answer that names no label (None) is wrong.

    WAR is accuracy; UAR is the mean recall over the classes that occur in the truth (source: DFER-CLIP, MAFW), macro
    F1 the mean over the same classes. Intervals are the 2.5th and 97.5th percentile of 2,000 bootstrap resamples over
    samples.

    Args:
        truth: n labels; predicted: n labels or None.
        labels: the class names, in the order of the confusion matrix.
        fold: which fold of a set with folds this is.
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
    return report_of(table, labels=labels, dataset=dataset, split=split, fold=fold, no_face=no_face, seed=seed)


def report_of(
    table: np.ndarray,
    *,
    labels: Sequence[str],
    dataset: str,
    split: str,
    fold: int | None,
    no_face: int,
    seed: int,
) -> EvalReport:
    """The report of a table (L, L + 1) of counts: how often each truth got each answer, the last column no label."""
    order = [
        *np.argsort(labels),
        len(labels),
    ]  # the same answers give the same intervals, in whatever order labels are
    back = np.argsort(order)
    drawn = measure(resample(table[order[:-1]][:, order], np.random.default_rng(seed))[:, back[:-1]][:, :, back])
    found = measure(table)
    whole = {name: float(getattr(found, name)) for name in WHOLE}
    whole |= {f"{name}_interval": interval(getattr(drawn, name)) for name in WHOLE}
    classes = {}
    for place, label in enumerate(labels):
        if table[place].any():
            scores = {name: float(getattr(found, name)[place]) for name in EACH}
            scores |= {f"{name}_interval": interval(getattr(drawn, name)[:, place]) for name in EACH}
            classes[label] = ClassScores(int(table[place].sum()), int(table[:, place].sum()), **scores)
    return EvalReport(
        dataset=dataset,
        split=split,
        labels=tuple(labels),
        n=int(table.sum()),
        **whole,
        classes=classes,
        confusion=table[:, :-1],
        unparsed=int(table[:, -1].sum()),
        no_face=no_face,
        fold=fold,
    )


def table_of(report: EvalReport) -> np.ndarray:
    """The table (L, L + 1) that a report was made from."""
    support = [report.classes[label].support if label in report.classes else 0 for label in report.labels]
    return np.column_stack([report.confusion, np.array(support) - report.confusion.sum(1)])


def measure(table: np.ndarray) -> Measures:
    """Scores of a table (..., L, L + 1), or of many at once."""
    answers = table[..., :-1]
    hits, support, said = np.diagonal(answers, axis1=-2, axis2=-1), table.sum(-1), answers.sum(-2)
    there = support > 0
    war, uar = war_uar(hits, support)
    recall = np.divide(hits, support, out=np.full(hits.shape, np.nan), where=there)
    precision = np.divide(hits, said, out=np.zeros(hits.shape), where=said > 0)
    f1 = np.divide(2 * hits, support + said, out=np.full(hits.shape, np.nan), where=there)
    return Measures(
        war=war,
        uar=uar,
        macro_f1=np.nanmean(f1, -1),
        weighted_f1=np.nansum(f1 * support, -1) / support.sum(-1),
        recall=recall,
        precision=np.where(there, precision, np.nan),
        f1=f1,
    )


def war_uar(hits: np.ndarray, support: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """WAR and UAR (...) of the right answers (..., L) among `support` samples of each class."""
    there = support > 0
    recall = np.divide(hits, support, out=np.zeros(hits.shape), where=there)
    return hits.sum(-1) / support.sum(-1), recall.sum(-1) / there.sum(-1)


def to_json(report: Any) -> dict[str, Any]:
    """Any report of this room as plain JSON values; the names of its intervals end in "_95"."""
    values = {field.name: _plain(getattr(report, field.name)) for field in dataclasses.fields(report)}
    values = {f"{name}_95" if name.endswith("_interval") else name: value for name, value in values.items()}
    return values | ({"recalls": report.recalls} if isinstance(report, EvalReport) else {})


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return to_json(value)
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return value.tolist() if isinstance(value, np.ndarray) else value
