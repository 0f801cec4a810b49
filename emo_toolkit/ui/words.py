"""Sentences of the page about one reading: what is likely, what was seen, where attribute words come from."""

from collections.abc import Mapping

from ..pipeline import Reading
from ..schema import FaceAttributes

SURE = 0.5  # below this likelihood no single label is named
NO_BARS = "A free question is answered in words only; leave it empty to see how likely each expression is."
SOURCES = {"estimated": "Estimated from the face", "given": "Given by you"}


def unsure(scores: Mapping[str, float]) -> bool:
    """Whether no label is likelier than not."""
    return bool(scores) and max(scores.values()) < SURE


def headline(scores: Mapping[str, float]) -> str:
    """The likeliest label, or the two that come closest when none is likelier than not."""
    (first, high), (second, low), *_ = sorted(scores.items(), key=lambda item: -item[1])
    if unsure(scores):
        return f"## Unsure: {first} {high:.1%} or {second} {low:.1%}?"
    return f"## {first} {high:.1%}"


def frames_sentence(reading: Reading) -> str:
    """How many frames the model sees, and why the others are left out."""
    seen, total = len(reading.seen), len(reading.crops)
    if reading.media.kind == "image":
        return "Read from the face in the photo."
    if seen == total:
        return f"Read from {total} frames, all with a usable face."
    return f"Read from {seen} of {total} frames; {total - seen} without a usable face ({reading.missing})."


def attributes_sentence(known: FaceAttributes) -> str:
    """The attribute words that the prompt holds, and where they come from."""
    words = ", ".join(filter(None, (known.race, known.gender, known.age and f"aged {known.age}")))
    return f"{SOURCES[known.origin]}: {words}." if words else ""
