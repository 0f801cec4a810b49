"""What the notebooks share: example files, and exercises whose answers are checked.

check("1.1", answer) -> prints whether it is right, and why or a hint; one module holds the exercises of one notebook.
"""

from pathlib import Path
from typing import Any

from ..errors import EmoError
from . import (
    action_units,
    attribute_counterfactuals,
    evaluate,
    face_info_mining,
    faces_and_priors,
    is_attention_an_explanation,
    limits_and_law,
    quick_start,
    train_a_tiny_model,
    video,
)
from .exercise import Exercise

LESSONS = (  # in the order of the notebooks, whose names end like theirs
    *(quick_start, faces_and_priors, face_info_mining, is_attention_an_explanation),
    *(attribute_counterfactuals, action_units, video),
    *(train_a_tiny_model, evaluate, limits_and_law),
)
EXERCISES: dict[str, Exercise] = {number: one for lesson in LESSONS for number, one in lesson.EXERCISES.items()}
EXAMPLES = Path(__file__).parents[1] / "assets" / "examples"


def example(name: str) -> Path:
    """A photo or clip that comes with the toolkit: drawn faces of nobody, and one public-domain photo.

    Raises:
        EmoError: there is none of that name; the message lists them.
    """
    path = EXAMPLES / name
    if not path.is_file():
        known = ", ".join(sorted(each.name for each in EXAMPLES.iterdir()))
        raise EmoError(f"there is no example '{name}'; there are: {known}")
    return path


def check(number: str, answer: Any) -> None:
    """Prints whether an answer to an exercise is right, and why or a hint. `...` is no answer yet.

    Args:
        number: of the notebook and in it, such as "3.2".
        answer: what the exercise asks for; of a wrong type it is wrong, and never an error.

    Raises:
        EmoError: there is no such exercise.
    """
    if number not in EXERCISES:
        raise EmoError(f"there is no exercise {number}; there are: {', '.join(sorted(EXERCISES))}")
    exercise = EXERCISES[number]
    if answer is ...:
        said = "not answered yet. Replace the three dots and run the cell again."
    else:
        said = f"right. {exercise.why}" if exercise.accepts(answer) else f"not yet. {exercise.hint}"
    print(f"{number}: {said}")
