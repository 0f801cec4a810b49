"""The nouns of evaluation: scores of a run, of groups, folds, pairs of runs and explanations."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ClassScores:
    """One class of an EvalReport: `support` samples are of it, `predicted` answers name it. Intervals are 95 %."""

    support: int
    predicted: int
    recall: float
    precision: float  # 0 where no answer names the class
    f1: float
    recall_interval: tuple[float, float]
    precision_interval: tuple[float, float]
    f1_interval: tuple[float, float]


@dataclass(frozen=True)
class EvalReport:
    """Scores of one run over one data set. `confusion` (L, L; rows = truth) follows `labels`.

    `classes` has the labels that occur in the truth; `macro_f1` is their plain mean of F1, `weighted_f1` that by
    support. Answers that name no label are in no column of `confusion`.
    """

    dataset: str
    split: str
    labels: tuple[str, ...]
    n: int
    war: float
    uar: float
    war_interval: tuple[float, float]
    uar_interval: tuple[float, float]
    macro_f1: float
    weighted_f1: float
    macro_f1_interval: tuple[float, float]
    weighted_f1_interval: tuple[float, float]
    classes: dict[str, ClassScores]
    confusion: np.ndarray
    unparsed: int
    no_face: int
    fold: int | None = None

    @property
    def recalls(self) -> dict[str, float]:
        """The recall of each class that occurs."""
        return {label: scores.recall for label, scores in self.classes.items()}


@dataclass(frozen=True)
class GroupScores:
    """One group of faces."""

    name: str
    n: int
    war: float
    uar: float
    war_interval: tuple[float, float]
    uar_interval: tuple[float, float]


@dataclass(frozen=True)
class Gap:
    """The largest difference between two groups.

    `interval` is the 95 % interval of the difference between these two; `chance` is the 95th percentile of the largest
    gap if all groups were read equally well, so a smaller gap says nothing.
    """

    best: str
    worst: str
    size: float
    interval: tuple[float, float]
    chance: float


@dataclass(frozen=True)
class GroupReport:
    """Scores by one property of the face. `origin`: "exact" of drawn faces, or "estimated" by a net, with its errors.

    The gaps compare groups that are not small; None where fewer than two are left. `left_out` faces have no group.
    """

    key: str
    origin: str
    groups: tuple[GroupScores, ...]
    war_gap: Gap | None
    uar_gap: Gap | None
    left_out: int


@dataclass(frozen=True)
class FoldsReport:
    """A set with folds. `war` and `uar` are plain means over the folds, as papers give them; `war_spread` and
    `uar_spread` the standard deviations (n - 1) between folds; `pooled` counts all samples of all folds together."""

    reports: tuple[EvalReport, ...]
    war: float
    uar: float
    war_interval: tuple[float, float]
    uar_interval: tuple[float, float]
    war_spread: float
    uar_spread: float
    pooled: EvalReport


@dataclass(frozen=True)
class PairedDifference:
    """Scores of one run minus those of another over the same n samples, with 95 % intervals.

    `only_first` samples are right in the first run alone, `only_second` in the second alone.
    """

    n: int
    war: float
    uar: float
    war_interval: tuple[float, float]
    uar_interval: tuple[float, float]
    only_first: int
    only_second: int


@dataclass(frozen=True)
class UnitScores:
    """An action unit, or all of them: seen on `visible` faces, claimed of `claimed`, rightly of `right`.

    Scores are 0 where there is nothing to count.
    """

    visible: int
    claimed: int
    right: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class ExplanationReport:
    """How far n free answers about drawn faces agree with the exact action units. Intervals are 95 %.

    `total` counts over all faces and units. `shuffled_f1` is the F1 of the same answers held against other faces;
    `same_label_f1` against other faces of the same expression, over the faces that have such another.
    `named` is the share of answers that name an expression; of those, `agreement` is the share that name the label
    which is likeliest by the scores of the same face. `contradictions` is the share of answers that deny a visible
    unit, or claim and deny one.
    """

    question: str
    n: int
    total: UnitScores
    precision_interval: tuple[float, float]
    recall_interval: tuple[float, float]
    f1_interval: tuple[float, float]
    shuffled_f1: float
    same_label_f1: float
    units: dict[str, UnitScores]
    named: float
    agreement: float
    named_interval: tuple[float, float]
    agreement_interval: tuple[float, float]
    contradictions: float
