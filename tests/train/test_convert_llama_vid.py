"""LLaMA-VID + InstructBLIP -> 7b: each tensor finds its place, and the model gives the sources' own numbers."""

import json
import sys
from pathlib import Path

import pytest
import torch
from llama_vid_files import FIM, Sources, instructblip_config, llama_vid_config, write_sources
from llama_vid_reference import (
    PUBLISHED,
    SMALL,
    State,
    eva,
    frame_tokens,
    instructblip_shapes,
    llama_shapes,
    llama_vid_shapes,
    random_state,
)
from PIL import Image
from safetensors.torch import load_file
from transformers import (
    AutoModelForImageTextToText,
    AutoProcessor,
    InstructBlipQFormerConfig,
    InstructBlipQFormerModel,
    InstructBlipVisionConfig,
    InstructBlipVisionModel,
    LlamaConfig,
    LlamaForCausalLM,
)

from emo_toolkit.checkpoints import load
from emo_toolkit.errors import CheckpointError
from emo_toolkit.model import EmoLlamaConfig, EmoLlamaForConditionalGeneration
from emo_toolkit.prompts import messages
from emo_toolkit.schema import EmoPrompt, FacialPriors
from train.checkpoints.convert_llama_vid import build_config, convert, main, plan

pytestmark = pytest.mark.filterwarnings("ignore:`rope_scaling`:FutureWarning")  # published config.json files say it


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    return write_sources(tmp_path_factory.mktemp("sources"))


@pytest.fixture(scope="module")
def folder(sources: Sources) -> Path:
    out = sources.llama_vid.parent / "7b"
    convert(sources.llama_vid, sources.instructblip, out, dtype=torch.float32, fim=FIM, shard_bytes=60_000)
    return out


@pytest.fixture(scope="module")
def model(folder: Path) -> EmoLlamaForConditionalGeneration:
    loaded, found = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    assert not any(found.values()), found
    return loaded.eval()


def tokens_of(model: EmoLlamaForConditionalGeneration, pixels: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor):
    n = len(pixels)
    priors = (torch.randn(n, 9, 6), torch.rand(n, 68, 2) * 2 - 1, torch.ones(n, dtype=torch.bool))
    features = model.get_vision_features(pixels)
    return features, model.get_frame_tokens(features, *(x.to(pixels) for x in priors), ids, mask)[0]


@torch.no_grad()
@pytest.mark.parametrize("qformer", [True, False])
def test_frame_tokens_are_llama_vids(model, sources, tmp_path, qformer):
    """From pixels on, in double precision; without LLaMA-VID's own Q-Former, InstructBLIP's takes its place."""
    vid, blip = ({name: x.double() for name, x in state.items()} for state in (sources.vid, sources.blip))
    if not qformer:
        less = write_sources(tmp_path, qformer=False)
        convert(less.llama_vid, less.instructblip, tmp_path / "7b", dtype=torch.float32, fim=FIM)
        model = AutoModelForImageTextToText.from_pretrained(tmp_path / "7b", dtype=torch.float32).eval()
        vid = {name: x.double() for name, x in less.vid.items()} | in_lavis_names(blip)
    generator = torch.Generator().manual_seed(3)
    pixels = torch.randn(2, 3, SMALL.image, SMALL.image, generator=generator).double()
    ids, mask = torch.tensor([[2, 3, 4, 5], [6, 7, 1, 1]]), torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    features, tokens = tokens_of(model.double(), pixels, ids, mask)
    model.float()
    close = {"atol": 1e-9, "rtol": 1e-9}
    torch.testing.assert_close(features, eva(blip, SMALL, pixels), **close)
    context, content = frame_tokens(vid, SMALL, eva(blip, SMALL, pixels), ids, mask)
    torch.testing.assert_close(tokens[:, 0], context, **close)
    torch.testing.assert_close(tokens[:, 1], content, **close)
    assert torch.equal(tokens[:, 2], tokens[:, 1]) and torch.equal(tokens[:, 3], tokens[:, 1])  # closed gates
    other = tokens_of(model.double(), pixels, ids.flip(0), mask.flip(0))[1]
    model.float()
    assert (other[:, 0] - tokens[:, 0]).abs().max() > 1e-3 and torch.equal(other[:, 1], tokens[:, 1])


def in_lavis_names(blip: State) -> State:
    """InstructBLIP's Q-Former, queries and norm as LLaMA-VID would call them."""
    named = {"model.vlm_att_query": blip["query_tokens"]}
    for name, value in blip.items():
        if name.startswith("qformer."):
            lavis = name.replace("qformer.", "model.vlm_att_encoder.bert.", 1).replace("layernorm", "LayerNorm")
            named[lavis.replace("attention.attention.", "attention.self.")] = value
        elif name.startswith("vision_model.post_layernorm."):
            named[name.replace("vision_model.post_layernorm", "model.vlm_att_ln")] = value
    return named


@torch.no_grad()
def test_the_language_model_is_vicuna(model, sources):
    config = {key: llama_vid_config()[key] for key in ("hidden_size", "intermediate_size", "num_hidden_layers")}
    vicuna = LlamaForCausalLM(LlamaConfig(vocab_size=SMALL.words, num_attention_heads=4, rms_norm_eps=1e-5, **config))
    vicuna.load_state_dict({name: sources.vid[name] for name in llama_shapes(SMALL, constants=False)})
    ids = torch.tensor([[1, 4, 5, 6, 7]])
    expected, found = vicuna.eval()(ids).logits, model(input_ids=ids).logits
    torch.testing.assert_close(found[..., : SMALL.words], expected, atol=1e-5, rtol=1e-5)
    assert found.shape[-1] == SMALL.words + 1 and not found[..., SMALL.words].any()


def test_the_folder_is_a_checkpoint_like_any_other(folder, tmp_path):
    """`load` takes it, its files are those of save_pretrained, and it answers."""
    checkpoint = load(str(folder), device="cpu")
    checkpoint.model.save_pretrained(tmp_path)
    checkpoint.processor.save_pretrained(tmp_path)
    shards = {path.name for path in folder.glob("model-*.safetensors")}
    ours = {path.name for path in folder.iterdir()} - shards - {"model.safetensors.index.json", "conversion.txt"}
    assert ours == {path.name for path in tmp_path.iterdir()} - {"model.safetensors"}
    saved, own = (json.loads((place / "config.json").read_text()) for place in (tmp_path, folder))
    for part in (saved["text_config"], saved["vision_config"], saved["qformer_config"], saved["fim_config"]):
        part.pop("dtype")  # said once, at the top
    assert saved == own and own["auto_map"].keys() == {"AutoConfig", "AutoModelForImageTextToText"}
    processor = checkpoint.processor
    assert (
        processor.tokenizer.convert_tokens_to_ids("<image>") == SMALL.words == checkpoint.model.config.image_token_id
    )
    prompt = processor.apply_chat_template(messages(EmoPrompt(question="what is shown")), add_generation_prompt=True)
    assert prompt.startswith("<s>A chat between") and prompt.endswith("USER: <image>\nwhat is shown ASSISTANT:")
    priors = FacialPriors(
        *(torch.randn(1, *shape).numpy() for shape in ((9, 6), (68, 2), (4,))), torch.ones(1).numpy()
    )
    inputs = processor([prompt], [[Image.new("RGB", (224, 224))]], priors=[priors], guides=["what is the face"])
    answer = checkpoint.model.generate(**inputs, max_new_tokens=4, min_new_tokens=4)
    assert SMALL.words not in answer[0, inputs["input_ids"].shape[1] :]  # <image> is never said


def test_shards_are_small_and_their_index_true(folder):
    shards = sorted(folder.glob("model-*.safetensors"))
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    assert len(shards) > 2 and {path.name for path in shards} == set(index["weight_map"].values())
    total = 0
    for path in shards:
        held = load_file(path)
        assert {name for name, file in index["weight_map"].items() if file == path.name} == set(held)
        size = sum(tensor.nbytes for tensor in held.values())
        assert size <= 60_000 or len(held) == 1
        total += size
    assert total == index["metadata"]["total_size"]


def test_face_info_mining_is_new_closed_and_always_the_same(folder, model, sources, tmp_path):
    fim = model.face_info_mining
    assert not fim.clue_gates.any() and not fim.global_branch.attention.gate and not fim.local_branch.attention.gate
    assert fim.clue_proj.weight.std().item() == pytest.approx(0.02, rel=0.2)
    found = convert(sources.llama_vid, sources.instructblip, tmp_path / "7b", fim=FIM)
    again = AutoModelForImageTextToText.from_pretrained(tmp_path / "7b")
    assert again.dtype == torch.bfloat16 and not any(name.startswith("face_info_mining") for name in found.sources)
    for name, value in again.face_info_mining.state_dict().items():
        assert torch.equal(value, fim.state_dict()[name].bfloat16()), name


def test_the_report_names_every_tensor_once(folder, sources, model):
    text = (folder / "conversion.txt").read_text()
    lines = text.splitlines()
    both = [f"llama_vid:{name}" for name in sources.vid] + [f"instructblip:{name}" for name in sources.blip]
    for name in both:
        assert sum(line.startswith(f"{name} [") for line in lines) == 1, name
    assert "llama_vid:model.layers.1.self_attn.rotary_emb.inv_freq [6]: unused, a constant" in text
    assert "instructblip:query_tokens [1, 5, 24]: unused, LLaMA-VID has its own" in text
    assert "llama_vid:model.embed_tokens.weight [12, 48] -> language_model.embed_tokens.weight (a zero row" in text
    assert "face_info_mining.clue_gates <- made new (seed 0)" in text
    targets = [
        target for line in lines if " -> " in line for target in line.split(" -> ")[1].split(" (")[0].split(", ")
    ]
    made = [line.split(" <- ")[0] for line in lines if " <- " in line]
    assert sorted(targets + made) == sorted(model.state_dict())  # each one once


@pytest.mark.parametrize("qformer", [True, False])
def test_7b_has_exactly_one_source_for_every_tensor(qformer):
    """The published sizes, without a number in memory."""
    config = build_config(llama_vid_config(PUBLISHED), instructblip_config(PUBLISHED), {})
    assert (config.text_config.vocab_size, config.image_token_id, config.tokens_per_frame) == (32001, 32000, 4)
    names = {f"llama_vid:{name}": shape for name, shape in llama_vid_shapes(PUBLISHED, qformer=qformer).items()}
    names |= {f"instructblip:{name}": shape for name, shape in instructblip_shapes(PUBLISHED).items()}
    found = plan(names, config)
    with torch.device("meta"):
        state = EmoLlamaForConditionalGeneration(config).state_dict()
    filled = {name for name in state if not name.startswith("face_info_mining.")}
    assert set(found.sources) == filled and len(found.sources) == len(filled)
    assert {source.name for source in found.sources.values()} | set(found.unused) == set(names)
    assert {source.name for source in found.sources.values()}.isdisjoint(found.unused)
    origin = found.sources["qformer.encoder.layer.0.crossattention.attention.key.weight"].name.split(":")[0]
    assert origin == ("llama_vid" if qformer else "instructblip")
    assert found.sources["vision_tower.encoder.layers.38.mlp.fc2.bias"].name.startswith("instructblip:vision_model.")


def test_the_fabricated_names_are_transformers_own():
    """What the tests call published is checked against the classes behind the published InstructBLIP and Vicuna."""
    config = instructblip_config(PUBLISHED)
    with torch.device("meta"):
        parts = {
            "vision_model.": InstructBlipVisionModel(InstructBlipVisionConfig(**config["vision_config"])),
            "qformer.": InstructBlipQFormerModel(InstructBlipQFormerConfig(**config["qformer_config"])),
            "language_model.": LlamaForCausalLM(LlamaConfig()),
        }
    shapes = instructblip_shapes(PUBLISHED)
    for prefix, part in parts.items():
        own = {name.removeprefix(prefix): shape for name, shape in shapes.items() if name.startswith(prefix)}
        assert own == {name: tuple(value.shape) for name, value in part.state_dict().items()}


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("model.norm.weight", None, r"nothing fills language_model.norm.weight \[48\]"),
        ("model.vlm_att_query", None, r"nothing fills query_tokens.weight \[5, 24\]"),
        (
            "model.vlm_att_bert_proj.weight",
            torch.zeros(3, 3),
            r"no rule knows llama_vid:model.vlm_att_bert_proj.weight",
        ),
        ("model.layers.9.input_layernorm.weight", torch.ones(48), "language_model.layers.9.* the model does not have"),
        ("lm_head.weight", torch.zeros(12, 47), r"lm_head.weight \[12, 47\] gives \[13, 47\], but lm_head.weight is"),
        ("lm_head.weight", torch.zeros(15, 48), r"lm_head.weight \[15, 48\] gives \[16, 48\], but lm_head"),
        ("lm_head.weight", torch.zeros(()), r"lm_head.weight \[\] cannot be brought into lm_head.weight"),
        ("model.vlm_att_query", torch.zeros(2, 5, 24), r"vlm_att_query \[2, 5, 24\] gives \[2, 5, 24\], but query_to"),
        (
            "model.mm_projector.0.bias",
            torch.full((48,), torch.inf),
            "mm_projector.0.bias holds numbers that are infinite",
        ),
    ],
)
def test_tensors_that_do_not_fit_are_named(tmp_path, name, value, complaint):
    state = random_state(llama_vid_shapes(SMALL), 0)
    state.pop(name, None)
    source = write_sources(tmp_path, vid=state if value is None else state | {name: value})
    with pytest.raises(CheckpointError, match=complaint):
        convert(source.llama_vid, source.instructblip, tmp_path / "7b", fim=FIM)
    assert not (tmp_path / "7b").exists() and not (tmp_path / "7b.partial").exists()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"compress_type": "grid:2"}, "compress_type is 'grid:2'"),
        ({"bert_type": "raw"}, "bert_type is 'raw'"),
        ({"hidden_size": None}, r"nothing fills|do not fit|does not say"),
        ({"num_attention_heads": 5}, "do not fit"),
    ],
)
def test_another_kind_of_llama_vid_is_refused(change, complaint):
    values = {key: value for key, value in (llama_vid_config() | change).items() if value is not None}
    with pytest.raises(CheckpointError, match=complaint):
        build_config(values, instructblip_config(), FIM)


def test_a_misspelt_size_of_face_info_mining_is_refused():
    with pytest.raises(CheckpointError, match="Face Info Mining has no prior_sise"):
        build_config(llama_vid_config(), instructblip_config(), {"prior_sise": 3})


def test_defaults_are_the_paper_scales():
    config = build_config(llama_vid_config(PUBLISHED), instructblip_config(PUBLISHED), {})
    assert config.fim_config.to_dict() == EmoLlamaConfig(text_config={"model_type": "llama"}).fim_config.to_dict()
    assert config.vision_feature_layer == -1 and not config.qformer_shares_embeddings
    longer = llama_vid_config() | {"rope_scaling": {"type": "linear", "factor": 16.0}}
    assert build_config(longer, instructblip_config(), FIM).text_config.rope_parameters["factor"] == 16.0


def test_the_command_line(sources, tmp_path, monkeypatch, capsys):
    words = ["--llama-vid", sources.llama_vid, "--instructblip", sources.instructblip, "--out", tmp_path / "7b"]
    monkeypatch.setattr(sys, "argv", ["convert_llama_vid.py", *map(str, words), "--fim", json.dumps(FIM)])
    main()
    assert "source tensors used once" in capsys.readouterr().out and (tmp_path / "7b" / "config.json").is_file()
    with pytest.raises(SystemExit, match="7b exists already"):
        main()


def test_the_processor_comes_back_whole(folder):
    processor = AutoProcessor.from_pretrained(folder)
    assert processor.num_frames == 16 and processor.tokens_per_frame == 4
    assert processor.tokenizer.pad_token_id == 0 and processor.tokenizer.eos_token == "</s>"
    assert processor.qformer_tokenizer("the face")["input_ids"] == [4, 5]
    assert processor.image_processor.size["height"] == SMALL.image
