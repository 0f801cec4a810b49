"""The one processor call: placeholders, padding, labels and the guide, and errors that name both numbers."""

import numpy as np
import pytest
import torch
from tiny_inputs import QUESTIONS, random_batch, random_crops, random_priors, rendered
from transformers import AutoProcessor

from emo_toolkit.model import IMAGE_TOKEN, EmoLlamaProcessor
from emo_toolkit.model.processing_emo_llama import MAX_GUIDE_TOKENS


@pytest.fixture(scope="module")
def processor(tiny_pipeline) -> EmoLlamaProcessor:
    return tiny_pipeline.processor


def call(processor: EmoLlamaProcessor, **changes: object) -> object:
    """One good prompt with two frames, but for `changes`."""
    values = {
        "text": [IMAGE_TOKEN],
        "crops": [random_crops(2, 0)],
        "priors": [random_priors(2, 0)],
        "guides": ["Is this a smile?"],
    }
    return processor(**(values | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"text": IMAGE_TOKEN}, "text is one string"),
        ({"crops": None}, "pass crops, or vision_features"),
        ({"text": [IMAGE_TOKEN] * 2}, "2 prompts, but 1 crops"),
        ({"priors": [random_priors(2, 0)] * 3}, "1 prompts, but 3 priors"),
        ({"guides": []}, "1 prompts, but 0 guides"),
        ({"answers": ["fear", "anger"]}, "1 prompts, but 2 answers"),
        ({"crops": None, "vision_features": []}, "1 prompts, but 0"),
        ({"crops": [random_crops(3, 0)]}, "3 frames, but facial priors for 2"),
        ({"crops": [[]], "priors": [random_priors(0, 0)]}, "without a single frame"),
        ({"text": ["no picture"]}, "needs one <image>, this one has 0"),
        ({"text": ["<image> and <image>"]}, "needs one <image>, this one has 2"),
    ],
)
def test_errors_name_both_numbers(processor, changes, message):
    call(processor)
    with pytest.raises(ValueError, match=message):
        call(processor, **changes)


def test_every_frame_has_its_placeholders(processor):
    batch = random_batch(processor, [0, 1, 2])
    placeholder = processor.tokenizer.convert_tokens_to_ids(IMAGE_TOKEN)
    counts = (batch["input_ids"] == placeholder).sum(1)
    assert counts.tolist() == [processor.tokens_per_frame * frames for frames in (1, 2, 3)]
    assert batch["frame_mask"].sum(1).tolist() == [1, 2, 3]


def test_short_clips_are_padded_behind(processor):
    batch = random_batch(processor, [0, 2])
    assert batch["pixel_values"].shape == (2, 3, 3, 56, 56)
    assert batch["face_embeds"].shape == (2, 3, 49, 1536) and batch["face_landmarks"].shape == (2, 3, 68, 2)
    for name in ("pixel_values", "face_embeds", "face_landmarks", "face_found"):
        assert batch[name][0, 0].any() and not batch[name][0, 1:].any(), name
    assert batch["face_found"].dtype == batch["frame_mask"].dtype == torch.bool


def test_prompts_are_padded_in_front(processor):
    batch = random_batch(processor, [0, 1])
    ids, mask = batch["input_ids"], batch["attention_mask"]
    assert mask[:, -1].all() and not mask.all()
    assert (ids[mask == 0] == processor.tokenizer.pad_token_id).all()
    for row, clip in enumerate((0, 1)):
        text = rendered(processor, QUESTIONS[clip]).replace(
            IMAGE_TOKEN, IMAGE_TOKEN * processor.tokens_per_frame * (clip + 1)
        )
        assert processor.tokenizer.decode(ids[row][mask[row] == 1]) == text


def test_labels_are_the_answer_and_its_end(processor):
    answers = ["happiness", "Raters disagree."]
    batch = random_batch(processor, [0, 1], answers=answers)
    prompts = random_batch(processor, [0, 1])
    for row, answer in enumerate(answers):
        expected = processor.answer_ids(answer)
        assert expected[-1] == processor.tokenizer.eos_token_id
        labels, length = batch["labels"][row], int(prompts["attention_mask"][row].sum())
        assert labels[:length].eq(-100).all()
        assert labels[length : length + len(expected)].tolist() == expected
        assert labels[length + len(expected) :].eq(-100).all()
        real = batch["attention_mask"][row] == 1
        assert batch["input_ids"][row][real][length:].tolist() == expected
        assert real.sum() == length + len(expected) and real[: int(real.sum())].all()  # padded behind
    assert "labels" not in prompts


def test_labels_of_the_house_start_with_different_tokens(processor):
    assert len({processor.answer_ids(label)[0] for label in ("happy", "sad", "neutral")}) == 3


def test_the_guide_keeps_the_end_of_a_long_question(processor):
    question = " ".join(f"word{number}" for number in range(400))
    batch = call(processor, guides=[question])
    whole = processor.qformer_tokenizer(question)["input_ids"]
    assert len(whole) > MAX_GUIDE_TOKENS
    assert batch["guide_input_ids"][0].tolist() == whole[-MAX_GUIDE_TOKENS:]
    assert batch["guide_attention_mask"].shape == (1, MAX_GUIDE_TOKENS)


def test_cached_features_take_the_place_of_crops(processor):
    features = np.ones((2, 17, 32), np.float16)
    batch = call(processor, crops=None, vision_features=[features])
    assert batch["vision_features"].shape == (1, 2, 17, 32) and "pixel_values" not in batch


def test_save_and_load(processor, tmp_path):
    processor.save_pretrained(tmp_path)
    again = AutoProcessor.from_pretrained(tmp_path)
    assert type(again) is EmoLlamaProcessor
    assert (again.tokens_per_frame, again.num_frames) == (processor.tokens_per_frame, processor.num_frames)
    assert again.chat_template == processor.chat_template
    expected = random_batch(processor, [0, 1, 2], answers=["fear", "anger", "neutral"])
    found = random_batch(again, [0, 1, 2], answers=["fear", "anger", "neutral"])
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(found[name], value), name
