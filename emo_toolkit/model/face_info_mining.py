"""Face Info Mining: a global and a local look at one face, guided by facial priors, condensed by a clue aggregator.

patches + face embedding + landmarks -> two gated clues a frame. The paper names the module and its two branches and
publishes neither equations nor sizes: every choice here is a reconstruction, marked `Reconstruction:`.
Legend: N frames, P patches, E face tokens, L landmarks, Q queries, T tokens handed on, C vision width, D text width.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn
from transformers import InstructBlipQFormerConfig, InstructBlipQFormerModel
from transformers.masking_utils import create_bidirectional_mask
from transformers.utils import ModelOutput

from .configuration_emo_llama import FaceInfoMiningConfig

# features, and when asked for: the attention weights, and how much of each feature the attention brought
Attended = tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]


@dataclass
class FaceInfoMiningOutput(ModelOutput):
    """What the module found, and (when asked) where it looked.

    Attributes:
        clues: (N, 2 * T, D), global then local; exactly zero while the gates are closed or no face was found.
        summary: (N, 2 * T, D), the part of `clues` that came through the prior summary, which has no attention; None
            without one.
        global_attention: (N, heads, P, E), rows sum to 1; patches looking at face tokens.
        local_attention: (N, heads, L, P), rows sum to 1; landmarks looking at patches.
        global_strength: (N, P), 0..1: norm of what the gated attention added to a patch, beside the norm of the patch.
        local_strength: (N, L), the same of landmarks. Zero while the branch's gate is closed.
        global_clue_attention: (N, layers, heads, Q, P), rows sum to 1; clue queries looking at the global branch.
        local_clue_attention: (N, layers, heads, Q, L), the same at the local branch.
        context_attention: (N, Q, P), rows sum to 1; what the context token beside the clues is a mean of. The model
            adds it: it is no part of this module.
    """

    clues: torch.Tensor | None = None
    summary: torch.Tensor | None = None
    global_attention: torch.Tensor | None = None
    local_attention: torch.Tensor | None = None
    global_strength: torch.Tensor | None = None
    local_strength: torch.Tensor | None = None
    global_clue_attention: torch.Tensor | None = None
    local_clue_attention: torch.Tensor | None = None
    context_attention: torch.Tensor | None = None


class GatedCrossAttention(nn.Module):
    """`x + tanh(gate) * MHA(LN(x), context)`, with the gate closed (0) at first, so that nothing changes."""

    def __init__(self, size: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(size)
        self.attention = nn.MultiheadAttention(size, heads, dropout=dropout, batch_first=True)
        self.gate = nn.Parameter(torch.zeros(()))

    def forward(self, x: torch.Tensor, context: torch.Tensor, *, need_weights: bool = False) -> Attended:
        """x (N, S, C), context (N, K, C) -> (N, S, C); attention (N, heads, S, K) and its strength (N, S), or None.

        The weights come from a second look, so that asking for them changes no bit of the features.
        """
        asked = self.norm(x)
        gated = torch.tanh(self.gate) * self.attention(asked, context, context, need_weights=False)[0]
        if not need_weights:
            return x + gated, None, None
        weights = self.attention(asked, context, context, need_weights=True, average_attn_weights=False)[1]
        return x + gated, weights, gated.norm(dim=-1) / (gated.norm(dim=-1) + x.norm(dim=-1))


class GlobalBranch(nn.Module):
    """Every patch asks the face embedding. Reconstruction: `G = X + tanh(g) MHA(LN X; LN(W E) + position)`."""

    def __init__(self, config: FaceInfoMiningConfig) -> None:
        super().__init__()
        self.embedding_proj = nn.Linear(config.prior_size, config.hidden_size)
        self.norm = nn.LayerNorm(config.hidden_size)
        self.position = nn.Parameter(torch.zeros(1, config.num_prior_tokens, config.hidden_size))
        self.attention = GatedCrossAttention(config.hidden_size, config.num_attention_heads, config.dropout)

    def forward(self, patches: torch.Tensor, embedding: torch.Tensor, *, need_weights: bool = False) -> Attended:
        """patches (N, P, C), embedding (N, E, prior_size) -> (N, P, C), attention (N, heads, P, E), strength
        (N, P)."""
        prior = self.norm(self.embedding_proj(embedding)) + self.position  # (N, E, C)
        return self.attention(patches, prior, need_weights=need_weights)


class LocalBranch(nn.Module):
    """Every landmark asks the patches. Reconstruction: `p_j = MLP(P_j) + id_j + X sampled at P_j`, then attention."""

    def __init__(self, config: FaceInfoMiningConfig) -> None:
        super().__init__()
        size = config.hidden_size
        self.landmark_proj = nn.Sequential(nn.Linear(2, size // 4), nn.GELU(), nn.Linear(size // 4, size))
        self.landmark_id = nn.Embedding(config.num_landmarks, size)
        self.attention = GatedCrossAttention(size, config.num_attention_heads, config.dropout)

    def forward(self, patches: torch.Tensor, landmarks: torch.Tensor, *, need_weights: bool = False) -> Attended:
        """patches (N, P, C), landmarks (N, L, 2) as x, y in [-1, 1] -> (N, L, C), attention (N, heads, L, P), strength
        (N, L)."""
        points = self.landmark_proj(landmarks) + self.landmark_id.weight + sample_patches(patches, landmarks)
        return self.attention(points, patches, need_weights=need_weights)


class ClueAggregator(nn.Module):
    """A small Q-Former that both branches share: learned queries read a branch's tokens, with the question beside
    them in self-attention. Reconstruction, after CAT's Clue Aggregator (ECCV 2024), which shares authors."""

    def __init__(self, config: FaceInfoMiningConfig, guide_size: int) -> None:
        super().__init__()
        self.config = config
        qformer_config = InstructBlipQFormerConfig(
            vocab_size=1,
            hidden_size=config.clue_hidden_size,
            num_hidden_layers=config.clue_num_layers,
            num_attention_heads=config.clue_num_heads,
            intermediate_size=config.clue_intermediate_size,
            encoder_hidden_size=config.hidden_size,
            max_position_embeddings=256,
            hidden_dropout_prob=config.dropout,
            attention_probs_dropout_prob=config.dropout,
        )
        self.encoder = InstructBlipQFormerModel(qformer_config)
        # The question arrives as word embeddings of the model's own text side: no second vocabulary.
        self.encoder.embeddings.word_embeddings = nn.Linear(guide_size, config.clue_hidden_size, bias=False)
        self.queries = nn.Embedding(config.num_clue_queries, config.clue_hidden_size)

    def forward(self, features: torch.Tensor, guide: torch.Tensor, guide_mask: torch.Tensor) -> torch.Tensor:
        """features (N, S, C), guide (N, W, guide_size), guide_mask (N, W) -> clue tokens (N, T, clue_hidden_size)."""
        queries = self.queries.weight.expand(len(features), -1, -1)
        clues = ask_qformer(self.encoder, queries, guide, guide_mask, features)  # (N, Q, H)
        return clues.unflatten(1, (self.config.num_face_tokens, -1)).mean(2)

    def attention(self, features: torch.Tensor, guide: torch.Tensor, guide_mask: torch.Tensor) -> torch.Tensor:
        """Where the queries look: (N, layers, heads, Q, S) over the cross-attention layers; arguments as in `forward`.

        Computed anew from each layer's input, whatever attention kernel the encoder runs on.
        """
        queries = self.queries.weight.expand(len(features), -1, -1)
        whole = run_qformer(self.encoder, queries, guide, guide_mask, features, output_hidden_states=True)
        states = whole.hidden_states  # the input of each layer, and what leaves the last
        mask = create_bidirectional_mask(
            config=self.encoder.config, inputs_embeds=states[0], attention_mask=join_masks(queries, guide_mask)
        )
        weights = []
        for layer, state in zip(self.encoder.encoder.layer, states[:-1], strict=True):
            if layer.has_cross_attention:
                look = layer.crossattention.attention
                heads = (look.num_attention_heads, look.attention_head_size)
                asked = layer.attention(state, attention_mask=mask)[:, : queries.shape[1]]
                query = look.query(asked).unflatten(-1, heads).transpose(1, 2)
                key = look.key(features).unflatten(-1, heads).transpose(1, 2)
                weights.append((query @ key.mT * look.scaling).softmax(-1))
        return torch.stack(weights, dim=1)


class PriorSummary(nn.Module):
    """Two-layer perceptrons over the mean face token and over the 68 points, each to a clue of its branch.

    Reconstruction: a Q-Former that starts from nothing keeps less of the face embedding, on some ten thousand faces,
    than a perceptron over its mean does (MODEL_CARD.md); the summary adds what it would lose.
    """

    def __init__(self, config: FaceInfoMiningConfig, text_size: int) -> None:
        super().__init__()
        size, points = config.summary_size, 2 * config.num_landmarks
        self.parts = list(config.prior_parts) or [config.prior_size]
        self.norms = nn.ModuleList(nn.LayerNorm(width) for width in self.parts)
        self.embedding_mlp = _perceptron(config.prior_size, size, text_size, config.summary_dropout)
        self.landmark_mlp = _perceptron(points, size // 4, text_size, config.summary_dropout)

    def forward(self, embedding: torch.Tensor, landmarks: torch.Tensor) -> torch.Tensor:
        """embedding (N, E, prior_size), landmarks (N, L, 2) -> (N, 2, 1, text_size), global then local."""
        parts = embedding.mean(1).split(self.parts, dim=-1)
        joined = torch.cat([norm(part) for norm, part in zip(self.norms, parts, strict=True)], dim=-1)
        return torch.stack([self.embedding_mlp(joined), self.landmark_mlp(landmarks.flatten(1))], dim=1).unsqueeze(2)


class FaceInfoMining(nn.Module):
    """Both branches, the shared aggregator, and one gate a branch in front of the language model.

    While the gates are closed the clues are exactly zero, so that an untrained module changes nothing.
    """

    def __init__(self, config: FaceInfoMiningConfig, guide_size: int, text_size: int) -> None:
        super().__init__()
        self.global_branch = GlobalBranch(config)
        self.local_branch = LocalBranch(config)
        self.clue_aggregator = ClueAggregator(config, guide_size)
        self.clue_proj = nn.Linear(config.clue_hidden_size, text_size)
        self.summary = PriorSummary(config, text_size) if config.summary_size else None
        self.clue_gates = nn.Parameter(torch.zeros(2))

    def forward(
        self,
        patches: torch.Tensor,
        embedding: torch.Tensor,
        landmarks: torch.Tensor,
        found: torch.Tensor,
        guide: torch.Tensor,
        guide_mask: torch.Tensor,
        *,
        need_weights: bool = False,
    ) -> FaceInfoMiningOutput:
        """Mines N frames.

        Args:
            patches: (N, P, C) vision tokens without CLS; P is a square grid.
            embedding: (N, E, prior_size) face tokens of the analyser.
            landmarks: (N, L, 2) x, y in [-1, 1] of the picture that `patches` show.
            found: (N,) bool, the clues of a frame without a face are zero; or (N, 2), the same of each branch's clue.
            guide: (N, W, guide_size) word embeddings of the question; `guide_mask` (N, W).
            need_weights: also return all attention maps and strengths.
        """
        seen, *global_look = self.global_branch(patches, embedding, need_weights=need_weights)
        points, *local_look = self.local_branch(patches, landmarks, need_weights=need_weights)
        clues = torch.stack(
            [self.clue_aggregator(branch, guide, guide_mask) for branch in (seen, points)], dim=1
        )  # (N, 2, T, H)
        gates = torch.tanh(self.clue_gates).view(1, 2, 1, 1) * found.reshape(len(found), -1, 1, 1)
        clues, summary = self.clue_proj(clues), None  # (N, 2, T, D)
        if self.summary is not None:
            direct = self.summary(embedding, landmarks)
            clues, summary = clues + direct, (gates * direct).expand_as(clues).flatten(1, 2)
        output = FaceInfoMiningOutput((gates * clues).flatten(1, 2), summary)
        if need_weights:
            output.global_attention, output.global_strength = global_look
            output.local_attention, output.local_strength = local_look
            output.global_clue_attention = self.clue_aggregator.attention(seen, guide, guide_mask)
            output.local_clue_attention = self.clue_aggregator.attention(points, guide, guide_mask)
        return output


def _perceptron(size: int, hidden: int, out: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Dropout(0.6 * dropout), nn.Linear(size, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, out)
    )


def ask_qformer(
    qformer: InstructBlipQFormerModel,
    queries: torch.Tensor,
    guide: torch.Tensor,
    guide_mask: torch.Tensor,
    features: torch.Tensor,
) -> torch.Tensor:
    """Runs a Q-Former on features (N, S, C) with queries (N, Q, H) and the question's ids (N, W) or embeddings
    (N, W, guide_size); returns the query outputs (N, Q, H)."""
    return run_qformer(qformer, queries, guide, guide_mask, features).last_hidden_state[:, : queries.shape[1]]


def run_qformer(
    qformer: InstructBlipQFormerModel,
    queries: torch.Tensor,
    guide: torch.Tensor,
    guide_mask: torch.Tensor,
    features: torch.Tensor,
    *,
    output_hidden_states: bool = False,
) -> ModelOutput:
    """As `ask_qformer`, with everything that the Q-Former returns over its queries and the question behind them."""
    return qformer(
        input_ids=guide,
        attention_mask=join_masks(queries, guide_mask),
        query_embeds=queries,
        encoder_hidden_states=features,
        output_hidden_states=output_hidden_states,
    )


def join_masks(queries: torch.Tensor, guide_mask: torch.Tensor) -> torch.Tensor:
    """The mask (N, Q + W) over queries (N, Q, H), all seen, and the question (N, W)."""
    return torch.cat([guide_mask.new_ones(queries.shape[:2]), guide_mask], dim=1)


def sample_patches(patches: torch.Tensor, landmarks: torch.Tensor) -> torch.Tensor:
    """Bilinear samples of a square patch grid (N, P, C) at landmarks (N, L, 2) in [-1, 1] -> (N, L, C).

    Points outside the picture take the border's value.
    """
    side = round(patches.shape[1] ** 0.5)
    if side * side != patches.shape[1]:
        raise ValueError(f"{patches.shape[1]} patches are not a square grid")
    grid = patches.mT.unflatten(2, (side, side))  # (N, C, side, side)
    points = landmarks.to(patches.dtype).unsqueeze(1)  # (N, 1, L, 2)
    sampled = F.grid_sample(grid, points, padding_mode="border", align_corners=False)  # (N, C, 1, L)
    return sampled.squeeze(2).mT
