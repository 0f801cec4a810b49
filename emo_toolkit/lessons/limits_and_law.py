"""Exercises of notebook 10, and what it reads faces with."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from ..labels import DEFAULT_OPTIONS
from ..pipeline import EmoPipeline
from ..schema import EmoPrompt, Media
from ..synthetic import FaceSpec
from .exercise import Exercise, close


def read_faces(pipeline: EmoPipeline, pictures: Sequence[Image.Image]) -> list[dict[str, float]]:
    """The likelihood of each of the eight labels for each picture, all in one batch; {} where no face was found."""
    readings = [pipeline.look(Media((each,), (0.0,), "image", each.size)) for each in pictures]
    kept = [each for each in readings if each.priors is not None]
    rows = pipeline.likelihoods(kept, EmoPrompt(options=DEFAULT_OPTIONS)).softmax(1).tolist() if kept else []
    shares = iter(rows)
    return [dict(zip(DEFAULT_OPTIONS, next(shares), strict=True)) if each.priors else {} for each in readings]


def one_sided(spec: FaceSpec) -> FaceSpec:
    """The same face with every action unit on its left side alone."""
    units = {f"L{code.removeprefix('AU')}" if code.startswith("AU") else code: value
             for code, value in spec.expression.action_units.items()}  # fmt: skip
    return replace(spec, expression=replace(spec.expression, action_units=units))


def is_precision(function: Callable[[set[str], set[str]], float]) -> bool:
    """The share of what is claimed that is there; nothing claimed is nothing wrong."""
    return bool(
        np.isclose(function({"AU6", "AU12", "AU25"}, {"AU12", "AU25"}), 2 / 3)
        and np.isclose(function({"AU4"}, {"AU4", "AU7", "AU23"}), 1)
        and np.isclose(function({"AU4"}, set()), 0)
        and np.isclose(function(set(), {"AU4"}), 1)
    )


def is_overconfidence(function: Callable[[list[float], list[bool]], float]) -> bool:
    """Mean likelihood of what was said, minus the share that was right."""
    return bool(
        np.isclose(function([0.9, 0.8, 1.0, 0.9], [True, False, True, False]), 0.4)
        and np.isclose(function([0.5, 0.7], [True, True]), -0.4)
    )


def knows_law(answer: dict[str, str]) -> bool:
    """Which paragraph each case meets first."""
    right = {"school": "5(1)(f)", "album": "5(1)(g)", "shop": "50(3)", "lesson": "none"}
    return {case: word.lower().removeprefix("art. ").strip() for case, word in answer.items()} == right


EXERCISES = {
    "10.1": Exercise(
        right=is_overconfidence,
        why="Above zero the model is surer than it is right. A calibrated one would be at zero.",
        hint="Two means and a difference: how likely it thought its answers, and which share of them was right.",
        wrong=(
            lambda sure, right: sum(right) / len(right) - sum(sure) / len(sure),
            lambda sure, right: sum(sure) / len(sure),
            lambda sure, right: max(sure) - sum(right) / len(right),
            0.4,
        ),
    ),
    "10.2": Exercise(
        right=is_precision,
        why="A sentence that claims much sounds observant; precision asks how much of it is there.",
        hint="How many of the claimed units are visible too, and of how many? Mind the answer that claims nothing.",
        wrong=(
            lambda claimed, visible: len(claimed & visible) / len(visible),
            lambda claimed, visible: len(claimed & visible) / len(claimed),
            lambda claimed, visible: len(claimed & visible),
            lambda claimed, visible: len(claimed & visible) / len(claimed | visible),
        ),
    ),
    "10.3": Exercise(
        right=close(15 / 110, 2e-3),
        why="Most scowls are not anger's, although angry people scowl three times as often: there are so many others.",
        hint="How many of the 1,000 are angry and scowl? How many scowl and are not angry? You see one who scowls.",
        wrong=(0.3, 0.75, 15 / 1000, 15 / 95, 0.05),
    ),
    "10.4": Exercise(
        right=knows_law,
        why="Purpose and place decide, not the code: one and the same model is prohibited here and a lesson there.",
        hint="Ask of each case: are these people at work or in education? Is race deduced? Is anybody read at all?",
        wrong=(
            {"school": "50(3)", "album": "5(1)(g)", "shop": "50(3)", "lesson": "none"},
            {"school": "5(1)(f)", "album": "5(1)(g)", "shop": "none", "lesson": "none"},
            {"school": "5(1)(f)", "album": "5(1)(g)", "shop": "50(3)", "lesson": "5(1)(f)"},
            {"school": "5(1)(f)"},
        ),
    ),
}
