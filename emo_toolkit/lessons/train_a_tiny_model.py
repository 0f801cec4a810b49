"""Exercises of notebook 08."""

from collections.abc import Callable
from math import e, exp, isclose

from .exercise import Exercise, one_of


def is_surest(function: Callable[[float, int], float]) -> bool:
    """One score at the top and all others at the bottom, through softmax."""
    return all(
        isclose(function(reach, words), 1 / (1 + (words - 1) * exp(-2 * reach)), rel_tol=1e-6)
        for reach, words in ((1.0, 512), (0.0, 8), (10.0, 512), (3.0, 2))
    )


def counts_lora(function: Callable[[int, int, int], int]) -> bool:
    """Both thin matrices."""
    cases = {(576, 1536, 4): 8448, (48, 96, 16): 2304, (10, 10, 1): 20}
    return all(function(*case) == count for case, count in cases.items())


EXERCISES = {
    "8.1": Exercise(
        right=is_surest,
        why="One word at the top, all others at the bottom. With vectors as short as these that is a few per cent, "
        "and the loss of a word cannot fall far, whatever is learnt.",
        hint="Softmax divides exp(score) by the sum over all words. Put one word at `reach` and all others where they "
        "take the least away from it.",
        wrong=(
            lambda reach, words: 1 / words,
            lambda reach, words: exp(reach) / (exp(reach) + words - 1),
            lambda reach, words: exp(reach) / (exp(reach) + words * exp(-reach)),
            e / 512,
        ),
    ),
    "8.2": Exercise(
        right=counts_lora,
        why="Rank 4 beside a matrix of 576 x 1536 learns a hundredth of its numbers: an adapter fits into an e-mail.",
        hint="Count the numbers of each thin matrix by itself, then add them up.",
        wrong=(
            lambda rows, columns, rank: rows * columns,
            lambda rows, columns, rank: rank * rows * columns,
            lambda rows, columns, rank: rows * rank * rank * columns,
            lambda rows, columns, rank: rank * rank,
        ),
    ),
    "8.3": Exercise(
        right=one_of("b"),
        why="Its loss is the highest in the end, and it alone reads people it never met better than guessing (0.125).",
        hint="What is the model for: the faces it learnt from, or others? Which column says so?",
        wrong=("A", "C", "all", 2.4),
    ),
}
