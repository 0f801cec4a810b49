"""Free answers about drawn faces x exact action units -> precision, recall, agreement with the label -> a report."""

from collections.abc import Sequence

import numpy as np

from ..schema import ExplanationReport, FaceTruth, UnitScores
from ..statistics import interval, resample
from ..synthetic.action_units import VISIBLE_FROM, by_side
from ..synthetic.scoring import TextScore, score_text

# One of captions.SHOWS, which asks for the expression and for what shows it. Not "What is the facial expression ...":
# that one is answered from the votes of raters too, without a word on the face.
QUESTION = "Which expression is visible in the {kind}, and how can one tell?"
SIDES = {"A": ("left", "right"), "L": ("left",), "R": ("right",)}  # by the first letter of a code


def score_explanations(
    texts: Sequence[str | None],
    truths: Sequence[FaceTruth],
    labels: Sequence[str | None],
    *,
    question: str = QUESTION,
    seed: int = 0,
) -> ExplanationReport:
    """Scores n answers to `question`; an answer that is not there (None) claims nothing.

    A unit is claimed, visible and right as in `score_text`, and counts once a face whichever sides are named.
    Intervals are the middle 95 % of 2,000 bootstrap resamples over faces. Hold F1 against `shuffled_f1`: what the same
    words earn on faces that they are not about; and against `same_label_f1`: what they owe to the expression alone.

    Args:
        texts: n answers; truths: n drawn faces.
        labels: n labels that are likeliest by the scores of the same faces, or None.

    Raises:
        ValueError: for no answers or unequal lengths.
    """
    if not texts or not len(texts) == len(truths) == len(labels):
        raise ValueError(f"{len(texts)} answers, {len(truths)} truths and {len(labels)} labels; need as many of each")
    scores = [score_text(text, truth) for text, truth in zip(texts, truths, strict=True)]
    faces = [_units(score, truth) for score, truth in zip(scores, truths, strict=True)]
    names = sorted({unit for face in faces for units in face for unit in units}, key=lambda unit: int(unit[2:]))
    counts = np.array([[[unit in units for units in face] for unit in names] for face in faces], np.int64)
    counts = counts.reshape(len(faces), len(names), 3)  # visible, claimed, right
    named = [score.label is not None for score in scores]
    agreed = [score.label is not None and score.label == label for score, label in zip(scores, labels, strict=True)]
    cells, times = np.unique(np.column_stack([counts.sum(1), named, agreed]), axis=0, return_counts=True)
    rng = np.random.default_rng(seed)
    drawn = resample(times, rng) @ cells  # (RESAMPLES, 5) sums over the faces of a resample
    precision, recall, f1 = map(interval, _ratios(drawn[:, :3]))
    return ExplanationReport(
        question=question,
        n=len(texts),
        total=_unit_scores(counts.sum((0, 1))),
        precision_interval=precision,
        recall_interval=recall,
        f1_interval=f1,
        shuffled_f1=_shuffled_f1(texts, truths, [np.arange(len(texts))], rng),
        same_label_f1=_shuffled_f1(texts, truths, _alike(truths), rng),
        units={name: _unit_scores(counts[:, place].sum(0)) for place, name in enumerate(names)},
        named=sum(named) / len(texts),
        agreement=float(_share(np.array(sum(agreed)), np.array(sum(named)))),
        named_interval=interval(drawn[:, 3] / len(texts)),
        agreement_interval=interval(_share(drawn[:, 4], drawn[:, 3])),
        contradictions=sum(bool(score.contradictions) for score in scores) / len(texts),
    )


def _units(score: TextScore, truth: FaceTruth) -> tuple[set[str], set[str], set[str]]:
    """The units ("AU12") that are visible, that the text claims, and that it claims rightly."""
    moving = {key for key, value in by_side(truth.action_units).items() if value >= VISIBLE_FROM}
    claims = [("AU" + code.lstrip("AULR"), SIDES[code[0]]) for code in score.present]
    right = {unit for unit, sides in claims if any((unit, side) in moving for side in sides)}
    return {unit for unit, _ in moving}, {unit for unit, _ in claims}, right


def _alike(truths: Sequence[FaceTruth]) -> list[np.ndarray]:
    """Which faces share an expression, for each expression that two or more show."""
    labels = np.array([truth.label for truth in truths])
    groups = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    return [group for group in groups if len(group) > 1]


def _shuffled_f1(
    texts: Sequence[str | None], truths: Sequence[FaceTruth], groups: Sequence[np.ndarray], rng: np.random.Generator
) -> float:
    """F1 where each text is held against the face of another one of its group, in one ring through the group."""
    rings = [rng.permutation(group) for group in groups]
    faces = [
        _units(score_text(texts[one], truths[other]), truths[other])
        for ring in rings
        for one, other in zip(ring, np.roll(ring, 1), strict=True)
    ]
    if not faces:
        return 0.0
    return float(_ratios(np.array([[len(units) for units in face] for face in faces]).sum(0))[2])


def _unit_scores(counts: np.ndarray) -> UnitScores:
    return UnitScores(*map(int, counts), *map(float, _ratios(counts)))


def _ratios(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Precision, recall and F1 (...) of counts (..., 3): visible, claimed, right."""
    visible, claimed, right = counts[..., 0], counts[..., 1], counts[..., 2]
    return _share(right, claimed), _share(right, visible), _share(2 * right, visible + claimed)


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.zeros(np.shape(whole)), where=whole > 0)
