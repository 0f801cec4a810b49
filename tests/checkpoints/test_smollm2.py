"""The GGUF reader and the SmolLM2 converter against the gguf package, transformers' own loader, and broken files."""

from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType as Kind
from gguf import GGUFWriter
from transformers import AutoModelForCausalLM, LlamaForCausalLM, PreTrainedTokenizerFast

from emo_toolkit.checkpoints.gguf import KINDS, read_gguf
from emo_toolkit.checkpoints.smollm2 import load_language_model, load_tokenizer
from emo_toolkit.errors import CheckpointError

# What transformers' own loader (AutoTokenizer.from_pretrained(folder, gguf_file=...), 5.23) makes of these.
TOKENS = {
    "": [],
    " ": [216],
    "Hello world": [19556, 905],
    "  two  spaces\n\n\ttab": [216, 827, 216, 5600, 1116, 197, 15999],
    "In 2024, 3.14159 and 1/2 cost $1,000.": [
        *(788, 216, 34, 32, 34, 36, 28, 216, 35, 30, 33, 36, 33, 37, 41, 284),
        *(216, 33, 31, 34, 1708, 1885, 33, 28, 32, 32, 32, 30),
    ],
    "It's don't we'll I'M": [1589, 506, 1326, 982, 392, 3060, 339, 23, 61],
    "naïve café — “quotes” … 你好 мир": [
        *(3546, 46494, 37366, 1841, 619, 385, 2346, 573, 5548, 216, 18645, 250, 48392, 138, 41337, 7872, 9175),
    ],
    "🙂👍🏽": [10813, 38887, 10813, 235, 231, 10813, 233, 138],
    "<|im_start|>user\nWhat emotion?<|im_end|>\n<|im_start|>assistant\n": [
        *(1, 4093, 198, 1780, 7437, 47, 2, 198, 1, 520, 9531, 198),
    ],
    "<|endoftext|><repo_name><empty_output>": [0, 3, 16],
    "<image> is not special": [44, 5028, 46, 314, 441, 1767],
    "Happiness, surprise; ANGER-disgust_fear": [56, 38462, 28, 8731, 43, 4934, 20180, 29, 4371, 87, 467, 79, 86, 517],
    "a\u0301 \u200b\ufeff x\u00a0y": [81, 151, 219, 459, 229, 186, 136, 140, 1792, 15442, 105],
    "²½٣४五": [19133, 16738, 164, 113, 9310, 120, 16736, 238],
    "\x00\x7f": [190, 217],
}
Q4, Q8, F32, F16 = Kind.Q4_1, Kind.Q8_0, Kind.F32, Kind.F16
LAYERS, HEADS, GROUPS, WIDTH, INNER, VOCAB = 2, 4, 2, 64, 96, 128
SHAPES = {
    "attn_norm": (WIDTH,),
    "attn_q": (WIDTH, WIDTH),
    "attn_k": (WIDTH * GROUPS // HEADS, WIDTH),
    "attn_v": (WIDTH * GROUPS // HEADS, WIDTH),
    "attn_output": (WIDTH, WIDTH),
    "ffn_norm": (WIDTH,),
    "ffn_gate": (INNER, WIDTH),
    "ffn_up": (INNER, WIDTH),
    "ffn_down": (WIDTH, INNER),
}


def write_tiny(path: Path, change: Callable[[dict], None] = lambda tensors: None) -> Path:
    """A small random Llama, written by the gguf package; `change` edits {name: (shape, kind)} first."""
    tensors = {"token_embd.weight": ((VOCAB, WIDTH), Q8), "output_norm.weight": ((WIDTH,), F32)}
    for layer in range(LAYERS):
        for name, shape in SHAPES.items():
            tensors[f"blk.{layer}.{name}.weight"] = (shape, F32 if len(shape) == 1 else Q4)
    change(tensors)
    writer = GGUFWriter(path, "llama")
    writer.add_vocab_size(VOCAB)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(INNER)
    writer.add_block_count(LAYERS)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(GROUPS)
    writer.add_context_length(32)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(1e5)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list([chr(ord("A") + i) for i in range(VOCAB)])
    writer.add_token_types([3] + [1] * (VOCAB - 1))
    writer.add_token_merges(["A B"])
    for add in (writer.add_bos_token_id, writer.add_eos_token_id, writer.add_pad_token_id, writer.add_unk_token_id):
        add(0)
    random = np.random.default_rng(0)
    for name, (shape, kind) in tensors.items():
        values = gguf.quantize(random.standard_normal(shape, dtype=np.float32), kind)
        writer.add_tensor(name, values, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture(scope="module")
def model(parts: dict[str, Path]) -> LlamaForCausalLM:
    return load_language_model(parts["smollm2"])


@pytest.fixture(scope="module")
def tokenizer(parts: dict[str, Path]) -> PreTrainedTokenizerFast:
    return load_tokenizer(parts["smollm2"])


def assert_same_model(ours: LlamaForCausalLM, theirs: LlamaForCausalLM, ids: list[int]) -> None:
    mine, reference = ours.state_dict(), theirs.state_dict()
    assert mine.keys() == reference.keys()
    assert [name for name in mine if not torch.equal(mine[name], reference[name])] == []
    row = torch.tensor([ids])
    with torch.no_grad():
        assert torch.equal(ours(row).logits, theirs(row).logits)


def test_reader_agrees_with_the_gguf_package(tmp_path: Path) -> None:
    path = write_tiny(tmp_path / "tiny.gguf")
    mine, theirs = read_gguf(path), gguf.GGUFReader(path)
    assert list(mine.tensors) == [tensor.name for tensor in theirs.tensors]
    for tensor in theirs.tensors:
        expected = gguf.dequantize(tensor.data, tensor.tensor_type).reshape(tensor.shape[::-1])
        np.testing.assert_array_equal(mine.tensor(tensor.name), expected, strict=True)
    for key, value in mine.metadata.items():
        assert np.array_equal(value, theirs.get_field(key).contents()), key


def test_a_small_model_equals_transformers_own_loader(tmp_path: Path) -> None:
    path = write_tiny(tmp_path / "tiny.gguf")
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file=path.name, dtype=torch.float32)
    assert_same_model(load_language_model(path), theirs, [1, 5, 7, 100, 3])


@pytest.mark.slow
def test_smollm2_equals_transformers_own_loader(model: LlamaForCausalLM, parts: dict[str, Path]) -> None:
    path = parts["smollm2"]
    theirs = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32)
    assert_same_model(model, theirs, TOKENS["In 2024, 3.14159 and 1/2 cost $1,000."])


@pytest.mark.parametrize("layer", [0, 29])
def test_smollm2_layers_equal_the_gguf_package(layer: int, model: LlamaForCausalLM, parts: dict[str, Path]) -> None:
    file = read_gguf(parts["smollm2"])

    def theirs(name: str) -> torch.Tensor:
        entry = file.tensors[f"blk.{layer}.{name}.weight"]
        rows = file.data[entry.offset : entry.end].reshape(entry.shape[0], -1)
        return torch.from_numpy(gguf.dequantize(rows, Kind(entry.kind)).reshape(entry.shape))

    block = model.model.layers[layer]
    assert torch.equal(block.mlp.down_proj.weight, theirs("ffn_down"))
    assert torch.equal(block.self_attn.v_proj.weight, theirs("attn_v"))
    assert torch.equal(block.self_attn.o_proj.weight, theirs("attn_output"))
    for projection, name in ((block.self_attn.q_proj, "attn_q"), (block.self_attn.k_proj, "attn_k")):
        expected = theirs(name)
        for row in range(0, len(expected), 64):  # a head: pairs side by side -> first members, then second members
            head = expected[row : row + 64]
            assert torch.equal(projection.weight[row : row + 64], torch.cat([head[0::2], head[1::2]]))


def test_smollm2_is_ready_for_use(model: LlamaForCausalLM) -> None:
    assert sum(weight.numel() for weight in model.parameters()) == 134_515_008
    assert all(weight.dtype == torch.float32 and weight.is_contiguous() for weight in model.parameters())
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert not model.training


def test_smollm2_answers(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    chat = [{"role": "user", "content": "What is the capital of France?"}]
    inputs = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=True, return_tensors="pt")
    answer = model.generate(**inputs, max_new_tokens=12, do_sample=False)[0, inputs["input_ids"].shape[1] :]
    assert tokenizer.decode(answer) == "The capital of France is Paris.<|im_end|>"


@pytest.mark.parametrize("text", TOKENS)
def test_tokens_equal_transformers_own_loader(text: str, tokenizer: PreTrainedTokenizerFast) -> None:
    assert tokenizer(text)["input_ids"] == TOKENS[text]
    assert tokenizer.decode(TOKENS[text]) == text


def test_special_tokens(tokenizer: PreTrainedTokenizerFast) -> None:
    assert len(tokenizer) == 49_152 and tokenizer.model_max_length == 8192
    roles = tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token, tokenizer.unk_token
    assert roles == ("<|im_start|>", "<|im_end|>", "<|im_end|>", "<|endoftext|>")
    text = "<|im_start|>user\nHi<|im_end|>"
    assert tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True) == "user\nHi"


def test_tokenizer_survives_a_round_trip(tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    tokenizer.save_pretrained(tmp_path)
    again = PreTrainedTokenizerFast.from_pretrained(tmp_path)
    assert all(again(text)["input_ids"] == ids for text, ids in TOKENS.items())


def test_every_cut_is_seen(tmp_path: Path) -> None:
    content = write_tiny(tmp_path / "whole.gguf").read_bytes()
    path = tmp_path / "cut.gguf"
    for size in [*range(0, 4000, 7), *range(4000, len(content), 1009)]:
        path.write_bytes(content[:size])
        with pytest.raises(CheckpointError, match="cut.gguf"):
            read_gguf(path)


def _drop(name: str) -> Callable[[dict], None]:
    return lambda tensors: tensors.pop(name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_drop("blk.1.attn_k.weight"), "lacks the tensor blk.1.attn_k.weight"),
        (_drop("token_embd.weight"), "lacks the tensor token_embd.weight"),
        (lambda tensors: tensors.update({"output.weight": ((VOCAB, WIDTH), Q8)}), "holds 21 tensors where 20"),
        (
            lambda tensors: tensors.update({"blk.0.ffn_up.weight": ((WIDTH, INNER), Q4)}),
            "1 tensors do not fit.*up_proj",
        ),
        (lambda tensors: tensors.update({"output_norm.weight": ((WIDTH,), F16)}), "output_norm.weight is of kind 1"),
    ],
)
def test_another_set_of_tensors_is_refused(change: Callable[[dict], None], message: str, tmp_path: Path) -> None:
    path = write_tiny(tmp_path / "other.gguf", change)
    with pytest.raises(CheckpointError, match=message):
        load_language_model(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"GGUF\x03", b"GGUF\x02", "not a GGUF v3 file"),
        (b"GGUF", b"FUGG", "not a GGUF v3 file"),
        (b"llama.embed", b"llamb.embed", "lacks the value llama.embedding_length"),
        (b"\x05\0\0\0\0\0\0\0llama", b"\x05\0\0\0\0\0\0\0mamba", "holds a mamba model"),
        (b"smollm", b"llama3", "wants the pre-tokenizer llama3"),
    ],
)
def test_another_file_is_refused(old: bytes, new: bytes, message: str, tmp_path: Path) -> None:
    path = write_tiny(tmp_path / "other.gguf")
    content = path.read_bytes()
    path.write_bytes(content.replace(old, new, 1))
    with pytest.raises(CheckpointError, match=message):
        load_language_model(path)
        load_tokenizer(path)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="missing.gguf cannot be read"):
        read_gguf(tmp_path / "missing.gguf")
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_gguf(tmp_path)


def test_the_kinds_are_those_of_the_gguf_package() -> None:
    for kind, stored in KINDS.items():
        assert gguf.GGML_QUANT_SIZES[Kind(kind)][1] == stored.itemsize
