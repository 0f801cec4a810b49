"""Exercises of notebook 06."""

from typing import Any

from .exercise import Exercise, close

LETTERS = {0.0: None, 0.05: "A", 0.15: "B", 0.2: "B", 0.3: "C", 0.5: "C", 0.6: "D", 0.85: "D", 0.9: "E", 1.0: "E"}


def is_letter(function: object) -> bool:
    """The FACS letter of an intensity; a bound belongs to the stronger letter."""
    return all(function(value) == letter for value, letter in LETTERS.items())


def is_right_contempt(units: dict[str, Any]) -> bool:
    """A tightened lip corner on the person's own right, which may also be pulled up a little, and nothing else."""
    strength, pull = units["R14"], units.get("R12", 0)
    return set(units) <= {"R12", "R14"} and 0.15 <= strength <= 1 and 0 <= pull <= strength


EXERCISES = {
    "6.1": Exercise(
        right=is_letter,
        why="Letters are an order, not a ruler: C and D span the widest ranges. The bounds in numbers are ours.",
        hint="Go through the bounds from the strongest to the weakest; the first that the value reaches gives the "
        "letter. A value of exactly 0.3 is a C already, and 0 has no letter.",
        wrong=(
            lambda value: "ABCDE"[min(4, int(5 * value))],
            lambda value: "A" if value < 0.15 else "B" if value < 0.3 else "C" if value < 0.6 else "D",
            lambda value: "C",
            "C",
        ),
    ),
    "6.2": Exercise(
        right=is_right_contempt,
        why="Contempt is the one prototype of a single side, so it matters whose right: the person's, not yours.",
        hint="Which unit tightens a lip corner? Its code for one side begins with L or R. Nothing else need move.",
        wrong=({"AU14": 1.0}, {"L14": 1.0}, {"R14": 1.0, "L14": 1.0}, {"R12": 1.0}, {"R14": 0.0}, "R14"),
    ),
    "6.3": Exercise(
        right=close(0.4, 5e-3),
        why="Precision 1/2, recall 1/3. A text that names all 26 units has recall 1, so recall alone is no score.",
        hint="Precision: of the units that the text names, how many are there? Recall: of those there, how many "
        "does it name? F1 is 2 x precision x recall / (precision + recall).",
        wrong=(0.5, 1 / 3, 5 / 12, 0.6, "AU12"),
    ),
}
