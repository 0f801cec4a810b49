"""Gradients rebuilt from outputs alone equal those that autograd gives when every attention matrix is in the graph."""

import numpy as np
import pytest
import torch
from torch import nn

from emo_toolkit.explain.gradients import label_gradients, pack_gradients
from emo_toolkit.labels import DEFAULT_OPTIONS
from emo_toolkit.schema import EmoPrompt


class Weighed(nn.Module):
    """A cross-attention whose weights are a leaf of the graph."""

    def __init__(self, look: nn.MultiheadAttention, weights: torch.Tensor) -> None:
        super().__init__()
        self.look, self.weights = look, weights.clone().requires_grad_()

    def forward(self, asked: torch.Tensor, context: torch.Tensor, _: torch.Tensor, **__: bool):
        size, heads = self.look.embed_dim, (self.look.num_heads, -1)
        value = nn.functional.linear(context, self.look.in_proj_weight[2 * size :], self.look.in_proj_bias[2 * size :])
        mixed = self.weights @ value.unflatten(-1, heads).transpose(1, 2)
        return self.look.out_proj(mixed.transpose(1, 2).flatten(2)), None


@pytest.fixture(scope="module")
def inputs(tiny_pipeline, astronaut):
    reading = tiny_pipeline.read(astronaut)
    return tiny_pipeline.inputs([reading], [EmoPrompt(options=DEFAULT_OPTIONS)])[1]


@pytest.mark.parametrize("label", ["happiness", "contempt"])
def test_equal_to_autograd_through_whole_matrices(tiny_pipeline, inputs, label):
    model, answer = tiny_pipeline.model, tiny_pipeline.processor.answer_ids(label)
    with torch.inference_mode():
        face = model(**inputs, output_face_attentions=True).face
    hooks = [len(module._forward_hooks) for module in model.modules()]
    found = label_gradients(model, inputs, face, answer)
    assert hooks == [len(module._forward_hooks) for module in model.modules()]
    assert all(parameter.grad is None for parameter in model.parameters())

    length = inputs["input_ids"].shape[1]
    ids = torch.tensor([answer])
    fim = model.face_info_mining
    branches, looks = (fim.global_branch.attention, fim.local_branch.attention), []
    for branch, weights in zip(branches, (face.global_attention, face.local_attention), strict=True):
        looks.append(branch.attention)
        branch.attention = Weighed(branch.attention, weights)
    model.language_model.set_attn_implementation("eager")
    try:
        whole = {
            **inputs,
            "input_ids": torch.cat([inputs["input_ids"], ids[:, :-1]], 1),
            "attention_mask": torch.ones(1, length + len(answer) - 1, dtype=torch.long),
        }
        output = model(**whole, logits_to_keep=len(answer), output_attentions=True)
        log_p = output.logits.log_softmax(-1).gather(2, ids.unsqueeze(2)).sum()
        leaves = [branch.attention.weights for branch in branches]
        slopes = torch.autograd.grad(log_p, [*leaves, *output.attentions])
    finally:
        model.language_model.set_attn_implementation("sdpa")
        for branch, look in zip(branches, looks, strict=True):
            branch.attention = look
    rows = torch.stack(
        [
            (attention * slope)[0, :, length - 1 :].sum(1)
            for attention, slope in zip(output.attentions, slopes[2:], strict=True)
        ]
    ).detach()
    assert rows.abs().max() > 1e-4
    torch.testing.assert_close(found[0], rows, atol=1e-6, rtol=1e-4)
    for got, leaf, slope in zip(found[1:], leaves, slopes[:2], strict=True):
        assert slope.abs().max() > 1e-7
        torch.testing.assert_close(got, (leaf * slope).detach(), atol=1e-8, rtol=1e-4)


def test_packing_keeps_signs_and_fits_the_length():
    rows = torch.tensor([[[1.0, -4.0, 2.0]]])
    packed = pack_gradients("fear", rows, torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2) * 1e-9, length=5)
    np.testing.assert_allclose(packed.rows, [[[0.25, -1, 0.5, 0, 0]]])
    assert packed.label == "fear" and not packed.global_map.any() and packed.local_map.min() == 1
    short = pack_gradients("fear", rows, torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2), length=2)
    np.testing.assert_allclose(short.rows, [[[0.25, -1]]])
