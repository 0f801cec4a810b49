"""LLaMA-VID's way from pixels to a frame's two tokens, written a second time as plain functions over published names.

Nothing of the toolkit is used here. `llama_vid` tensors have LLaMA-VID's names (`model.vlm_att_...`, BERT as LAVIS
writes it), `instructblip` tensors have transformers' names. Random ones of any size come with it.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F

State = dict[str, torch.Tensor]
Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Sizes:
    words: int
    text: int
    text_inner: int
    text_layers: int
    text_heads: int
    vision: int
    vision_inner: int
    vision_layers: int
    vision_heads: int
    image: int
    patch: int
    bert_words: int
    bert: int
    bert_inner: int
    bert_layers: int
    bert_heads: int
    places: int
    queries: int


PUBLISHED = Sizes(32000, 4096, 11008, 32, 32, 1408, 6144, 39, 16, 224, 14, 30523, 768, 3072, 12, 12, 512, 32)
SMALL = Sizes(12, 48, 96, 2, 4, 32, 56, 2, 4, 28, 7, 9, 24, 40, 3, 4, 16, 5)


def linear(name: str, inputs: int, outputs: int) -> Shapes:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def norm(name: str, width: int) -> Shapes:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def llama_shapes(s: Sizes, *, constants: bool = True) -> Shapes:
    """Vicuna as LLaMA-VID's files name it, with the rotary constants that transformers 4.31 still wrote."""
    found: Shapes = {"model.embed_tokens.weight": (s.words, s.text), "lm_head.weight": (s.words, s.text)}
    for number in range(s.text_layers):
        name = f"model.layers.{number}"
        found |= {f"{name}.self_attn.{part}_proj.weight": (s.text, s.text) for part in "qkvo"}
        found |= {f"{name}.mlp.{part}_proj.weight": (s.text_inner, s.text) for part in ("gate", "up")}
        found[f"{name}.mlp.down_proj.weight"] = (s.text, s.text_inner)
        found |= {f"{name}.{place}_layernorm.weight": (s.text,) for place in ("input", "post_attention")}
        if constants:
            found[f"{name}.self_attn.rotary_emb.inv_freq"] = (s.text // s.text_heads // 2,)
    return found | {"model.norm.weight": (s.text,)}


def qformer_shapes(s: Sizes, base: str, *, attention: str, norm_name: str) -> Shapes:
    """A Q-Former whose inner attention module is called `attention`: "self" by LAVIS, "attention" by transformers."""
    found: Shapes = {f"{base}.embeddings.word_embeddings.weight": (s.bert_words, s.bert)}
    found |= {f"{base}.embeddings.position_embeddings.weight": (s.places, s.bert)}
    found |= norm(f"{base}.embeddings.{norm_name}", s.bert)
    for number in range(s.bert_layers):
        name = f"{base}.encoder.layer.{number}"
        kinds = {"attention": s.bert} | ({"crossattention": s.vision} if number % 2 == 0 else {})
        for kind, width in kinds.items():
            found |= linear(f"{name}.{kind}.{attention}.query", s.bert, s.bert)
            found |= linear(f"{name}.{kind}.{attention}.key", width, s.bert)
            found |= linear(f"{name}.{kind}.{attention}.value", width, s.bert)
            found |= linear(f"{name}.{kind}.output.dense", s.bert, s.bert)
            found |= norm(f"{name}.{kind}.output.LayerNorm", s.bert)
        for ending in ("", "_query"):
            found |= linear(f"{name}.intermediate{ending}.dense", s.bert, s.bert_inner)
            found |= linear(f"{name}.output{ending}.dense", s.bert_inner, s.bert)
            found |= norm(f"{name}.output{ending}.LayerNorm", s.bert)
    return found


def llama_vid_shapes(s: Sizes, *, qformer: bool = True) -> Shapes:
    found = llama_shapes(s) | linear("model.mm_projector.0", s.vision, s.text)
    found |= linear("model.mm_projector.2", s.text, s.text) | linear("model.vlm_att_projector", s.bert, s.vision)
    found |= linear("model.vlm_att_key_projector", s.vision, s.vision)
    found |= linear("model.vlm_att_val_projector", s.vision, s.text)
    found["model.vision_tower.vision_tower.cls_token"] = (1, 1, s.vision)  # frozen EVA-g, in its own names
    if qformer:
        base = "model.vlm_att_encoder.bert"
        found |= qformer_shapes(s, base, attention="self", norm_name="LayerNorm") | norm("model.vlm_att_ln", s.vision)
        found |= {f"{base}.embeddings.position_ids": (1, s.places), "model.vlm_att_query": (1, s.queries, s.bert)}
    return found


def instructblip_shapes(s: Sizes) -> Shapes:
    eye, side = "vision_model", s.image // s.patch
    found: Shapes = {f"{eye}.embeddings.class_embedding": (1, 1, s.vision)}
    found[f"{eye}.embeddings.position_embedding"] = (1, side * side + 1, s.vision)
    patch = f"{eye}.embeddings.patch_embedding"
    found |= {f"{patch}.weight": (s.vision, 3, s.patch, s.patch), f"{patch}.bias": (s.vision,)}
    for number in range(s.vision_layers):
        name = f"{eye}.encoder.layers.{number}"
        found |= norm(f"{name}.layer_norm1", s.vision) | norm(f"{name}.layer_norm2", s.vision)
        found |= linear(f"{name}.self_attn.qkv", s.vision, 3 * s.vision)
        found |= linear(f"{name}.self_attn.projection", s.vision, s.vision)
        found |= linear(f"{name}.mlp.fc1", s.vision, s.vision_inner) | linear(
            f"{name}.mlp.fc2", s.vision_inner, s.vision
        )
    found |= norm(f"{eye}.post_layernorm", s.vision)
    found |= qformer_shapes(s, "qformer", attention="attention", norm_name="layernorm")
    found |= {"query_tokens": (1, s.queries, s.bert)} | linear("language_projection", s.bert, s.text)
    return found | {f"language_model.{name}": shape for name, shape in llama_shapes(s, constants=False).items()}


def random_state(shapes: Shapes, seed: int) -> State:
    """Random weights large enough that every part shows; norms differ from the identity."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in shapes.items():
        noise = torch.randn(shape, generator=generator)
        one = len(shape) == 1 and name.endswith("weight")
        state[name] = 1 + 0.2 * noise if one else noise * (0.3 if len(shape) < 2 else 1.2 / math.sqrt(shape[-1]))
    return state


def dense(state: State, name: str, x: torch.Tensor) -> torch.Tensor:
    return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]


def layer_norm(state: State, name: str, x: torch.Tensor, eps: float) -> torch.Tensor:
    return F.layer_norm(x, x.shape[-1:], state[f"{name}.weight"], state[f"{name}.bias"], eps)


def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, heads: int, seen: torch.Tensor | None = None):
    """(N, S, C) on (N, K, C), head by head; `seen` (N, K) tells which places may be looked at."""
    outputs = []
    for q_, k_, v_ in zip(*(x.chunk(heads, -1) for x in (q, k, v)), strict=True):
        scores = q_ @ k_.transpose(1, 2) / math.sqrt(q_.shape[-1])
        if seen is not None:
            scores = scores.masked_fill(~seen[:, None].bool(), -math.inf)
        outputs.append(scores.softmax(-1) @ v_)
    return torch.cat(outputs, -1)


def eva(blip: State, s: Sizes, pixels: torch.Tensor) -> torch.Tensor:
    """EVA-g without a final norm: pixels (N, 3, image, image) -> (N, 1 + patches, C), CLS first."""
    kernel = blip["vision_model.embeddings.patch_embedding.weight"]
    x = F.conv2d(pixels, kernel, blip["vision_model.embeddings.patch_embedding.bias"], stride=s.patch)
    first = blip["vision_model.embeddings.class_embedding"].expand(len(x), -1, -1)
    x = torch.cat([first, x.flatten(2).transpose(1, 2)], 1) + blip["vision_model.embeddings.position_embedding"]
    for number in range(s.vision_layers):
        name = f"vision_model.encoder.layers.{number}"
        q, k, v = dense(blip, f"{name}.self_attn.qkv", layer_norm(blip, f"{name}.layer_norm1", x, 1e-6)).chunk(3, -1)
        x = x + dense(blip, f"{name}.self_attn.projection", attend(q, k, v, s.vision_heads))
        inner = F.gelu(dense(blip, f"{name}.mlp.fc1", layer_norm(blip, f"{name}.layer_norm2", x, 1e-6)))
        x = x + dense(blip, f"{name}.mlp.fc2", inner)
    return x


def bert_attention(state: State, name: str, x: torch.Tensor, on: torch.Tensor, heads: int, seen=None) -> torch.Tensor:
    q, (k, v) = dense(state, f"{name}.self.query", x), (dense(state, f"{name}.self.{p}", on) for p in ("key", "value"))
    mixed = dense(state, f"{name}.output.dense", attend(q, k, v, heads, seen))
    return layer_norm(state, f"{name}.output.LayerNorm", mixed + x, 1e-12)


def feed(state: State, name: str, ending: str, x: torch.Tensor) -> torch.Tensor:
    inner = dense(state, f"{name}.output{ending}.dense", F.gelu(dense(state, f"{name}.intermediate{ending}.dense", x)))
    return layer_norm(state, f"{name}.output{ending}.LayerNorm", inner + x, 1e-12)


def qformer(state: State, s: Sizes, ids: torch.Tensor, mask: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
    """`vlm_att_encoder`: 32 queries and the question's words look at each other; queries also look at the image."""
    base, n = "model.vlm_att_encoder.bert", len(ids)
    words = state[f"{base}.embeddings.word_embeddings.weight"][ids]
    words = words + state[f"{base}.embeddings.position_embeddings.weight"][: ids.shape[1]]
    x = torch.cat([state["model.vlm_att_query"].expand(n, -1, -1), words], 1)
    x = layer_norm(state, f"{base}.embeddings.LayerNorm", x, 1e-12)
    seen = torch.cat([torch.ones(n, s.queries, dtype=mask.dtype), mask], 1)
    for number in range(s.bert_layers):
        name = f"{base}.encoder.layer.{number}"
        x = bert_attention(state, f"{name}.attention", x, x, s.bert_heads, seen)
        queries, words = x[:, : s.queries], x[:, s.queries :]
        if number % 2 == 0:
            queries = bert_attention(state, f"{name}.crossattention", queries, image, s.bert_heads)
        x = torch.cat([feed(state, name, "_query", queries), feed(state, name, "", words)], 1)
    return x[:, : s.queries]


def frame_tokens(state: State, s: Sizes, features: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor):
    """`token_generation`: EVA-g's tokens (N, 1 + patches, C) and the question -> context and content (N, text)."""
    image = layer_norm(state, "model.vlm_att_ln", features, 1e-5)
    text_q = dense(state, "model.vlm_att_projector", qformer(state, s, ids, mask, image))
    patches = features[:, 1:]
    keys = dense(state, "model.vlm_att_key_projector", patches)
    weights = (text_q @ keys.transpose(1, 2) / math.sqrt(s.vision)).softmax(-1)
    context = dense(state, "model.vlm_att_val_projector", (weights @ patches).mean(1))
    hidden = F.gelu(dense(state, "model.mm_projector.0", patches.mean(1)))
    return context, dense(state, "model.mm_projector.2", hidden)
