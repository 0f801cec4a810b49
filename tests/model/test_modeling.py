"""EMO-LLaMA: its size, its files, and that cache, batching, padding and accumulation change no result."""

import copy
import os
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from tiny_inputs import random_batch, random_crops, random_priors
from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor

from emo_toolkit.model import EmoLlamaConfig, EmoLlamaForConditionalGeneration
from emo_toolkit.pipeline import EmoPipeline
from train.checkpoints.make_tiny import make_config, make_tokenizer

ANSWERS = ("happiness", "a smile, it seems", "mixed")
WITH_CODE = {"AutoConfig": "configuration_emo_llama", "AutoModelForImageTextToText": "modeling_emo_llama"}


@pytest.fixture(scope="module")
def model(tiny_pipeline: EmoPipeline) -> EmoLlamaForConditionalGeneration:
    return tiny_pipeline.model


@pytest.fixture(scope="module")
def processor(tiny_pipeline):
    return tiny_pipeline.processor


def small_7b(**changes: object) -> EmoLlamaConfig:
    """7b's kinds of parts (EVA-g with its raw output, a Q-Former with its own words, untied), a few units wide."""
    vision = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    vision["initializer_range"] = 0.1  # the default leaves nothing to see
    text = {"hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4}
    qformer = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
    clue = {"clue_hidden_size": 16, "clue_num_layers": 1, "clue_num_heads": 2, "clue_intermediate_size": 32}
    values = {
        "vision_config": {"model_type": "instructblip_vision_model", "image_size": 56, "patch_size": 14, **vision},
        "qformer_config": {"vocab_size": 512, "encoder_hidden_size": 32, **qformer},
        "fim_config": {
            "prior_size": 1536,
            "num_prior_tokens": 49,
            "hidden_size": 32,
            "num_attention_heads": 4,
            **clue,
        },
        "text_config": {"model_type": "llama", "vocab_size": 512, **text},
        "image_token_id": make_tokenizer().convert_tokens_to_ids("<image>"),
    }
    return EmoLlamaConfig(**(values | changes))


def dense(inputs: int, outputs: int) -> int:
    return inputs * outputs + outputs


def qformer_size(hidden: int, layers: int, inner: int, encoder: int, *, positions: int, words: int) -> int:
    """Parameters of an InstructBLIP Q-Former with a cross-attention in every second layer."""
    attention = 4 * dense(hidden, hidden) + 2 * hidden
    cross = 2 * dense(hidden, hidden) + 2 * dense(encoder, hidden) + 2 * hidden
    feed = dense(hidden, inner) + dense(inner, hidden) + 2 * hidden
    each = attention + 2 * feed  # one for the queries, one for the question
    return words + positions * hidden + 2 * hidden + layers * each + (layers + 1) // 2 * cross


def test_tiny_is_tiny(model):
    assert 240_000 < sum(value.numel() for value in model.parameters()) < 300_000


def test_7b_has_the_size_of_its_parts():
    config = EmoLlamaConfig(text_config={"model_type": "llama", "vocab_size": 32_001})
    with torch.device("meta"):
        model = EmoLlamaForConditionalGeneration(config)
    sizes = {name: sum(value.numel() for value in part.parameters()) for name, part in model.named_children()}
    text, vision, qformer, fim = config.text_config, config.vision_config, config.qformer_config, config.fim_config
    c, d, h = vision.hidden_size, text.hidden_size, qformer.hidden_size

    words = text.vocab_size * d
    layer = 4 * d * d + 3 * d * text.intermediate_size + 2 * d
    assert sizes["language_model"] == words + text.num_hidden_layers * layer + d
    assert (
        sizes["language_model"] + sizes["lm_head"] == 6_738_415_616 + 2 * d
    )  # Vicuna-7B and the row of <image>, twice

    block = dense(c, 3 * c) + dense(c, c) + dense(c, vision.intermediate_size) + dense(vision.intermediate_size, c)
    patches = (vision.image_size // vision.patch_size) ** 2
    embeddings = dense(3 * vision.patch_size**2, c) + c + (patches + 1) * c
    assert sizes["vision_tower"] == embeddings + vision.num_hidden_layers * (block + 4 * c) + 2 * c == 985_952_256

    shape = (h, qformer.num_hidden_layers, qformer.intermediate_size, c)
    positions = qformer.max_position_embeddings
    assert sizes["qformer"] == qformer_size(*shape, positions=positions, words=qformer.vocab_size * h)
    assert sizes["qformer_norm"] == 2 * c and sizes["query_tokens"] == config.num_query_tokens * h
    assert sizes["multi_modal_projector"] == dense(h, c) + dense(c, c) + 2 * dense(c, d) + dense(d, d)

    k = fim.clue_hidden_size
    attention = 2 * c + 4 * dense(c, c) + 1
    branches = dense(fim.prior_size, c) + 2 * c + fim.num_prior_tokens * c + attention
    branches += dense(2, c // 4) + dense(c // 4, c) + fim.num_landmarks * c + attention
    shape = (k, fim.clue_num_layers, fim.clue_intermediate_size, c)
    aggregator = qformer_size(*shape, positions=256, words=h * k) + fim.num_clue_queries * k
    assert sizes["face_info_mining"] == branches + aggregator + dense(k, d) + 2


def test_save_and_load_through_the_auto_classes(model, processor, tmp_path):
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    config = AutoConfig.from_pretrained(tmp_path)
    again = AutoModelForImageTextToText.from_pretrained(tmp_path, dtype=torch.float32).eval()
    assert type(config) is EmoLlamaConfig and type(again) is EmoLlamaForConditionalGeneration
    assert config.to_dict() == again.config.to_dict()
    assert {name: path.split(".")[0] for name, path in config.auto_map.items()} == WITH_CODE
    names = {path.name for path in tmp_path.iterdir()}
    code = {"configuration_emo_llama", "modeling_emo_llama", "face_info_mining", "processing_emo_llama"}
    assert {f"{name}.py" for name in code} <= names and "model.safetensors" in names
    with torch.no_grad():
        expected = model(**random_batch(processor, [0, 1])).logits
        found = again(**random_batch(AutoProcessor.from_pretrained(tmp_path), [0, 1])).logits
    assert torch.equal(found, expected)


def test_a_saved_folder_runs_on_its_own_code(model, processor, tmp_path):
    """In a Python that never imports emo_toolkit, as on a machine with transformers alone."""
    folder = tmp_path / "checkpoint"
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    inputs = dict(random_batch(processor, [1]))
    save_file({name: value.contiguous() for name, value in inputs.items()}, tmp_path / "inputs.safetensors")
    script = f"""
import sys, torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageTextToText, AutoProcessor
model = AutoModelForImageTextToText.from_pretrained({str(folder)!r}, trust_remote_code=True).eval()
processor = AutoProcessor.from_pretrained({str(folder)!r}, trust_remote_code=True)
with torch.no_grad():
    logits = model(**load_file({str(tmp_path / "inputs.safetensors")!r})).logits
assert not any(name.startswith("emo_toolkit") for name in sys.modules)
assert processor.tokens_per_frame == 4 and type(processor).__name__ == "EmoLlamaProcessor"
save_file({{"logits": logits}}, {str(tmp_path / "logits.safetensors")!r})
"""
    away = {"HF_MODULES_CACHE": str(tmp_path / "modules"), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    ran = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=os.environ | away, capture_output=True)
    assert ran.returncode == 0, ran.stderr.decode()
    with torch.no_grad():
        torch.testing.assert_close(load_file(tmp_path / "logits.safetensors")["logits"], model(**inputs).logits)


def test_what_the_hub_needs_is_there(model, processor):
    for part in (model, processor, model.config):
        assert callable(part.push_to_hub)


@pytest.mark.parametrize("clips", [[0], [2, 0]])
def test_generation_with_and_without_cache(model, processor, clips):
    inputs = random_batch(processor, clips)
    rules = {"max_new_tokens": 6, "min_new_tokens": 6, "suppress_tokens": [model.config.image_token_id]}
    looks: list[int] = []
    hook = model.vision_tower.register_forward_hook(lambda *_: looks.append(1))
    cached = model.generate(**inputs, **rules, use_cache=True)
    assert len(looks) == 1  # the frames are read once
    assert torch.equal(cached, model.generate(**inputs, **rules, use_cache=False))
    hook.remove()
    assert len(looks) == 1 + 6
    assert cached.shape[1] == inputs["input_ids"].shape[1] + 6


@torch.no_grad()
def test_a_batch_is_its_rows(model, processor):
    together = model(**random_batch(processor, [0, 1, 2]), logits_to_keep=1).logits
    alone = [model(**random_batch(processor, [clip]), logits_to_keep=1).logits for clip in range(3)]
    torch.testing.assert_close(together, torch.cat(alone), atol=2e-5, rtol=1e-4)
    assert not torch.allclose(together[0], together[1], atol=1e-3)


@torch.no_grad()
def test_the_frames_matter(model, processor):
    inputs = random_batch(processor, [2])
    negative = {**inputs, "pixel_values": -inputs["pixel_values"]}
    assert not torch.allclose(model(**inputs).logits, model(**negative).logits)


def test_placeholders_and_frame_tokens_must_agree(model, processor):
    inputs = random_batch(processor, [1])
    place = (inputs["input_ids"] == model.config.image_token_id).nonzero()[0]
    inputs["input_ids"][tuple(place)] = 7
    with pytest.raises(ValueError, match=r"7 placeholders for 8 frame tokens \(2 frames x 4\)"):
        model(**inputs)


@torch.no_grad()
def test_the_loss_is_the_cross_entropy_of_the_answers(model, processor):
    batch = random_batch(processor, [0, 1, 2], answers=ANSWERS)
    labels = batch["labels"]
    outputs = model(**batch)
    full = model(**{name: value for name, value in batch.items() if name != "labels"}).logits
    expected = F.cross_entropy(full[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100)
    torch.testing.assert_close(outputs.loss, expected)
    spoken = sum(len(processor.answer_ids(answer)) for answer in ANSWERS)
    assert outputs.logits.shape == (spoken, model.config.text_config.vocab_size)
    torch.testing.assert_close(outputs.logits, full[:, :-1][labels[:, 1:] != -100])


@torch.no_grad()
def test_a_split_batch_has_the_same_loss(model, processor):
    whole = random_batch(processor, [0, 1, 2], answers=ANSWERS)
    count = (whole["labels"] != -100).sum()
    parts = [([0], ANSWERS[:1]), ([1, 2], ANSWERS[1:])]
    split = [
        model(**random_batch(processor, clips, answers=answers), num_items_in_batch=count).loss
        for clips, answers in parts
    ]
    torch.testing.assert_close(sum(split), model(**whole).loss)


@torch.no_grad()
def test_cached_vision_features_replace_pixels(model, processor):
    pixels = random_batch(processor, [2, 1])
    clips = [clip[mask] for clip, mask in zip(pixels["pixel_values"], pixels["frame_mask"], strict=True)]
    features = [model.get_vision_features(clip).numpy() for clip in clips]
    cached = random_batch(processor, [2, 1], features=features)
    assert "pixel_values" not in cached
    torch.testing.assert_close(model(**cached).logits, model(**pixels).logits)


def test_gradient_checkpointing_gives_the_same_gradients(model, processor):
    batch = random_batch(processor, [0, 1], answers=ANSWERS[:2])
    grads = []
    for checkpointing in (False, True):
        copied = copy.deepcopy(model).train()
        torch.manual_seed(0)  # of the dropout
        if checkpointing:
            copied.gradient_checkpointing_enable()
            assert copied.language_model.gradient_checkpointing
        copied(**batch).loss.backward()
        grads.append({name: value.grad for name, value in copied.named_parameters() if value.grad is not None})
    assert grads[0].keys() == grads[1].keys() and any("face_info_mining" in name for name in grads[0])
    for name, value in grads[0].items():
        torch.testing.assert_close(grads[1][name], value, atol=1e-6, rtol=1e-4, msg=name)


@torch.no_grad()
def test_bfloat16(model, processor):
    batch = random_batch(processor, [0, 1], answers=ANSWERS[:2])
    expected = model(**batch)
    half = copy.deepcopy(model).to(torch.bfloat16)
    outputs = half(**batch)
    assert outputs.logits.dtype == outputs.frame_tokens.dtype == torch.bfloat16 and outputs.logits.isfinite().all()
    assert outputs.loss == pytest.approx(expected.loss.item(), rel=0.03)


@torch.no_grad()
def test_attention_maps_come_when_asked(model, processor):
    inputs = random_batch(processor, [1])
    assert model(**inputs).face.global_attention is None
    face = model(**inputs, output_face_attentions=True).face
    assert face.global_attention.shape == (2, 4, 16, 49) and face.local_attention.shape == (2, 4, 68, 16)


@torch.no_grad()
@pytest.mark.parametrize("tokens", [1, 2, 4])
def test_tokens_per_frame_are_a_value_of_the_config(processor, tokens):
    config = make_config(processor.tokenizer)
    config.fim_config.num_face_tokens = tokens
    assert config.tokens_per_frame == 2 + 2 * tokens
    wider = copy.copy(processor)
    wider.tokens_per_frame = config.tokens_per_frame
    outputs = EmoLlamaForConditionalGeneration(config).eval()(**random_batch(wider, [1]))
    assert outputs.frame_tokens.shape == (2, 2 + 2 * tokens, 48)


@torch.no_grad()
def test_7b_parts_work_together():
    model = EmoLlamaForConditionalGeneration(small_7b()).eval()
    pixels = torch.randn(2, 3, 56, 56)
    features = model.get_vision_features(pixels)
    seen = model.vision_tower(pixels).last_hidden_state
    torch.testing.assert_close(model.vision_tower.post_layernorm(features), seen)  # EVA-g's raw output
    assert not torch.allclose(features, seen, atol=1e-2)
    priors = random_priors(2, 0)
    guide = torch.tensor([[5, 6, 7], [5, 6, 0]])
    tokens, _ = model.get_frame_tokens(
        features,
        torch.from_numpy(priors.embedding),
        torch.from_numpy(priors.landmarks),
        torch.from_numpy(priors.found),
        guide,
        guide.sign(),
    )
    assert tokens.shape == (2, 4, 48) and model.lm_head.weight is not model.get_input_embeddings().weight


def test_the_question_guides_the_context_token(model, processor):
    def context(question: str) -> torch.Tensor:
        with torch.no_grad():
            batch = processor(["<image>"], [random_crops(1, 0)], priors=[random_priors(1, 0)], guides=[question])
            return model(**batch).frame_tokens[0]

    one, other = context("Is this a smile?"), context("Clear or mixed?")
    assert not torch.equal(one[0], other[0]) and torch.equal(one[1], other[1])  # the content token is not guided


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fim_config": {"hidden_size": 40}}, "tower is 32 wide, but fim_config.hidden_size is 40"),
        ({"fim_config": {"hidden_size": 32, "num_face_tokens": 3}}, "32 clue queries .* into 3 face tokens"),
    ],
)
def test_a_config_that_does_not_fit(changes, message):
    with pytest.raises(ValueError, match=message):
        small_7b(**changes)
