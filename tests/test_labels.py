"""Class names and what an answer names: the right word, a synonym, or nothing."""

import pytest

from emo_toolkit.labels import DEFAULT_OPTIONS, LABELS, SYNONYMS, canonical, parse_label

EVERY = [(name, label) for name, labels in LABELS.items() for label in labels]


@pytest.mark.parametrize(("name", "label"), EVERY)
def test_every_label_parses_to_itself(name, label):
    for text in (
        label,
        label.upper(),
        f"{label}.",
        f" {label}\n",
        f"The face shows {label}!",
        f"It is {label}, I think",
    ):
        assert parse_label(text, LABELS[name]) == label


@pytest.mark.parametrize("name", LABELS)
def test_sets_have_the_published_classes(name):
    counts = {"rafdb": 7, "ferplus": 8, "affectnet": 8, "dfew": 7, "ferv39k": 7, "mafw": 11}
    counts |= {"affectnet7": 7, "synthetic": 8, "synthetic_clips": 8, "manifest": 11}
    labels = LABELS[name]
    assert len(labels) == len(set(labels)) == counts[name]
    assert set(LABELS["rafdb"]) <= set(labels) <= set(SYNONYMS)


def test_every_synonym_names_one_label():
    words = [word for label, synonyms in SYNONYMS.items() for word in (label, *synonyms)]
    assert len(words) == len(set(words)) and all(word == word.lower() for word in words)
    for label, synonyms in SYNONYMS.items():
        for word in (label, *synonyms):
            assert canonical(f" {word.title()} ") == label
            assert parse_label(f"She looks {word}.", tuple(SYNONYMS)) == label


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("joy", "happiness"),
        ("The person looks surprised, not sad.", "surprise"),
        ("Raters disagree: anger is named most often, followed by neutral.", "anger"),
        ("unhappy", None),
        ("an unhappy, fearless, angrily said word", None),
        ("saddened", None),
        ("helpless", None),  # no option of FERPlus
        ("I cannot tell", None),
        ("", None),
        (" .!? ", None),
        (None, None),
    ],
)
def test_what_an_answer_names(text, label):
    assert parse_label(text, DEFAULT_OPTIONS) == label


def test_words_of_the_caller():
    assert parse_label("I see Joy", ("Joy", "grief")) == "Joy"
    assert parse_label("happiness", ("joy", "sadness")) == "joy"
    assert parse_label("sad", ("sad", "sadness")) == "sad" and parse_label("sadness", ("sad", "sadness")) == "sadness"
    assert parse_label("very happy", ("happy", "very happy")) == "very happy"
    assert parse_label("a+b", ("a+b", "c")) is None  # punctuation never counts
    assert parse_label("anything", ()) is None


def test_unknown_words():
    assert canonical("tired") is None and canonical("") is None
