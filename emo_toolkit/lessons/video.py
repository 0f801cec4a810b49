"""Exercises of notebook 07."""

from ..media import segment_centres
from .exercise import Exercise, close

CASES = ((100, 4), (250, 16), (48, 1), (17, 16), (16, 16), (3, 8))  # frames in the clip, frames to read


def is_segment_centres(function: object) -> bool:
    """The middle of equal parts, rounded down; of a short clip every frame once."""
    return all([int(number) for number in function(*case)] == segment_centres(*case) for case in CASES)


EXERCISES = {
    "7.1": Exercise(
        right=is_segment_centres,
        why="Every part sends the frame in its middle. Both ends of the clip, which may be black, are left out.",
        hint="Part k of num begins at k * count / num and is count / num long: where is its middle? Round down. "
        "A clip that has no more than num frames gives every frame once.",
        wrong=(
            lambda count, num: [k * count // num for k in range(num)],
            lambda count, num: [k * (count - 1) // max(1, num - 1) for k in range(num)],
            lambda count, num: [(2 * k + 1) * count // (2 * num) for k in range(num)],
            lambda count, num: list(range(count))[:: max(1, count // num)],
            [12, 37, 62, 87],
        ),
    ),
    "7.2": Exercise(
        right=close(0.64, 5e-3),
        why="Frames lie 0.625 s apart, and 0.4 / 0.625 is 0.64: in more than a third of such clips no frame shows it.",
        hint="How far apart are two frames that are read? Slide a window of 0.4 s along them: for which share of its "
        "places does it hold one?",
        wrong=(0.04, 0.36, 1.0, 0.48, "often"),
    ),
    "7.3": Exercise(
        right=close(25),
        why="Then frames lie 0.4 s apart, and every window of 0.4 s holds one. It costs the model 36 more tokens.",
        hint="How far apart may frames lie at most, so that every window of 0.4 s holds one? How many fit into 10 s?",
        wrong=(16, 24, 26, 250, 0.4),
    ),
}
