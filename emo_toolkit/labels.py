"""Class names of each data set, synonyms, and the attribute words. Keyed by name, never by integer:

public repositories disagree on the integers. Sources: the data sets' own papers and the FERID prompts.
"""

import re
from bisect import bisect_right

BASIC_7 = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")
LABELS: dict[str, tuple[str, ...]] = {
    "rafdb": BASIC_7,  # the official order 1..7
    "ferplus": ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"),  # csv order
    "affectnet": ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt"),
    "dfew": ("happiness", "sadness", "neutral", "anger", "surprise", "disgust", "fear"),
    "ferv39k": ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"),
    "mafw": (
        *("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"),
        *("contempt", "anxiety", "helplessness", "disappointment"),
    ),
}
LABELS["affectnet7"] = LABELS["affectnet"][:-1]  # without contempt
LABELS |= dict.fromkeys(("synthetic", "synthetic_clips"), LABELS["ferplus"])  # drawn ones: data/synthetic.py
LABELS["manifest"] = LABELS["mafw"]  # people's own media: every label known
DEFAULT_OPTIONS = LABELS["ferplus"]

SYNONYMS: dict[str, tuple[str, ...]] = {
    "anger": ("angry", "mad"),
    "anxiety": ("anxious",),
    "contempt": ("contemptuous",),
    "disappointment": ("disappointed",),
    "disgust": ("disgusted",),
    "fear": ("fearful", "afraid", "scared"),
    "happiness": ("happy", "joy", "joyful"),
    "helplessness": ("helpless",),
    "neutral": ("calm",),
    "sadness": ("sad",),
    "surprise": ("surprised",),
}
_CANONICAL = {word: label for label, words in SYNONYMS.items() for word in (label, *words)}

AGE_GROUPS = ("0-2", "3-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "70+")
AGE_STARTS = (0, 3, 10, 20, 30, 40, 50, 60, 70)  # first year of each
GENDERS = ("male", "female")
RACES = ("White", "Black", "Indian", "Asian")  # FaceXFormer's classes without "Others"; never estimated for visitors


def canonical(word: str) -> str | None:
    """The label that `word` names ("joy" -> "happiness"), or None."""
    return _CANONICAL.get(word.strip().lower())


def age_group(years: float) -> str:
    """The word of AGE_GROUPS for an age in years."""
    return AGE_GROUPS[max(0, bisect_right(AGE_STARTS, years) - 1)]


def parse_label(text: str | None, options: tuple[str, ...]) -> str | None:
    """The option that an answer names: an exact match first, else the first option or synonym that occurs in it.

    Returns None when no option is named; evaluation counts that as wrong. Source: paper.md 3.4 (our choice).
    """
    clean = re.sub(r"[^\w\s-]", " ", (text or "").lower()).strip()
    by_word = {word: option for option in options for word in _words_of(canonical(option))}
    by_word |= {option.lower(): option for option in options}  # an option's own name comes before any synonym
    if clean in by_word:
        return by_word[clean]
    words = "|".join(sorted(map(re.escape, by_word), key=len, reverse=True))
    found = re.search(rf"\b({words})\b", clean)
    return by_word.get(found.group(1)) if found else None


def _words_of(label: str | None) -> tuple[str, ...]:
    return (label, *SYNONYMS[label]) if label else ()
