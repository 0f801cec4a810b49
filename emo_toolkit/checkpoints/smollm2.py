"""SmolLM2's GGUF file -> a stock LlamaForCausalLM in float32, and its tokenizer.

Tensors under llama.cpp's names -> transformers' names, with query and key rows in the order that transformers turns.
"""

from pathlib import Path

import numpy as np
import torch
from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from ..errors import CheckpointError
from .gguf import GgufFile, read_gguf

LAYER = {  # llama.cpp -> transformers
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
SPECIAL = {"bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "pad_token": "padding"}
CONTROL = 3  # the token type of <|im_start|> and its like


def load_language_model(path: Path) -> LlamaForCausalLM:
    """SmolLM2 in eval mode, every weight from the file and every tensor of the file used.

    Raises:
        CheckpointError: the file is not a whole Llama GGUF with tied embeddings.
    """
    gguf = read_gguf(path)
    config = _config(gguf)
    weights = _weights(gguf, config)
    if len(weights) != len(gguf.tensors):
        raise CheckpointError(f"{path} holds {len(gguf.tensors)} tensors where {len(weights)} were expected")
    model, loading = LlamaForCausalLM.from_pretrained(
        None,
        config=config,
        state_dict=weights,
        dtype=torch.float32,
        ignore_mismatched_sizes=True,  # refused below, in words
        output_loading_info=True,
    )
    if wrong := [*loading["missing_keys"], *loading["unexpected_keys"], *loading["mismatched_keys"]]:
        raise CheckpointError(f"{path} does not have the shape it states; {len(wrong)} tensors do not fit: {wrong[0]}")
    return model.eval()


def load_tokenizer(path: Path) -> PreTrainedTokenizerFast:
    """SmolLM2's byte-level BPE tokenizer with its special tokens and ChatML template.

    Raises:
        CheckpointError: the file is cut short, or its vocabulary is another one.
    """
    gguf = read_gguf(path)
    if (style := gguf.value("tokenizer.ggml.pre")) != "smollm":
        raise CheckpointError(f"{path} wants the pre-tokenizer {style}; only smollm is known")
    tokens, kinds = gguf.value("tokenizer.ggml.tokens"), gguf.value("tokenizer.ggml.token_type")
    merges = [tuple(merge.split(" ")) for merge in gguf.value("tokenizer.ggml.merges")]
    backend = Tokenizer(BPE({token: number for number, token in enumerate(tokens)}, merges))
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    backend.decoder = decoders.ByteLevel()
    control = [token for token, kind in zip(tokens, kinds, strict=True) if kind == CONTROL]
    backend.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in control])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        chat_template=gguf.value("tokenizer.chat_template"),
        model_max_length=gguf.value("llama.context_length"),
        clean_up_tokenization_spaces=False,
        **{role: tokens[gguf.value(f"tokenizer.ggml.{name}_token_id")] for role, name in SPECIAL.items()},
    )


def _config(gguf: GgufFile) -> LlamaConfig:
    if (family := gguf.value("general.architecture")) != "llama":
        raise CheckpointError(f"{gguf.path} holds a {family} model, not a llama")
    return LlamaConfig(
        vocab_size=gguf.value("llama.vocab_size"),
        hidden_size=gguf.value("llama.embedding_length"),
        intermediate_size=gguf.value("llama.feed_forward_length"),
        num_hidden_layers=gguf.value("llama.block_count"),
        num_attention_heads=gguf.value("llama.attention.head_count"),
        num_key_value_heads=gguf.value("llama.attention.head_count_kv"),
        max_position_embeddings=gguf.value("llama.context_length"),
        rms_norm_eps=gguf.value("llama.attention.layer_norm_rms_epsilon"),
        rope_parameters={"rope_type": "default", "rope_theta": gguf.value("llama.rope.freq_base")},
        tie_word_embeddings=True,
        bos_token_id=gguf.value("tokenizer.ggml.bos_token_id"),
        eos_token_id=gguf.value("tokenizer.ggml.eos_token_id"),
        pad_token_id=gguf.value("tokenizer.ggml.padding_token_id"),
    )


def _weights(gguf: GgufFile, config: LlamaConfig) -> dict[str, torch.Tensor]:
    heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}
    weights = {
        "model.embed_tokens.weight": gguf.tensor("token_embd.weight"),  # (V, D), the output layer as well
        "model.norm.weight": gguf.tensor("output_norm.weight"),
    }
    for layer in range(config.num_hidden_layers):
        for theirs, ours in LAYER.items():
            tensor = gguf.tensor(f"blk.{layer}.{theirs}.weight")
            weights[f"model.layers.{layer}.{ours}.weight"] = (
                _rotary_halves(tensor, heads[theirs]) if theirs in heads else tensor
            )
    return {name: torch.from_numpy(tensor) for name, tensor in weights.items()}


def _rotary_halves(weight: np.ndarray, heads: int) -> np.ndarray:
    """Rows of a query or key matrix: rotary pairs lie side by side in llama.cpp, half a head apart in transformers."""
    rows, width = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, width).swapaxes(1, 2).reshape(rows, width)
