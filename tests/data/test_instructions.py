"""Samples -> questions and answers: FERID's category item, and free questions that only say what is known."""

import random

import numpy as np
import pytest

from emo_toolkit.data import action_unit_items, category_item, rater_item
from emo_toolkit.labels import LABELS, parse_label
from emo_toolkit.prompts import question_text
from emo_toolkit.schema import EmoSample, FaceAttributes, FaceTruth
from emo_toolkit.synthetic.scoring import score_text

NOBODY = dict.fromkeys(LABELS["ferplus"], 0.0)


def sample(kind: str = "image", **votes: float) -> EmoSample:
    known = NOBODY | votes
    label = max(known, key=known.__getitem__)
    return EmoSample("a", "a.png", kind, label, "ferplus", "train", votes=known)


def test_category_item():
    known = FaceAttributes("20-29", "male", origin="given")
    item = category_item(sample(fear=9, anger=1), known)
    assert item.answer == "fear"
    assert item.prompt.options == LABELS["ferplus"] and item.prompt.attributes == known
    assert question_text(item.prompt).endswith(
        "{neutral, happiness, surprise, sadness, anger, disgust, fear, contempt}."
    )
    assert "the video?" in question_text(category_item(sample("video", fear=1)).prompt)


@pytest.mark.parametrize("dataset", LABELS)
def test_every_set_offers_its_own_labels(dataset):
    label = LABELS[dataset][-1]
    item = category_item(EmoSample("a", "a.mp4", "video", label, dataset, "train"))
    assert item.answer == label and item.prompt.options == LABELS[dataset]


@pytest.mark.parametrize(
    ("votes", "answer"),
    [
        ({"happiness": 10}, "Most raters would call this expression happiness."),
        ({"happiness": 7, "neutral": 3}, "Most raters would call this expression happiness."),
        ({"sadness": 6, "fear": 4}, "Raters disagree: sadness is named most often, followed by fear."),
        (
            {"anger": 4, "fear": 1, "disgust": 1, "neutral": 1, "contempt": 1},
            "Raters disagree, but anger is named most often.",
        ),
    ],
)
def test_rater_item_says_how_raters_voted(votes, answer):
    item = rater_item(sample(**votes), random.Random(0))
    assert item.answer == answer and item.prompt.options == ()
    assert parse_label(item.answer, LABELS["ferplus"]) == max(votes, key=votes.__getitem__)


def test_rater_questions_vary_and_repeat_with_the_seed():
    asked = [question_text(rater_item(sample("video", fear=1), random.Random(seed)).prompt) for seed in range(30)]
    assert len(set(asked)) >= 4 and not any("{" in question or "image" in question for question in asked)
    assert asked[3] == question_text(rater_item(sample("video", fear=1), random.Random(3)).prompt)


def test_action_unit_items_answer_from_the_truth_of_a_rendered_face():
    units = {"AU6": 0.8, "AU12": 0.9}
    nothing = np.zeros((68, 2), np.float32)
    truth = FaceTruth("happiness", units, 30, "male", "White", 0, 0, 0, 0.8, 0.3, nothing, nothing[:, 0] == 0, 1, 1)
    known = FaceAttributes("30-39", "male", "White", origin="given")
    drawn = EmoSample("a", "a.mp4", "video", "happiness", "ferplus", "train", truth=truth)
    asked = set()
    for seed in range(60):
        items = action_unit_items(drawn, random.Random(seed), known)
        assert items == action_unit_items(drawn, random.Random(seed), known)
        first = score_text(items[0].answer, truth)
        assert first.f1 == 1 and first.label_agrees
        for item in items:
            assert score_text(item.answer, truth).precision == 1
            assert item.prompt.kind == "video" and item.prompt.options == () and item.prompt.attributes == known
            asked.add(question_text(item.prompt))
    assert len(asked) > 10 and not any("image" in question or "{" in question for question in asked)
