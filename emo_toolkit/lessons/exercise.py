"""One exercise: what is right, what to say, and wrong answers that must not pass."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Exercise:
    """An exercise of a notebook.

    Args:
        right: whether an answer is right; it may raise on an answer of another type, which is then wrong.
        why: one or two sentences that follow a right answer.
        hint: the same after a wrong one; it does not give the answer away.
        wrong: likely wrong answers; the tests hold them against `right`.
    """

    right: Callable[[Any], Any]
    why: str
    hint: str
    wrong: tuple[Any, ...]

    def accepts(self, answer: Any) -> bool:
        """Whether the answer is right; whatever goes wrong inside is a wrong answer."""
        try:
            return bool(self.right(answer))
        except Exception:
            return False


def close(value: float, tolerance: float = 1e-3) -> Callable[[Any], bool]:
    """For numbers: right within a tolerance."""
    return lambda answer: bool(np.isclose(float(answer), value, rtol=0, atol=tolerance))


def one_of(*words: str) -> Callable[[Any], bool]:
    """For words: right whatever the case."""
    return lambda answer: answer.strip().lower() in words
