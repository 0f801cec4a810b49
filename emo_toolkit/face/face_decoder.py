"""Fused face map + learned task tokens -> SAM's two-way transformer -> one head per task.

Legend: N faces, C channels (256), H x W the fused map (56 x 56), T task tokens (18).
"""

import math

import torch
import torch.nn.functional as F
from torch import nn


class FaceDecoder(nn.Module):
    """Task tokens read the fused map; each head reads its own token, the mask tokens weigh the enlarged map.

    Args:
        size: channels C.
        heads: task -> numbers that its head says, in the order of the tokens.
        num_masks: mask tokens, behind the others.
        depth, attention_heads, inner: blocks, heads and MLP width of the transformer.
    """

    def __init__(
        self, size: int, *, heads: dict[str, int], num_masks: int, depth: int, attention_heads: int, inner: int
    ) -> None:
        super().__init__()
        self.transformer = TwoWayTransformer(size, depth=depth, heads=attention_heads, inner=inner)
        self.task_tokens = nn.ModuleDict({task: nn.Embedding(1, size) for task in heads})
        self.heads = nn.ModuleDict({task: Mlp(size, outputs) for task, outputs in heads.items()})
        self.mask_tokens = nn.Embedding(num_masks, size)
        self.mask_head = Mlp(size, size // 8)
        self.upscaling = nn.Sequential(
            nn.ConvTranspose2d(size, size // 4, 2, stride=2),
            ChannelNorm(size // 4, eps=1e-6),
            nn.GELU(),
            nn.ConvTranspose2d(size // 4, size // 8, 2, stride=2),
            nn.GELU(),
        )

    def forward(
        self, fused: torch.Tensor, position: torch.Tensor, *, output_masks: bool = False
    ) -> tuple[dict[str, torch.Tensor], torch.Tensor | None]:
        """fused (N, C, H, W), position (H W, C) -> {task: (N, outputs)}, mask logits (N, masks, 4 H, 4 W) or None."""
        learned = [*(token.weight for token in self.task_tokens.values()), self.mask_tokens.weight]
        task = torch.cat(learned).expand(len(fused), -1, -1)  # (N, T, C)
        tokens, cells = self.transformer(task, fused.flatten(2).mT, position)
        said = {name: head(tokens[:, place]) for place, (name, head) in enumerate(self.heads.items())}
        if not output_masks:
            return said, None
        large = self.upscaling(cells.mT.unflatten(2, fused.shape[2:]))  # (N, C / 8, 4 H, 4 W)
        weights = self.mask_head(tokens[:, len(self.heads) :])  # (N, masks, C / 8)
        return said, torch.einsum("nmc,nchw->nmhw", weights, large)


class TwoWayTransformer(nn.Module):
    """Source: SAM, arXiv 2304.02643."""

    def __init__(self, size: int, *, depth: int, heads: int, inner: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            [TwoWayBlock(size, heads=heads, inner=inner, first=block == 0) for block in range(depth)]
        )
        self.final_attn_token_to_image = TokenAttention(size, size // 2, heads=heads)
        self.norm_final_attn = nn.LayerNorm(size)

    def forward(
        self, task: torch.Tensor, cells: torch.Tensor, position: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """task (N, T, C), cells (N, H W, C), position (H W, C) -> tokens (N, T, C) and cells, both updated."""
        tokens = task
        for layer in self.layers:
            tokens, cells = layer(tokens, cells, task, position)
        found = self.final_attn_token_to_image(tokens + task, cells + position, cells)
        return self.norm_final_attn(tokens + found), cells


class TwoWayBlock(nn.Module):
    """Tokens look at each other, then at the map; then the map looks at the tokens.

    The first block's self-attention takes no positions and has no residual.
    """

    def __init__(self, size: int, *, heads: int, inner: int, first: bool) -> None:
        super().__init__()
        self.first = first
        self.self_attn = TokenAttention(size, size, heads=heads)
        self.cross_attn_token_to_image = TokenAttention(size, size // 2, heads=heads)
        self.mlp = TokenMlp(size, inner)
        self.cross_attn_image_to_token = TokenAttention(size, size // 2, heads=heads)
        self.norm1, self.norm2, self.norm3, self.norm4 = (nn.LayerNorm(size) for _ in range(4))

    def forward(
        self, tokens: torch.Tensor, cells: torch.Tensor, task: torch.Tensor, position: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """tokens (N, T, C) and cells (N, H W, C), with `task` and `position` as their positions -> both, updated."""
        if self.first:
            tokens = self.self_attn(tokens, tokens, tokens)
        else:
            tokens = tokens + self.self_attn(tokens + task, tokens + task, tokens)
        tokens = self.norm1(tokens)
        tokens = self.norm2(tokens + self.cross_attn_token_to_image(tokens + task, cells + position, cells))
        tokens = self.norm3(tokens + self.mlp(tokens))
        cells = self.norm4(cells + self.cross_attn_image_to_token(cells + position, tokens + task, tokens))
        return tokens, cells


class TokenAttention(nn.Module):
    """Multi-head attention whose inner width may be smaller than C."""

    def __init__(self, size: int, inner: int, *, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj, self.k_proj, self.v_proj = (nn.Linear(size, inner) for _ in range(3))
        self.out_proj = nn.Linear(inner, size)

    def forward(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        """query (N, S, C), key and value (N, K, C) -> (N, S, C)."""
        parts = (self.q_proj(query), self.k_proj(key), self.v_proj(value))
        split = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        return self.out_proj(F.scaled_dot_product_attention(*split).transpose(1, 2).flatten(2))


class TokenMlp(nn.Module):
    """The two layers of a block."""

    def __init__(self, size: int, inner: int) -> None:
        super().__init__()
        self.lin1, self.lin2 = nn.Linear(size, inner), nn.Linear(inner, size)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """(N, T, C) -> (N, T, C)."""
        return self.lin2(self.lin1(tokens).relu())


class Mlp(nn.Module):
    """Three linear layers with ReLU between them: every head has this form."""

    def __init__(self, size: int, outputs: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(size, size), nn.Linear(size, size), nn.Linear(size, outputs)])

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """(..., C) -> (..., outputs)."""
        return self.layers[2](self.layers[1](self.layers[0](tokens).relu()).relu())


class ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels of a map."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        return super().forward(features.movedim(1, -1)).movedim(-1, 1)


class FourierPositions(nn.Module):
    """Random Fourier features of the cells of a grid; their random directions are part of the checkpoint."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.directions = nn.Buffer(torch.randn(2, size // 2))

    def forward(self, height: int, width: int) -> torch.Tensor:
        """Positions (height * width, C) of the cells' centres, row by row."""
        y, x = (
            (torch.arange(cells, device=self.directions.device) + 0.5) / cells * 2 - 1 for cells in (height, width)
        )
        centres = torch.stack([x.repeat(height), y.repeat_interleave(width)], 1)
        angles = 2 * math.pi * centres.to(self.directions.dtype) @ self.directions
        return torch.cat([angles.sin(), angles.cos()], 1)
