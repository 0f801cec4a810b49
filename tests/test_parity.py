"""One clip, two callers: what the collator trains on is what the pipeline asks."""

import pytest
import torch
from PIL import Image, ImageOps

from emo_toolkit.data import EmoCollator, Instruction, TrainingRow
from emo_toolkit.labels import LABELS
from emo_toolkit.schema import EmoPrompt, FaceAttributes, Media

PROMPTS = [
    EmoPrompt("video", options=LABELS["dfew"], attributes=FaceAttributes("20-29", "male", origin="given")),
    EmoPrompt("video", question="Does the expression look clear or mixed?"),
]


@pytest.fixture(scope="module")
def clip(astronaut) -> Media:
    photo = Image.open(astronaut).convert("RGB")
    frames = (photo, photo.rotate(5), ImageOps.mirror(photo))
    return Media(frames, (0.0, 0.1, 0.2), "video", photo.size, 0.3)


@pytest.mark.parametrize("prompt", PROMPTS, ids=["category", "free"])
def test_collator_and_pipeline_make_the_same_inputs(tiny_pipeline, clip, prompt):
    reading = tiny_pipeline.look(clip)
    assert len(reading.seen) == 3
    text, asked = tiny_pipeline.inputs([reading], [prompt])
    with torch.no_grad():
        features = tiny_pipeline.model.get_vision_features(asked["pixel_values"][0])
    row = TrainingRow(Instruction(prompt, "happiness"), reading.priors, features.numpy())
    trained = EmoCollator(tiny_pipeline.processor)([row])

    assert trained.keys() - {"labels", "vision_features"} == asked.keys() - {"pixel_values"}
    length = asked["input_ids"].shape[1]
    answer = tiny_pipeline.processor.answer_ids("happiness")
    for name in asked.keys() - {"pixel_values", "input_ids", "attention_mask"}:
        assert torch.equal(trained[name], asked[name]), name
    for name in ("input_ids", "attention_mask"):
        assert torch.equal(trained[name][:, :length], asked[name]), name
    assert trained["input_ids"][0, length:].tolist() == answer
    assert trained["labels"][0].tolist() == [-100] * length + answer
    assert torch.equal(trained["vision_features"][0], features)
    assert text[0].count("<image>") == 1

    with torch.no_grad():  # and the model cannot tell them apart
        prompt_only = tiny_pipeline.model(**asked).logits
        both = tiny_pipeline.model(**{name: value for name, value in trained.items() if name != "labels"}).logits
    torch.testing.assert_close(both[:, :length], prompt_only, atol=1e-5, rtol=1e-5)
