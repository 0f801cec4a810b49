"""Answers packed into one row are as likely as each alone behind its own prompt, under both attention kernels."""

import copy

import pytest
import torch

from emo_toolkit.likelihood import PackedAnswers
from emo_toolkit.pipeline import EmoPipeline

ANSWERS = ([5, 2], [6, 7, 8, 2], [9, 2], [6, 7, 2], [5, 6, 5, 6, 5, 2])
PROMPTS = ([11, 12, 13, 14, 15, 16], [11, 12, 13, 40, 41], [11, 12, 13, 14])
SHARED = 3


def alone(model: torch.nn.Module, prompt: list[int]) -> torch.Tensor:
    """log p of each answer, one forward pass each."""
    found = []
    for answer in ANSWERS:
        logits = model(input_ids=torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
        found.append(logits[torch.arange(len(answer)), torch.tensor(answer)].sum())
    return torch.stack(found)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@torch.inference_mode()
def test_packed_equals_alone(tiny_pipeline: EmoPipeline, attention: str) -> None:
    model = copy.deepcopy(tiny_pipeline.model)
    model.set_attn_implementation(attention)
    expected = torch.stack([alone(model, prompt) for prompt in PROMPTS])
    packed = PackedAnswers(ANSWERS)
    assert len(packed.ids) == sum(map(len, ANSWERS)) - len(ANSWERS) and packed.count == len(ANSWERS)
    cache = model(input_ids=torch.tensor([PROMPTS[0][:SHARED]]), use_cache=True).past_key_values
    cache.batch_repeat_interleave(len(PROMPTS))
    inputs = packed.behind(
        torch.ones(len(PROMPTS), SHARED), [prompt[SHARED:] for prompt in PROMPTS], pad=0, dtype=model.dtype
    )
    logits = model(**inputs, past_key_values=cache, use_cache=True, logits_to_keep=1 + len(packed.ids)).logits
    torch.testing.assert_close(packed.log_likelihoods(logits), expected, atol=1e-4, rtol=1e-5)


@torch.inference_mode()
def test_padded_prompts_in_one_batch(tiny_pipeline: EmoPipeline) -> None:
    model = tiny_pipeline.model
    width = max(map(len, PROMPTS))
    seen = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in PROMPTS])
    ids = torch.tensor([[0] * (width - len(prompt)) + prompt for prompt in PROMPTS])
    output = model(input_ids=ids, attention_mask=seen, use_cache=True, logits_to_keep=1)
    packed = PackedAnswers(ANSWERS)
    inputs = packed.behind(seen, [[]] * len(PROMPTS), pad=0, dtype=model.dtype)
    rows = model(**inputs, past_key_values=output.past_key_values, use_cache=True).logits
    found = packed.log_likelihoods(torch.cat([output.logits, rows], dim=1))
    torch.testing.assert_close(found, torch.stack([alone(model, prompt) for prompt in PROMPTS]), atol=1e-4, rtol=1e-5)
