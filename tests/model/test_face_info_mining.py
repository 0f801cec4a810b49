"""Face Info Mining: attention is attention, a closed gate changes nothing, frames do not leak into each other."""

import copy

import pytest
import torch
from tiny_inputs import random_batch

from emo_toolkit.model import EmoLlamaConfig, EmoLlamaForConditionalGeneration, FaceInfoMining, FaceInfoMiningConfig
from emo_toolkit.model.face_info_mining import sample_patches
from emo_toolkit.pipeline import EmoPipeline

FRAMES, PATCHES, GUIDE, TEXT = 3, 16, 8, 20


def make_module(*, num_face_tokens: int = 1, gates: float = 0.5, **summary: object) -> FaceInfoMining:
    """A small module whose three pairs of gates are set to `gates`."""
    torch.manual_seed(0)
    config = FaceInfoMiningConfig(
        prior_size=12,
        num_prior_tokens=9,
        hidden_size=16,
        num_attention_heads=4,
        clue_hidden_size=16,
        clue_num_layers=2,
        clue_num_heads=4,
        clue_intermediate_size=32,
        num_clue_queries=4,
        num_face_tokens=num_face_tokens,
        **summary,
    )
    module = FaceInfoMining(config, GUIDE, TEXT).eval()
    return set_gates(module, gates)


def set_gates(module: FaceInfoMining, value: float) -> FaceInfoMining:
    for gate in (module.clue_gates, module.global_branch.attention.gate, module.local_branch.attention.gate):
        torch.nn.init.constant_(gate, value)
    return module


def make_inputs() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {
        "patches": torch.randn(FRAMES, PATCHES, 16, generator=generator),
        "embedding": torch.randn(FRAMES, 9, 12, generator=generator),
        "landmarks": torch.rand(FRAMES, 68, 2, generator=generator) * 2 - 1,
        "found": torch.ones(FRAMES, dtype=torch.bool),
        "guide": torch.randn(FRAMES, 5, GUIDE, generator=generator),
        "guide_mask": torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 1, 1, 1, 0]]),
    }


@pytest.fixture
def model(tiny_pipeline: EmoPipeline) -> EmoLlamaForConditionalGeneration:
    return copy.deepcopy(tiny_pipeline.model)


@torch.no_grad()
def test_attention_rows_sum_to_one():
    found = make_module()(**make_inputs(), need_weights=True)
    assert found.global_attention.shape == (FRAMES, 4, PATCHES, 9)
    assert found.local_attention.shape == (FRAMES, 4, 68, PATCHES)
    for rows in (found.global_attention, found.local_attention):
        assert rows.min() >= 0
        torch.testing.assert_close(rows.sum(-1), torch.ones(rows.shape[:-1]))
    plain = make_module()(**make_inputs())
    assert plain.global_attention is None and plain.local_attention is None
    torch.testing.assert_close(plain.clues, found.clues)


@torch.no_grad()
def test_clue_attention_is_that_of_the_encoder():
    module, inputs = make_module(), make_inputs()
    found = module(**inputs, need_weights=True)
    features, _, strength = module.local_branch(inputs["patches"], inputs["landmarks"], need_weights=True)
    aggregator = module.clue_aggregator
    aggregator.encoder.set_attn_implementation("eager")
    queries = aggregator.queries.weight.expand(FRAMES, -1, -1)
    whole = aggregator.encoder(
        input_ids=inputs["guide"],
        attention_mask=torch.cat([torch.ones(FRAMES, 4, dtype=torch.long), inputs["guide_mask"]], 1),
        query_embeds=queries,
        encoder_hidden_states=features,
        output_attentions=True,
    )
    expected = torch.stack(whole.cross_attentions, 1)
    assert expected.shape == (FRAMES, 1, 4, 4, 68)
    torch.testing.assert_close(found.local_clue_attention, expected, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(found.global_clue_attention.sum(-1), torch.ones(FRAMES, 1, 4, 4))
    assert torch.equal(found.local_strength, strength) and 0 < strength.min() < strength.max() < 1


@torch.no_grad()
def test_clues_are_the_aggregators_part_and_the_summary():
    module, inputs = make_module(summary_size=8), make_inputs()
    found = module(**inputs)
    rest = found.clues - found.summary
    module.summary = None
    without = module(**inputs)
    assert without.summary is None and found.summary.count_nonzero() > 0
    torch.testing.assert_close(rest, without.clues)


@torch.no_grad()
def test_closed_gates_bring_nothing():
    closed = set_gates(make_module(), 0.0)(**make_inputs(), need_weights=True)
    for strength in (closed.global_strength, closed.local_strength):
        assert strength.count_nonzero() == 0
    assert closed.global_attention.count_nonzero() > 0


@torch.no_grad()
def test_a_new_module_has_closed_gates():
    module = make_module()
    fresh = FaceInfoMining(module.clue_aggregator.config, GUIDE, TEXT).eval()
    assert fresh(**make_inputs()).clues.count_nonzero() == 0
    assert module(**make_inputs()).clues.count_nonzero() > 0


@torch.no_grad()
@pytest.mark.parametrize("name", ["face_embeds", "face_landmarks"])
def test_only_open_gates_let_priors_reach_a_logit(model, tiny_pipeline, name):
    inputs = random_batch(tiny_pipeline.processor, [0, 1])
    other = {**inputs, name: inputs[name].flip(-2)}
    assert not torch.equal(model(**inputs).logits, model(**other).logits)
    set_gates(model.face_info_mining, 0.0)
    closed = model(**inputs)
    assert closed.face.clues.count_nonzero() == 0
    assert torch.equal(closed.logits, model(**other).logits)


@torch.no_grad()
def test_an_untrained_model_has_closed_gates(model, tiny_pipeline):
    torch.manual_seed(0)
    fresh = EmoLlamaForConditionalGeneration(model.config).eval()
    assert fresh(**random_batch(tiny_pipeline.processor, [1])).face.clues.count_nonzero() == 0


@torch.no_grad()
def test_a_closed_attention_gate_still_lets_landmarks_choose_patches():
    module, inputs = make_module(), make_inputs()
    set_gates(module, 0.0)
    torch.nn.init.constant_(module.clue_gates, 0.5)
    plain = module(**inputs).clues
    assert torch.equal(plain, module(**{**inputs, "embedding": inputs["embedding"].flip(1)}).clues)
    moved = module(**{**inputs, "landmarks": -inputs["landmarks"]}).clues
    assert torch.equal(plain[:, 0], moved[:, 0]) and not torch.allclose(plain[:, 1], moved[:, 1])


@torch.no_grad()
def test_permuting_frames_permutes_frame_tokens(model, tiny_pipeline):
    inputs = random_batch(tiny_pipeline.processor, [2])  # one clip of three frames
    order = [2, 0, 1]
    frames = ("pixel_values", "face_embeds", "face_landmarks", "face_found", "frame_mask")
    tokens = model(**inputs).frame_tokens
    permuted = model(**{**inputs, **{name: inputs[name][:, order] for name in frames}}).frame_tokens
    torch.testing.assert_close(permuted, tokens[order], atol=1e-6, rtol=1e-5)
    assert not torch.allclose(permuted, tokens, atol=1e-3)


@torch.no_grad()
def test_no_face_no_clue():
    module, inputs = make_module(), make_inputs()
    everywhere = module(**inputs).clues
    inputs["found"] = torch.tensor([True, False, True])
    clues = module(**inputs).clues
    assert clues[1].count_nonzero() == 0
    assert torch.equal(clues[[0, 2]], everywhere[[0, 2]])


@torch.no_grad()
@pytest.mark.parametrize("tokens", [1, 2, 4])
def test_face_tokens_come_global_then_local(tokens):
    module = make_module(num_face_tokens=tokens)
    both = module(**make_inputs()).clues
    assert both.shape == (FRAMES, 2 * tokens, TEXT)
    module.clue_gates[1] = 0.0
    half = module(**make_inputs()).clues
    assert torch.equal(half[:, :tokens], both[:, :tokens]) and half[:, tokens:].count_nonzero() == 0


@torch.no_grad()
def test_more_face_tokens_are_finer_means_of_the_same_queries():
    one, four = (make_module(num_face_tokens=tokens)(**make_inputs()).clues for tokens in (1, 4))
    torch.testing.assert_close(one, four.unflatten(1, (2, 4)).mean(2))


def test_padding_of_the_question_is_not_read():
    inputs = make_inputs()
    other = inputs["guide"].clone()
    other[1, 3:] = 9.0
    clues = make_module()(**inputs).clues
    torch.testing.assert_close(make_module()(**{**inputs, "guide": other}).clues, clues)


def test_samples_at_cell_centres_are_the_cells():
    patches = torch.randn(2, 16, 3, generator=torch.Generator().manual_seed(0))
    centres = (2 * torch.arange(4) + 1) / 4 - 1
    points = torch.cartesian_prod(centres, centres).flip(-1)  # x, y; rows first, as the patches lie
    torch.testing.assert_close(sample_patches(patches, points.expand(2, -1, -1)), patches)


def test_samples_at_corners_and_beyond_are_the_border():
    patches = torch.arange(9.0).view(1, 9, 1)
    corners = torch.tensor([[[-1.0, -1], [1, -1], [-1, 1], [1, 1], [7, -7], [0, 9]]])
    assert sample_patches(patches, corners).flatten().tolist() == [0, 2, 6, 8, 2, 7]


def test_halfway_between_two_cells_is_their_mean():
    patches = torch.tensor([[[0.0], [10], [20], [30]]])
    points = torch.tensor([[[0.0, -0.5], [-0.5, 0.0], [0.0, 0.0]]])
    assert sample_patches(patches, points).flatten().tolist() == [5, 10, 15]


def test_patches_must_be_a_square():
    with pytest.raises(ValueError, match="10 patches are not a square"):
        sample_patches(torch.zeros(1, 10, 4), torch.zeros(1, 68, 2))


@torch.no_grad()
def test_the_summary_adds_to_its_own_branch_alone():
    module, inputs = make_module(summary_size=8, prior_parts=(8, 4)), make_inputs()
    whole = module(**inputs).clues
    module.summary = None
    assert not torch.allclose(module(**inputs).clues, whole)
    for mlp, branch in (("embedding_mlp", 0), ("landmark_mlp", 1)):
        module = make_module(summary_size=8)
        before = module(**inputs).clues
        torch.nn.init.zeros_(getattr(module.summary, mlp)[-1].weight)
        changed = (module(**inputs).clues - before).abs().amax((0, 2)) > 1e-6
        assert changed.tolist() == [place == branch for place in range(2)]


@torch.no_grad()
def test_the_summary_keeps_closed_gates_and_missing_faces():
    inputs = make_inputs()
    assert make_module(summary_size=8, gates=0.0)(**inputs).clues.count_nonzero() == 0
    inputs["found"][1] = False
    clues = make_module(summary_size=8)(**inputs).clues
    assert clues[1].count_nonzero() == 0 and clues[0].count_nonzero() > 0


@torch.no_grad()
def test_the_summary_does_not_care_how_loud_a_net_is():
    module, inputs = make_module(summary_size=8, prior_parts=(8, 4)), make_inputs()
    before = module.summary(inputs["embedding"], inputs["landmarks"])
    louder = torch.cat([inputs["embedding"][..., :8], 1000 * inputs["embedding"][..., 8:]], dim=-1)
    torch.testing.assert_close(module.summary(louder, inputs["landmarks"]), before, atol=1e-3, rtol=1e-3)


def test_parts_must_add_up_to_the_face_token():
    fim = {"hidden_size": 1408, "prior_size": 12, "prior_parts": [8, 3]}
    with pytest.raises(ValueError, match="prior_parts add up to 11, but a face token is 12 wide"):
        EmoLlamaConfig(fim_config=fim)
