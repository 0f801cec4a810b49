"""Rows and reports -> what they say beside each other: groups of faces, the folds of a set, two runs over one set."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import EmoError
from ..schema import EvalReport, FoldsReport, Gap, GroupReport, GroupScores, PairedDifference
from ..statistics import RESAMPLES, interval, resample
from .scores import report_of, table_of, war_uar

Row = Mapping[str, Any]  # a line of a run's JSONL: {"id": ..., "truth": label, "label": label or None, ...}
SMALLEST = 10  # samples from which a group is compared with others
SHOWN = 3  # ids in a message


def by_group(rows: Sequence[Row], key: str, *, origin: str = "exact", seed: int = 0) -> GroupReport:
    """Scores of each group of faces, and the largest gaps between two groups of at least 10.

    Groups are resampled on their own. A largest gap is never below 0, so that its size alone says little: `Gap.chance`
    draws the right answers anew with the recall that each expression has over all compared groups, 2,000 times.

    Args:
        rows: answers with {"groups": {key: name or None}}; without a name a row is left out.
        key: "age", "gender", "race", "yaw", "intensity", "factor", or any other that the rows have.
        origin: "exact" or "estimated", whichever the names are.

    Raises:
        EmoError: no row has a group under this key.
    """
    names = [row.get("groups", {}).get(key) for row in rows]
    known = sorted({name for name in names if name is not None}, key=_natural)
    if not known:
        raise EmoError(f"no row has a group '{key}'; evaluate with --groups, or choose a key that the rows have")
    place, labels = {name: at for at, name in enumerate(known)}, sorted({row["truth"] for row in rows})
    counts = np.zeros((len(known), len(labels), 2), np.int64)  # wrong and right answers
    for name, row in zip(names, rows, strict=True):
        if name is not None:
            counts[place[name], labels.index(row["truth"]), int(row["label"] == row["truth"])] += 1
    rng = np.random.default_rng(seed)
    found = np.stack(war_uar(counts[..., 1], counts.sum(-1)), -1)  # (G, 2) WAR and UAR
    drawn = [resample(each, rng) for each in counts]
    spread = np.stack([np.stack(war_uar(each[..., 1], each.sum(-1)), -1) for each in drawn])  # (G, RESAMPLES, 2)
    sizes = counts.sum((1, 2))
    groups = tuple(
        GroupScores(
            name, int(sizes[at]), *map(float, found[at]), interval(spread[at, :, 0]), interval(spread[at, :, 1])
        )
        for at, name in enumerate(known)
    )
    war_gap, uar_gap = _gaps(known, counts, found, spread, rng)
    return GroupReport(key, origin, groups, war_gap, uar_gap, left_out=len(rows) - int(sizes.sum()))


def _gaps(
    names: Sequence[str], counts: np.ndarray, found: np.ndarray, spread: np.ndarray, rng: np.random.Generator
) -> tuple[Gap | None, Gap | None]:
    """The largest gap in WAR and in UAR; see `by_group` for the shapes."""
    large = np.flatnonzero(counts.sum((1, 2)) >= SMALLEST)
    if len(large) < 2:
        return None, None
    support, right = counts[large].sum(-1), counts[large][..., 1]
    recall = right.sum(0) / np.maximum(support.sum(0), 1)
    alike = rng.binomial(support, recall, size=(RESAMPLES, *support.shape))  # all groups read equally well
    gaps = []
    for which, chances in enumerate(war_uar(alike, np.broadcast_to(support, alike.shape))):
        worst, *_, best = large[np.argsort(found[large, which], kind="stable")]  # two groups, even if all are alike
        gaps.append(
            Gap(
                best=names[best],
                worst=names[worst],
                size=float(found[best, which] - found[worst, which]),
                interval=interval(spread[best, :, which] - spread[worst, :, which]),
                chance=float(np.percentile(np.ptp(chances, axis=1), 95)),
            )
        )
    return gaps[0], gaps[1]


def join_folds(reports: Sequence[EvalReport], *, folds: int = 5, seed: int = 0) -> FoldsReport:
    """The protocol of sets with folds: plain means of WAR and UAR over the folds, and all samples pooled.

    Source: DFEW and MAFW papers, whose figures are means over five folds (as in DFER-CLIP and MAE-DFER). Each fold is
    resampled on its own for the intervals of the means.

    Args:
        reports: one of each fold 1 to `folds`, in any order.

    Raises:
        EmoError: a fold is missing or there twice, or the reports are of different sets.
    """
    numbers = [report.fold for report in reports]
    expected = range(1, folds + 1)
    if sorted(numbers, key=str) != sorted(expected, key=str):
        twice = sorted({str(number) for number in numbers if numbers.count(number) > 1})
        missing = [str(number) for number in expected if number not in numbers]
        others = sorted({str(number) for number in numbers if number not in expected})
        parts = {"there twice": twice, "missing": missing, f"not among 1 to {folds}": others}
        found = "; ".join(f"fold {', '.join(names)} {what}" for what, names in parts.items() if names)
        raise EmoError(f"these are not the {folds} folds, each once: {found}")
    kinds = {(report.dataset, report.split, report.labels) for report in reports}
    if len(kinds) > 1:
        sets = " and ".join(sorted({f"{dataset} {split}" for dataset, split, _ in kinds}))
        raise EmoError(f"the folds are of different sets or labels: {sets}")
    reports = tuple(sorted(reports, key=lambda report: report.fold or 0))
    tables = np.stack([table_of(report) for report in reports])
    rng = np.random.default_rng(seed)
    drawn = [resample(table, rng) for table in tables]
    each = [war_uar(np.diagonal(table[..., :-1], axis1=-2, axis2=-1), table.sum(-1)) for table in drawn]
    war, uar = np.mean(each, axis=0)  # (RESAMPLES,) means over the folds
    first = reports[0]
    return FoldsReport(
        reports=reports,
        war=float(np.mean([report.war for report in reports])),
        uar=float(np.mean([report.uar for report in reports])),
        war_interval=interval(war),
        uar_interval=interval(uar),
        war_spread=float(np.std([report.war for report in reports], ddof=1)),
        uar_spread=float(np.std([report.uar for report in reports], ddof=1)),
        pooled=report_of(
            tables.sum(0),
            labels=first.labels,
            dataset=first.dataset,
            split=first.split,
            fold=None,
            no_face=sum(report.no_face for report in reports),
            seed=seed,
        ),
    )


def paired_difference(rows_a: Sequence[Row], rows_b: Sequence[Row], *, seed: int = 0) -> PairedDifference:
    """How much better the first run is than the second on the same samples.

    Samples are resampled together with both their answers, so that what makes a sample hard for either run cancels:
    an interval that leaves zero out means that the runs differ.

    Raises:
        EmoError: the runs are over different samples, or disagree about what is true.
    """
    first, second = _by_id(rows_a, "first"), _by_id(rows_b, "second")
    if first.keys() != second.keys():
        alone = [sorted(one.keys() - other.keys()) for one, other in ((first, second), (second, first))]
        said = [
            f"{len(ids)} only in the {name} ({', '.join(ids[:SHOWN])}{', ...' * (len(ids) > SHOWN)})"
            for name, ids in zip(("first", "second"), alone, strict=True)
            if ids
        ]
        raise EmoError(f"the two runs are over different samples: {'; '.join(said)}; evaluate both over the same ones")
    if not first:
        raise EmoError("the two runs have no rows")
    labels = sorted({row["truth"] for row in first.values()})
    counts = np.zeros((len(labels), 4), np.int64)  # both wrong, only the second right, only the first, both
    for name, row in first.items():
        other = second[name]
        if row["truth"] != other["truth"]:
            raise EmoError(f"{name} is '{row['truth']}' in the first run and '{other['truth']}' in the second")
        right = 2 * (row["label"] == row["truth"]) + (other["label"] == row["truth"])
        counts[labels.index(row["truth"]), right] += 1
    drawn = resample(counts, np.random.default_rng(seed))
    war, uar = _difference(drawn)
    found = _difference(counts)
    return PairedDifference(
        n=len(first),
        war=float(found[0]),
        uar=float(found[1]),
        war_interval=interval(war),
        uar_interval=interval(uar),
        only_first=int(counts[:, 2].sum()),
        only_second=int(counts[:, 1].sum()),
    )


def _difference(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """WAR and UAR (...) of the first run minus those of the second, of counts (..., L, 4)."""
    return war_uar(counts[..., 2] - counts[..., 1], counts.sum(-1))


def _by_id(rows: Sequence[Row], name: str) -> dict[str, Row]:
    found = {row["id"]: row for row in rows}
    if len(found) < len(rows):
        ((most, _),) = Counter(row["id"] for row in rows).most_common(1)
        raise EmoError(f"the {name} run has {len(rows)} rows of {len(found)} samples; {most} is there more than once")
    return found


def _natural(name: str) -> tuple[float, str]:
    """ "3-9" before "10-19", words in the order of the alphabet."""
    number = re.match(r"\d+", name)
    return (float(number[0]) if number else 0.0), name
