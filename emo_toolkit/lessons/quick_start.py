"""Exercises of notebook 01."""

from .exercise import Exercise, one_of

SHARES = {"surprise": 0.41, "fear": 0.38, "neutral": 0.21}


def is_headline(function: object) -> bool:
    """The likeliest label from a half on, else "unsure"."""
    return (
        function(SHARES) == "unsure"
        and function({"anger": 0.2, "neutral": 0.8}) == "neutral"
        and function({"fear": 0.5, "anger": 0.3, "sadness": 0.2}) == "fear"
    )


EXERCISES = {
    "1.1": Exercise(
        right=is_headline,
        why="No label above a half means that more likelihood lies on the other labels together.",
        hint='It gets a dictionary of label -> likelihood and returns one word: the likeliest label, or "unsure".',
        wrong=(
            lambda scores: max(scores, key=scores.get),
            lambda scores: "unsure",
            lambda scores: max(scores.values()),
            "unsure",
        ),
    ),
    "1.2": Exercise(
        right=one_of("perceived"),
        why="Raters looked at pictures and said what they would call them; nobody asked the person in the picture.",
        hint="What did the people who made the training labels have in front of them: a picture or a person?",
        wrong=("felt", "both", 1),
    ),
}
