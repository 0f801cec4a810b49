"""Exercises of notebook 04."""

import numpy as np

from .exercise import Exercise, one_of

CASES = (  # over chance, over centre, what to say
    ((0.8, 1.9), (0.1, 0.9), "better than a centre guess"),
    ((1.5, 2.3), (-1.1, -0.5), "better than chance"),
    ((1.5, 2.3), (-0.3, 0.2), "better than chance"),
    ((-3.0, -1.9), (-5.6, -4.2), "worse than chance"),
    ((-0.3, 0.7), (-3.1, -2.1), "no better than chance"),
    ((-0.3, 0.7), (0.2, 0.4), "no better than chance"),
)


def _trapezoids(heights: np.ndarray) -> float:
    return float((heights[1:] + heights[:-1]).mean() / 2)


def is_area(function: object) -> bool:
    """The mean height of insertion over deletion by trapezoids, whatever the number of steps."""
    for deletion, insertion in (([4.0, 1.0, 0.0, -2.0], [-2.0, 2.5, 3.0, 4.0]), ([3.0, 3.0, -1.0], [-1.0, -1.0, 3.0])):
        if not np.isclose(
            function(np.array(deletion), np.array(insertion)), _trapezoids(np.subtract(insertion, deletion))
        ):
            return False
    return True


def is_verdict(function: object) -> bool:
    """The right words for every kind of pair of intervals."""
    return all(function(over_chance, over_centre) == words for over_chance, over_centre, words in CASES)


def _by_middles(over_chance: tuple[float, float], over_centre: tuple[float, float]) -> str:
    if sum(over_chance) > 0:
        return "better than a centre guess" if sum(over_centre) > 0 else "better than chance"
    return "worse than chance"


def _without_rival(over_chance: tuple[float, float], over_centre: tuple[float, float]) -> str:
    if over_chance[0] > 0:
        return "better than chance"
    return "worse than chance" if over_chance[1] < 0 else "no better than chance"


EXERCISES = {
    "4.1": Exercise(
        right=is_area,
        why="It counts both: falling early when hidden, rising early when shown. The reverse order has its negative.",
        hint="Subtract the curves, then average over the *steps*: a step is as high as the mean of its two ends.",
        wrong=(
            lambda deletion, insertion: (insertion - deletion).mean(),
            lambda deletion, insertion: _trapezoids(deletion - insertion),
            lambda deletion, insertion: _trapezoids(insertion - deletion) * (len(deletion) - 1),
            lambda deletion, insertion: _trapezoids(insertion),
            0.0,
        ),
    ),
    "4.2": Exercise(
        right=is_verdict,
        why="An interval that holds 0 decides nothing. And chance is a weak rival: to beat it alone explains little.",
        hint="Look at the ends of the intervals, not at their middles: wholly above 0 means that `low` is above 0.",
        wrong=(
            _by_middles,
            _without_rival,
            lambda over_chance, over_centre: "no better than chance",
            lambda over_chance, over_centre: over_chance[0] > 0,
            "better than chance",
        ),
    ),
    "4.3": Exercise(
        right=one_of("local, raw", "local raw"),
        why="Better than chance, and gone with the weights. Still worse than a guess at the middle of the face.",
        hint="A star with a plus in the first column; a number near 0 in the last.",
        wrong=("word, raw", "global, raw", "local, rollout", "local clues, relative", "local"),
    ),
}
