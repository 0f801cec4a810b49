"""FaceXFormer written a second time, as plain functions over a state dict with the published names.

Nothing of the toolkit is used here. Attention inside Swin's windows is written over all cells with a mask, so that it
shares no step with the usual window partition. Random state dicts of any size come with it.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F

State = dict[str, torch.Tensor]
TASKS = {"landmarks": 136, "pose": 3, "attribute": 40, "visibility": 29, "age": 8, "gender": 2, "race": 5}
MASKS = 11


@dataclass(frozen=True)
class Sizes:
    embed: int
    depths: tuple[int, ...]
    heads: tuple[int, ...]
    window: int
    size: int
    decoder_heads: int
    inner: int
    image: int

    @property
    def swin_config(self) -> dict:
        values = {"embed_dim": self.embed, "depths": list(self.depths), "num_heads": list(self.heads)}
        return values | {"window_size": self.window, "image_size": self.image}


PUBLISHED = Sizes(128, (2, 2, 18, 2), (4, 8, 16, 32), 7, 256, 8, 2048, 224)
SMALL = Sizes(8, (2, 1, 1, 2), (1, 2, 2, 4), 2, 16, 2, 24, 64)


def shapes(s: Sizes) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor in the file's state dict."""
    found: dict[str, tuple[int, ...]] = {}

    def linear(name: str, inputs: int, outputs: int) -> None:
        found.update({f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)})

    def norm(name: str, width: int) -> None:
        found.update({f"{name}.weight": (width,), f"{name}.bias": (width,)})

    found |= {"backbone.0.0.0.weight": (s.embed, 3, 4, 4), "backbone.0.0.0.bias": (s.embed,)}
    norm("backbone.0.0.2", s.embed)
    for stage, depth in enumerate(s.depths):
        width = s.embed * 2**stage
        for block in range(depth):
            name = f"backbone.0.{2 * stage + 1}.{block}"
            norm(f"{name}.norm1", width)
            norm(f"{name}.norm2", width)
            linear(f"{name}.attn.qkv", width, 3 * width)
            linear(f"{name}.attn.proj", width, width)
            found[f"{name}.attn.relative_position_bias_table"] = ((2 * s.window - 1) ** 2, s.heads[stage])
            found[f"{name}.attn.relative_position_index"] = (s.window**4,)
            linear(f"{name}.mlp.0", width, 4 * width)
            linear(f"{name}.mlp.3", 4 * width, width)
        if stage < len(s.depths) - 1:
            found[f"backbone.0.{2 * stage + 2}.reduction.weight"] = (2 * width, 4 * width)
            norm(f"backbone.0.{2 * stage + 2}.norm", 4 * width)
        linear(f"linear_c.{stage}.proj", width, s.size)
    norm("backbone.1", width)
    found["linear_fuse.weight"] = (s.size, len(s.depths) * s.size, 1, 1)
    found["pe_layer.positional_encoding_gaussian_matrix"] = (2, s.size // 2)

    decoder = "face_decoder"
    attentions = {"final_attn_token_to_image": s.size // 2}
    for layer in range(2):
        name = f"{decoder}.transformer.layers.{layer}"
        attentions[f"layers.{layer}.self_attn"] = s.size
        attentions[f"layers.{layer}.cross_attn_token_to_image"] = s.size // 2
        attentions[f"layers.{layer}.cross_attn_image_to_token"] = s.size // 2
        linear(f"{name}.mlp.lin1", s.size, s.inner)
        linear(f"{name}.mlp.lin2", s.inner, s.size)
        for number in range(1, 5):
            norm(f"{name}.norm{number}", s.size)
    for name, width in attentions.items():
        for part in "qkv":
            linear(f"{decoder}.transformer.{name}.{part}_proj", s.size, width)
        linear(f"{decoder}.transformer.{name}.out_proj", width, s.size)
    norm(f"{decoder}.transformer.norm_final_attn", s.size)
    for task, outputs in TASKS.items():
        found[f"{decoder}.{task}_token.weight"] = (1, s.size)
        for layer, width in enumerate((s.size, s.size, outputs)):
            linear(f"{decoder}.{task}_prediction_head.layers.{layer}", s.size, width)
    found[f"{decoder}.mask_tokens.weight"] = (MASKS, s.size)
    for layer, width in enumerate((s.size, s.size, s.size // 8)):
        linear(f"{decoder}.output_hypernetwork_mlps.layers.{layer}", s.size, width)
    large = f"{decoder}.output_upscaling"
    found |= {f"{large}.0.weight": (s.size, s.size // 4, 2, 2), f"{large}.0.bias": (s.size // 4,)}
    norm(f"{large}.1", s.size // 4)
    found |= {f"{large}.3.weight": (s.size // 4, s.size // 8, 2, 2), f"{large}.3.bias": (s.size // 8,)}
    return found


def random_state(s: Sizes, seed: int = 0) -> State:
    """Random weights large enough that every part shows in the outputs; norms differ from the identity."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in shapes(s).items():
        if name.endswith("relative_position_index"):
            state[name] = torch.arange(math.prod(shape))
            continue
        noise = torch.randn(shape, generator=generator)
        one = len(shape) == 1 and name.endswith("weight")  # a norm
        state[name] = 1 + 0.2 * noise if one else noise * (0.3 if len(shape) < 2 else 1.2 / math.sqrt(shape[-1]))
    return state


def layer_norm(state: State, name: str, x: torch.Tensor, eps: float = 1e-5) -> torch.Tensor:
    return F.layer_norm(x, x.shape[-1:], state[f"{name}.weight"], state[f"{name}.bias"], eps)


def dense(state: State, name: str, x: torch.Tensor) -> torch.Tensor:
    return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]


def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, heads: int, extra: float | torch.Tensor = 0.0):
    """Softmax attention of (N, S, C) on (N, K, C), head by head; `extra` (heads, S, K) is added to the scores."""
    width = q.shape[-1] // heads
    outputs = []
    for head in range(heads):
        part = slice(head * width, (head + 1) * width)
        added = extra[head] if isinstance(extra, torch.Tensor) else extra
        scores = q[..., part] @ k[..., part].transpose(1, 2) / math.sqrt(width) + added
        outputs.append(scores.softmax(-1) @ v[..., part])
    return torch.cat(outputs, -1)


def window_bias(table: torch.Tensor, side: int, window: int, shift: int) -> torch.Tensor:
    """(heads, side ** 2, side ** 2): the learned bias inside a (shifted) window, minus infinity outside it."""
    places = torch.arange(side)
    moved, wrapped = (places - shift) % side, places < shift
    y, x = places.repeat_interleave(side), places.repeat(side)
    same = torch.ones(side * side, side * side, dtype=torch.bool)
    index = torch.zeros(side * side, side * side, dtype=torch.long)
    for axis in (y, x):
        inside, block, wraps = moved[axis] % window, moved[axis] // window, wrapped[axis]
        same &= (block[:, None] == block) & (wraps[:, None] == wraps)
        index = index * (2 * window - 1) + inside[:, None] - inside + window - 1
    bias = table[index.clamp(0, len(table) - 1)].permute(2, 0, 1)
    return bias.masked_fill(~same, -math.inf)


def swin_block(state: State, name: str, x: torch.Tensor, heads: int, window: int, shift: int) -> torch.Tensor:
    n, side, _, width = x.shape
    cells = x.reshape(n, side * side, width)
    q, k, v = dense(state, f"{name}.attn.qkv", layer_norm(state, f"{name}.norm1", cells)).split(width, -1)
    bias = window_bias(state[f"{name}.attn.relative_position_bias_table"], side, window, shift)
    cells = cells + dense(state, f"{name}.attn.proj", attend(q, k, v, heads, bias))
    inner = F.gelu(dense(state, f"{name}.mlp.0", layer_norm(state, f"{name}.norm2", cells)))
    return (cells + dense(state, f"{name}.mlp.3", inner)).reshape(x.shape)


def swin(state: State, s: Sizes, pixels: torch.Tensor) -> list[torch.Tensor]:
    """The map behind each stage (N, C, h, w), before it is merged."""
    x = F.conv2d(pixels, state["backbone.0.0.0.weight"], state["backbone.0.0.0.bias"], stride=4).permute(0, 2, 3, 1)
    x = layer_norm(state, "backbone.0.0.2", x)
    maps = []
    for stage, depth in enumerate(s.depths):
        for block in range(depth):
            shift = s.window // 2 if block % 2 and x.shape[1] > s.window else 0
            x = swin_block(state, f"backbone.0.{2 * stage + 1}.{block}", x, s.heads[stage], s.window, shift)
        maps.append(x.permute(0, 3, 1, 2))
        if stage < len(s.depths) - 1:
            quarters = [x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2]]
            name = f"backbone.0.{2 * stage + 2}"
            x = layer_norm(state, f"{name}.norm", torch.cat(quarters, -1)) @ state[f"{name}.reduction.weight"].T
    return maps


def fuse(state: State, maps: list[torch.Tensor]) -> torch.Tensor:
    """Each map through its Linear, enlarged to the first one's size, deepest first, then 1 x 1."""
    side = maps[0].shape[-1]
    same = []
    for stage, features in enumerate(maps):
        n, _, height, width = features.shape
        projected = dense(state, f"linear_c.{stage}.proj", features.flatten(2).transpose(1, 2))
        projected = projected.transpose(1, 2).reshape(n, -1, height, width)
        same.append(F.interpolate(projected, (side, side), mode="bilinear", align_corners=False))
    return F.conv2d(torch.cat(same[::-1], 1), state["linear_fuse.weight"])


def positions(state: State, side: int) -> torch.Tensor:
    """SAM's random Fourier features of the cells of a grid, (side ** 2, C)."""
    directions, rows = state["pe_layer.positional_encoding_gaussian_matrix"], []
    for y in range(side):
        for x in range(side):
            centre = torch.tensor([(x + 0.5) / side, (y + 0.5) / side]).to(directions) * 2 - 1
            angle = centre @ directions * 2 * math.pi
            rows.append(torch.cat([angle.sin(), angle.cos()]))
    return torch.stack(rows)


def sam_attention(state: State, name: str, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, heads: int):
    q, k, v = (dense(state, f"{name}.{part}_proj", x) for part, x in zip("qkv", (q, k, v), strict=True))
    return dense(state, f"{name}.out_proj", attend(q, k, v, heads))


def two_way(state: State, tokens: torch.Tensor, cells: torch.Tensor, place: torch.Tensor, heads: int):
    """SAM's two-way transformer of depth 2: tokens (N, T, C), cells (N, K, C) and the cells' positions (K, C)."""
    base, start = "face_decoder.transformer", tokens
    for layer in range(2):
        name = f"{base}.layers.{layer}"
        if layer == 0:
            tokens = sam_attention(state, f"{name}.self_attn", tokens, tokens, tokens, heads)
        else:
            q = tokens + start
            tokens = tokens + sam_attention(state, f"{name}.self_attn", q, q, tokens, heads)
        tokens = layer_norm(state, f"{name}.norm1", tokens)
        q, k = tokens + start, cells + place
        tokens = tokens + sam_attention(state, f"{name}.cross_attn_token_to_image", q, k, cells, heads)
        tokens = layer_norm(state, f"{name}.norm2", tokens)
        inner = dense(state, f"{name}.mlp.lin1", tokens).relu()
        tokens = layer_norm(state, f"{name}.norm3", tokens + dense(state, f"{name}.mlp.lin2", inner))
        q, k = cells + place, tokens + start
        cells = cells + sam_attention(state, f"{name}.cross_attn_image_to_token", q, k, tokens, heads)
        cells = layer_norm(state, f"{name}.norm4", cells)
    q, k = tokens + start, cells + place
    tokens = tokens + sam_attention(state, f"{base}.final_attn_token_to_image", q, k, cells, heads)
    return layer_norm(state, f"{base}.norm_final_attn", tokens), cells


def mlp(state: State, name: str, x: torch.Tensor) -> torch.Tensor:
    x = dense(state, f"{name}.layers.0", x).relu()
    return dense(state, f"{name}.layers.2", dense(state, f"{name}.layers.1", x).relu())


def forward(state: State, s: Sizes, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
    """Pixels (N, 3, image, image) -> the fused map and what every head says."""
    fused = fuse(state, swin(state, s, pixels))
    n, size, side, _ = fused.shape
    learned = [state[f"face_decoder.{task}_token.weight"] for task in TASKS]
    tokens = torch.cat([*learned, state["face_decoder.mask_tokens.weight"]])[None].repeat(n, 1, 1)
    cells = fused.reshape(n, size, side * side).transpose(1, 2)
    tokens, cells = two_way(state, tokens, cells, positions(state, side), s.decoder_heads)
    said = {task: mlp(state, f"face_decoder.{task}_prediction_head", tokens[:, i]) for i, task in enumerate(TASKS)}
    name = "face_decoder.output_upscaling"
    x = cells.transpose(1, 2).reshape(n, size, side, side)
    x = F.conv_transpose2d(x, state[f"{name}.0.weight"], state[f"{name}.0.bias"], stride=2)
    x = F.gelu(layer_norm(state, f"{name}.1", x.permute(0, 2, 3, 1), 1e-6).permute(0, 3, 1, 2))
    x = F.gelu(F.conv_transpose2d(x, state[f"{name}.3.weight"], state[f"{name}.3.bias"], stride=2))
    weights = mlp(state, "face_decoder.output_hypernetwork_mlps", tokens[:, len(TASKS) :])
    masks = (weights @ x.flatten(2)).reshape(n, MASKS, *x.shape[2:])
    return said | {"fused": fused, "masks": masks}
