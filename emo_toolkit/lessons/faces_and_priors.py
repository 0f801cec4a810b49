"""Exercises of notebook 02."""

import numpy as np

from ..face.geometry import apply, invert, square_transform
from .exercise import Exercise

CUT = square_transform(np.array([120.0, 80.0]), 150.0, 0.4, 224)
PLACES = np.array([[0.0, 0.0], [223.0, 0.0], [100.0, 50.0]])
USABLE = {"ok", "given", "cut_off"}


def goes_back(function: object) -> bool:
    """Crop pixels to picture pixels: the inverse of a similarity."""
    found = np.asarray(function(CUT, PLACES), float)
    return found.shape == PLACES.shape and np.allclose(found, apply(invert(CUT), PLACES), atol=1e-6)


def measures_opening(function: object) -> bool:
    """A ratio of distances that neither size nor tilt changes."""
    points = np.random.default_rng(2).uniform(0, 200, (68, 2))
    right = np.linalg.norm(points[62] - points[66]) / np.linalg.norm(points[36] - points[45])
    tilted = apply(square_transform(np.zeros(2), 60.0, 0.7, 224), points)
    return bool(np.isclose(function(points), right) and np.isclose(function(tilted), right))


def names_usable(words: object) -> bool:
    """The statuses whose frames reach the model, in any order."""
    return not isinstance(words, str) and {str(word).strip().lower().replace(" ", "_") for word in words} == USABLE


EXERCISES = {
    "2.1": Exercise(
        right=goes_back,
        why="Subtract what was added last, then undo the 2 x 2 part. Order matters: the way back runs backwards.",
        hint="The way there is `points @ T[:, :2].T + T[:, 2]`. Undo its last step first; the 2 x 2 part also scales.",
        wrong=(
            lambda transform, points: points @ transform[:, :2].T + transform[:, 2],
            lambda transform, points: points - transform[:, 2],
            lambda transform, points: (points - transform[:, 2]) @ transform[:, :2],
            lambda transform, points: points @ np.linalg.inv(transform[:, :2]).T - transform[:, 2],
        ),
    ),
    "2.2": Exercise(
        right=measures_opening,
        why="A ratio of two distances: no zoom changes it, and no tilt. A turned head does, because a photo is flat.",
        hint="Two straight distances, one divided by the other; points are counted from 0.",
        wrong=(
            lambda points: np.linalg.norm(points[62] - points[66]),
            lambda points: abs(points[62, 1] - points[66, 1]) / np.linalg.norm(points[36] - points[45]),
            lambda points: np.linalg.norm(points[63] - points[67]) / np.linalg.norm(points[37] - points[46]),
            0.3,
        ),
    ),
    "2.3": Exercise(
        right=names_usable,
        why="A face that is cut off is read, with care; too small, doubtful or absent ones give no answer at all.",
        hint="Ask `FaceStatus`: which of its members are `.usable`?",
        wrong=(
            ["ok"],
            ["ok", "given"],
            ["ok", "given", "cut_off", "too_small"],
            ["ok", "cut_off", "too_small"],
            "ok",
        ),
    ),
}
