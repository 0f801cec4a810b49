"""Exercises of notebook 09."""

from collections.abc import Callable, Sequence

import numpy as np

from .exercise import Exercise, close

Scorer = Callable[[Sequence[str], Sequence[str | None]], float]
TRUTH = ["neutral"] * 6 + ["fear"] * 2 + ["anger"]
ANSWERS: list[str | None] = ["neutral"] * 5 + ["anger", "fear", "neutral", None]


def is_war(function: Scorer) -> bool:
    """The share of right answers, of all faces."""
    return bool(np.isclose(function(TRUTH, ANSWERS), 6 / 9) and np.isclose(function(["fear"], [None]), 0))


def is_uar(function: Scorer) -> bool:
    """The plain mean of recalls, over labels that occur in the truth."""
    return bool(
        np.isclose(function(TRUTH, ANSWERS), (5 / 6 + 1 / 2 + 0) / 3)
        and np.isclose(function(["fear", "fear"], ["fear", "anger"]), 0.5)
    )


def tells_apart(function: Callable[[tuple[float, float]], str]) -> bool:
    """Only an interval that leaves zero out tells."""
    cases = {(0.01, 0.2): "first", (-0.2, -0.01): "second", (-0.01, 0.2): "cannot tell", (-0.3, 0.01): "cannot tell"}
    return all(function(case) == word for case, word in cases.items())


def _war(truth: Sequence[str], said: Sequence[str | None]) -> float:
    return sum(one == other for one, other in zip(truth, said, strict=True)) / len(truth)


def _mean_precision(truth: Sequence[str], said: Sequence[str | None]) -> float:
    """Over what was answered: the other way round."""
    words = {label for label in said if label}
    return sum(
        sum(t == s == label for t, s in zip(truth, said, strict=True)) / said.count(label) for label in words
    ) / len(words)


EXERCISES = {
    "9.1": Exercise(
        right=is_war,
        why="Every face counts alike, so that common expressions decide.",
        hint="How many answers equal the truth, of how many faces? A face without an answer is one of them.",
        wrong=(
            lambda truth, said: sum(map(str.__eq__, truth, map(str, said))),
            lambda truth, said: _war(truth, said) * len(truth) / sum(word is not None for word in said),
            lambda truth, said: 1 - _war(truth, said),
            0.67,
        ),
    ),
    "9.2": Exercise(
        right=is_uar,
        why="Every expression counts alike: who misses the rare ones loses as much as who misses the common one.",
        hint="For each label of the truth: which share of its own faces was read rightly? Then the plain mean of "
        "these shares, each label once.",
        wrong=(_war, _mean_precision, lambda truth, said: _war(truth, said) / len(set(truth)), 0.44),
    ),
    "9.3": Exercise(
        right=close(6147, 0.5),
        why="More than 6,000 faces for one hundredth; FERPlus valid has 3,579. Many a published gain is smaller.",
        hint="Set the formula to 0.01 and solve it for n; mind that n stands under the root.",
        wrong=(79, 39, 3579, 1537, 61, 1600),
    ),
    "9.4": Exercise(
        right=tells_apart,
        why="An interval that holds zero is no proof that both are alike: with these faces one cannot tell.",
        hint="It returns one of three words. When does the interval (low, high) leave zero out, and on which side?",
        wrong=(
            lambda interval: "first" if sum(interval) > 0 else "second",
            lambda interval: "cannot tell",
            lambda interval: "first" if interval[1] > 0 else "second",
            "first",
        ),
    ),
}
