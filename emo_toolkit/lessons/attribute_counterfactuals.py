"""Exercises of notebook 05."""

import math

import numpy as np

from .exercise import Exercise, close, one_of

P_VALUES = (0.012, 0.2, 0.004, 0.03, 0.013)
HOLM = (0.048, 0.2, 0.02, 0.06, 0.048)  # 0.013 x 3 is less than 0.012 x 4, and may not come before it


def is_log_odds_difference(function: object) -> bool:
    """log(p / (1 - p)) with the word, less the same without it."""
    pairs = {(0.9, 0.5): math.log(9), (0.5, 0.5): 0.0, (0.2, 0.4): math.log(3 / 8), (0.99, 0.98): math.log(99 / 49)}
    return all(math.isclose(function(*pair), right, abs_tol=1e-3) for pair, right in pairs.items())


def is_holm(answer: object) -> bool:
    """The five corrected p values, in the order in which they were given."""
    return bool(np.allclose(np.asarray(answer, float), HOLM, rtol=0, atol=1e-4))


EXERCISES = {
    "5.1": Exercise(
        right=is_log_odds_difference,
        why="From 50 to 90 % is +2.2, as large as from 50 to 10 %; from 98 to 99 % is +0.7, which doubles the odds.",
        hint="The log-odds of p are log(p / (1 - p)), with the natural logarithm; take those with the word less those "
        "without it.",
        wrong=(
            lambda with_word, without: with_word - without,
            lambda with_word, without: math.log(with_word / without),
            lambda with_word, without: (with_word / (1 - with_word)) / (without / (1 - without)),
            lambda with_word, without: math.log(without / (1 - without)) - math.log(with_word / (1 - with_word)),
            0.7,
        ),
    ),
    "5.2": Exercise(
        right=is_holm,
        why="Three stay below 0.05. Uncorrected it would be four; multiplying every one by 5 (Bonferroni) leaves one.",
        hint="Sort them. Multiply the smallest by 5, the next by 4, and so on; where a result is smaller than the one "
        "before it, it takes that one's value. Then put them back into the order in which they were given.",
        wrong=(
            P_VALUES,
            [5 * p for p in P_VALUES],
            [0.048, 0.2, 0.02, 0.06, 0.039],
            [0.02, 0.048, 0.048, 0.06, 0.2],
            0.02,
        ),
    ),
    "5.3": Exercise(
        right=close(4),
        why="120 / 13 ** 3 is 0.055 and 120 / 13 ** 4 is 0.004: with three wordings nothing could ever count, however "
        "large. We ask eight.",
        hint="Compute 120 / 13 ** n for n = 1, 2, 3, ... and stop at the first that is below 0.05.",
        wrong=(3, 2, 5, 8, "4 or more"),
    ),
    "5.4": Exercise(
        right=one_of("c"),
        why="One photo, one model, a word that somebody typed: nothing about other photos, other models or people.",
        hint="What was changed: a person, a picture or a word? And on how many pictures?",
        wrong=("a", "b", "d", 3),
    ),
}
