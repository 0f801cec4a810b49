"""Training rows -> a batch: answers are learnt, everything else is what inference would see."""

import random

import numpy as np
import pytest
import torch

from emo_toolkit.data import EmoCollator, TrainingRow, category_item, rater_item
from emo_toolkit.labels import LABELS
from emo_toolkit.prompts import question_text
from emo_toolkit.schema import EmoSample, FaceAttributes, FacialPriors


def make_row(label: str, seed: int, *, frames: int = 1, free: bool = False) -> TrainingRow:
    rng = np.random.default_rng(seed)
    priors = FacialPriors(
        embedding=rng.normal(size=(frames, 49, 1536)).astype(np.float16),
        landmarks=rng.uniform(-1, 1, (frames, 68, 2)).astype(np.float32),
        boxes=np.zeros((frames, 4), np.float32),
        found=np.ones(frames, bool),
    )
    votes = {name: float(name == label) for name in LABELS["ferplus"]}
    kind = "image" if frames == 1 else "video"
    sample = EmoSample(f"s{seed}", "s.png", kind, label, "ferplus", "train", votes=votes)
    known = FaceAttributes("30-39", "female", origin="estimated")
    item = rater_item(sample, random.Random(seed), known) if free else category_item(sample, known)
    return TrainingRow(item, priors, rng.normal(size=(frames, 17, 32)).astype(np.float16))


@pytest.fixture
def collate(tiny_pipeline) -> EmoCollator:
    return EmoCollator(tiny_pipeline.processor)


def test_only_answers_are_learnt(collate):
    rows = [make_row("happiness", 0), make_row("fear", 1, free=True), make_row("anger", 2, frames=3)]
    batch, tokenizer = collate(rows), collate.processor.tokenizer
    for labels, ids, row in zip(batch["labels"], batch["input_ids"], rows, strict=True):
        learnt = labels[labels != -100]
        assert tokenizer.decode(learnt) == row.instruction.answer + tokenizer.eos_token
        assert torch.equal(ids[labels != -100], learnt)
    assert batch["frame_mask"].sum(1).tolist() == [1, 1, 3]


def test_the_guide_is_the_question_and_the_prompt_has_the_attributes(collate):
    row = make_row("happiness", 0)
    batch, tokenizer = collate([row]), collate.processor.tokenizer
    assert tokenizer.decode(batch["guide_input_ids"][0]) == question_text(row.instruction.prompt)
    said = tokenizer.decode(batch["input_ids"][0])
    assert "is a female aged 30-39. What is the facial expression" in said and said.endswith("happiness<|im_end|>")


def test_cached_values_reach_the_batch(collate):
    row = make_row("anger", 2, frames=3)
    batch = collate([make_row("fear", 1), row])
    np.testing.assert_array_equal(batch["vision_features"][1].numpy(), row.vision_features.astype(np.float32))
    np.testing.assert_array_equal(batch["face_embeds"][1].numpy(), row.priors.embedding.astype(np.float32))
    np.testing.assert_array_equal(batch["face_landmarks"][1].numpy(), row.priors.landmarks)
    assert batch["vision_features"].dtype == torch.float32 and not batch["vision_features"][0, 1:].any()


def test_a_batch_trains_the_model(collate, tiny_pipeline):
    with torch.no_grad():
        outputs = tiny_pipeline.model(**collate([make_row("happiness", 0), make_row("fear", 1, frames=2)]))
    assert outputs.loss.isfinite() and outputs.frame_tokens.shape[0] == 3
