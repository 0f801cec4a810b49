"""EMO-LLaMA: LLaMA-VID's two frame tokens and two mined face tokens in front of a LLaMA.

frames + facial priors + question -> frame tokens -> placeholders of the prompt -> next-token logits.
Legend: B batch, F frames, N = B * F, P patches, K tokens a frame, C vision width, D text width.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from transformers import (
    AutoModel,
    GenerationMixin,
    InstructBlipQFormerModel,
    InstructBlipVisionConfig,
    InstructBlipVisionModel,
    PreTrainedModel,
)
from transformers import initialization as init
from transformers.modeling_outputs import ModelOutput

from .configuration_emo_llama import EmoLlamaConfig
from .face_info_mining import FaceInfoMining, FaceInfoMiningOutput, GlobalBranch, ask_qformer

AutoModel.register(InstructBlipVisionConfig, InstructBlipVisionModel, exist_ok=True)

FRAME_INPUTS = ("pixel_values", "vision_features", "face_embeds", "face_landmarks", "face_found", "frame_mask")
GUIDE_INPUTS = ("guide_input_ids", "guide_attention_mask")


@dataclass
class EmoLlamaOutput(ModelOutput):
    """Causal LM output plus `frame_tokens` (N, K, D) as the language model reads them and `face`, what Face Info
    Mining saw. With `labels`, `logits` holds answer rows only."""

    loss: torch.Tensor | None = None
    logits: torch.Tensor | None = None
    past_key_values: Any = None
    hidden_states: tuple[torch.Tensor, ...] | None = None
    attentions: tuple[torch.Tensor, ...] | None = None
    face: FaceInfoMiningOutput | None = None
    frame_tokens: torch.Tensor | None = None


class FrameProjector(nn.Module):
    """LLaMA-VID's token generation: a question-guided context token and a mean-pooled content token a frame.

    Source: LLaMA-VID `vlm_attention` / `token_generation` (arXiv 2311.17043), compress type "mean".
    """

    def __init__(self, config: EmoLlamaConfig) -> None:
        super().__init__()
        width, text_width = config.vision_config.hidden_size, config.text_config.hidden_size
        self.query_proj = nn.Linear(config.qformer_config.hidden_size, width)
        self.key_proj = nn.Linear(width, width)
        self.context_proj = nn.Linear(width, text_width)
        self.content_proj = nn.Sequential(nn.Linear(width, text_width), nn.GELU(), nn.Linear(text_width, text_width))

    def forward(
        self, text_queries: torch.Tensor, patches: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """text_queries (N, Q, H), patches (N, P, C) -> context (N, 1, D), content (N, 1, D), and the context token's
        weights of the patches (N, Q, P)."""
        scores = self.query_proj(text_queries) @ self.key_proj(patches).mT / patches.shape[-1] ** 0.5  # (N, Q, P)
        weights = scores.softmax(-1)
        context = (weights @ patches).mean(1, keepdim=True)  # (N, 1, C)
        return self.context_proj(context), self.content_proj(patches.mean(1, keepdim=True)), weights


class EmoLlamaPreTrainedModel(PreTrainedModel):
    config: EmoLlamaConfig
    base_model_prefix = "model"
    input_modalities = ("image", "text")
    supports_gradient_checkpointing = True
    _skip_keys_device_placement = ["past_key_values"]
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_attention_backend = True

    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        std = self.config.fim_config.initializer_range
        if isinstance(module, GlobalBranch):
            init.normal_(module.position, mean=0.0, std=std)
        elif isinstance(module, FaceInfoMining):
            init.zeros_(module.clue_gates)
            init.zeros_(module.global_branch.attention.gate)
            init.zeros_(module.local_branch.attention.gate)


class EmoLlamaForConditionalGeneration(EmoLlamaPreTrainedModel, GenerationMixin):
    """The whole model. Frame layout: `[context, content, face_global * T, face_local * T]`, frames in time order.

    A face token is the content token plus its gated clue, so that with closed gates no facial prior reaches a logit.
    Reconstruction: the paper does not say how face tokens enter; this starts from tokens the LLM already reads.
    """

    _tied_weights_keys = {"lm_head.weight": "language_model.embed_tokens.weight"}

    def __init__(self, config: EmoLlamaConfig) -> None:
        super().__init__(config)
        text_width, qformer_width = config.text_config.hidden_size, config.qformer_config.hidden_size
        guide_width = text_width if config.qformer_shares_embeddings else qformer_width
        self.vision_tower = AutoModel.from_config(config.vision_config)
        self.qformer_norm = nn.LayerNorm(config.vision_config.hidden_size)
        self.qformer = InstructBlipQFormerModel(config.qformer_config)
        if config.qformer_shares_embeddings:
            self.qformer.embeddings.word_embeddings = nn.Linear(text_width, qformer_width, bias=False)
        self.query_tokens = nn.Embedding(config.num_query_tokens, qformer_width)
        self.multi_modal_projector = FrameProjector(config)
        self.face_info_mining = FaceInfoMining(config.fim_config, guide_width, text_width)
        self.language_model = AutoModel.from_config(config.text_config)
        self.lm_head = nn.Linear(text_width, config.text_config.vocab_size, bias=False)
        self.post_init()

    def get_vision_features(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """pixel_values (N, 3, H, W) -> vision tokens with CLS first (N, 1 + P, C)."""
        layer = self.config.vision_feature_layer
        outputs = self.vision_tower(pixel_values.to(self.dtype), output_hidden_states=layer is not None)
        return outputs.last_hidden_state if layer is None else outputs.hidden_states[layer]

    def get_frame_tokens(
        self,
        vision_features: torch.Tensor,
        face_embeds: torch.Tensor,
        face_landmarks: torch.Tensor,
        face_found: torch.Tensor,
        guide_input_ids: torch.Tensor,
        guide_attention_mask: torch.Tensor,
        *,
        need_weights: bool = False,
    ) -> tuple[torch.Tensor, FaceInfoMiningOutput]:
        """N frames -> frame tokens (N, K, D) and what the face module saw. The guide is (N, W) token ids."""
        vision_features, face_embeds, face_landmarks = (
            value.to(self.dtype) for value in (vision_features, face_embeds, face_landmarks)
        )
        patches = vision_features[:, 1:]
        if self.config.qformer_shares_embeddings:
            guide = question = self.get_input_embeddings()(guide_input_ids)  # (N, W, D)
        else:
            guide, question = self.qformer.embeddings.word_embeddings(guide_input_ids), guide_input_ids
        text_queries = ask_qformer(
            self.qformer,
            self.query_tokens.weight.expand(len(patches), -1, -1),
            question,
            guide_attention_mask,
            self.qformer_norm(vision_features),
        )  # (N, Q, H)
        context, content, weights = self.multi_modal_projector(text_queries, patches)
        face = self.face_info_mining(
            patches, face_embeds, face_landmarks, face_found, guide, guide_attention_mask, need_weights=need_weights
        )
        face.context_attention = weights if need_weights else None
        return torch.cat([context, content, content + face.clues], dim=1), face

    def get_real_frame_tokens(
        self,
        face_embeds: torch.Tensor,
        face_landmarks: torch.Tensor,
        face_found: torch.Tensor,
        guide_input_ids: torch.Tensor,
        guide_attention_mask: torch.Tensor,
        *,
        pixel_values: torch.Tensor | None = None,
        vision_features: torch.Tensor | None = None,
        frame_mask: torch.Tensor | None = None,
        need_weights: bool = False,
    ) -> tuple[torch.Tensor, FaceInfoMiningOutput]:
        """The frame tokens (N, K, D) of the N real frames of a batch, in order; arguments as in `forward`."""
        views = pixel_values if vision_features is None else vision_features
        real = torch.ones_like(face_found) if frame_mask is None else frame_mask  # (B, F)
        owner = real.nonzero()[:, 0]  # (N,) the batch row of each real frame
        return self.get_frame_tokens(
            self.get_vision_features(views[real]) if vision_features is None else views[real],
            *(value[real] for value in (face_embeds, face_landmarks, face_found)),
            *(value[owner] for value in (guide_input_ids, guide_attention_mask)),
            need_weights=need_weights,
        )

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values: Any = None,
        inputs_embeds: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
        vision_features: torch.Tensor | None = None,
        face_embeds: torch.Tensor | None = None,
        face_landmarks: torch.Tensor | None = None,
        face_found: torch.Tensor | None = None,
        frame_mask: torch.Tensor | None = None,
        guide_input_ids: torch.Tensor | None = None,
        guide_attention_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        logits_to_keep: int | torch.Tensor = 0,
        output_face_attentions: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
        **kwargs: Any,
    ) -> EmoLlamaOutput:
        """Next-token logits, and the answer-only loss when `labels` are given.

        Args:
            input_ids: (B, S) with `tokens_per_frame` placeholders for each real frame, else ValueError.
            pixel_values: (B, F, 3, H, W), or `vision_features` (B, F, 1 + P, C) taken from a cache.
            face_embeds: (B, F, E, prior_size); face_landmarks: (B, F, L, 2); face_found: (B, F) bool.
            frame_mask: (B, F) bool, False for frames that only pad the batch.
            guide_input_ids: (B, W) the question for the Q-Formers, with guide_attention_mask.
            labels: (B, S), -100 outside the answer. Only answer rows are projected to the vocabulary.
            num_items_in_batch: answer tokens over all processes and accumulation steps; divides the loss.
            output_face_attentions: fill every map of `face`.
        """
        face = tokens = None
        if inputs_embeds is None:
            inputs_embeds = self.get_input_embeddings()(input_ids)
        if face_found is not None:
            tokens, face = self.get_real_frame_tokens(
                face_embeds,
                face_landmarks,
                face_found,
                guide_input_ids,
                guide_attention_mask,
                pixel_values=pixel_values,
                vision_features=vision_features,
                frame_mask=frame_mask,
                need_weights=output_face_attentions,
            )
            inputs_embeds = self._fill(input_ids, inputs_embeds, tokens)
        places = {"attention_mask": attention_mask, "position_ids": position_ids}
        outputs = self.language_model(inputs_embeds=inputs_embeds, past_key_values=past_key_values, **places, **kwargs)
        hidden, loss = outputs.last_hidden_state, None
        if labels is not None:
            logits, loss = self._answer_loss(hidden, labels, num_items_in_batch)
        else:
            keep = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
            logits = self.lm_head(hidden[:, keep])
        seen = (outputs.past_key_values, outputs.hidden_states, outputs.attentions)
        return EmoLlamaOutput(loss, logits, *seen, face, tokens)

    def _answer_loss(
        self, hidden: torch.Tensor, labels: torch.Tensor, num_items: torch.Tensor | int | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits (answer tokens, vocabulary) and their cross-entropy; prompt rows never meet the vocabulary."""
        answer = labels[:, 1:] != -100
        logits = self.lm_head(hidden[:, :-1][answer])
        total = F.cross_entropy(logits.float(), labels[:, 1:][answer], reduction="sum")
        return logits, total / (num_items if num_items is not None else answer.sum().clamp(min=1))

    def _fill(self, input_ids: torch.Tensor, inputs_embeds: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        slots = input_ids == self.config.image_token_id
        placeholders, expected = int(slots.sum()), tokens.shape[0] * tokens.shape[1]
        if placeholders != expected:
            raise ValueError(
                f"{placeholders} placeholders for {expected} frame tokens ({tokens.shape[0]} frames x "
                f"{tokens.shape[1]}); write the prompt with EmoLlamaProcessor"
            )
        return inputs_embeds.masked_scatter(slots.unsqueeze(-1), tokens.to(inputs_embeds.dtype))

    def prepare_inputs_for_generation(
        self, input_ids: torch.Tensor, is_first_iteration: bool = False, **kwargs: Any
    ) -> dict[str, Any]:
        """Frames and guide are read once, at the prefill; later steps read the cache."""
        inputs = super().prepare_inputs_for_generation(input_ids, is_first_iteration=is_first_iteration, **kwargs)
        if not is_first_iteration and kwargs.get("use_cache", True):
            for name in (*FRAME_INPUTS, *GUIDE_INPUTS):
                inputs.pop(name, None)
        return inputs

    def get_input_embeddings(self) -> nn.Module:
        return self.language_model.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.language_model.set_input_embeddings(value)
