"""EMO-LLaMA's configuration: four sub-configs and one frame layout, `[context, content, face_global, face_local]`.

One class describes `tiny`, `mini` and `7b`; a preset is a checkpoint, never a branch in the code.
"""

from typing import Any

from huggingface_hub.dataclasses import strict
from transformers import AutoConfig, InstructBlipQFormerConfig
from transformers.configuration_utils import PreTrainedConfig, SubConfigSpec


@strict
class FaceInfoMiningConfig(PreTrainedConfig):
    """Shape of the Face Info Mining module. Defaults are the 7b reconstruction (FaceXFormer priors, EVA-g width).

    Args:
        prior_size: width D of one face token of the analyser.
        num_prior_tokens: face tokens a frame, E (14 x 14 for FaceXFormer, 7 x 7 for the embedded analyser).
        num_landmarks: points of the landmark set.
        hidden_size: width C of both branches; equal to the vision tower's, because the global branch adds to it.
        num_attention_heads: heads of the two cross-attentions.
        clue_hidden_size, clue_num_layers, clue_num_heads, clue_intermediate_size: the Q-Former clue aggregator.
        num_clue_queries: its learned queries, averaged in groups to `num_face_tokens` tokens a branch.
        num_face_tokens: tokens that each branch hands to the language model for a frame.
        summary_size: width of the direct way around the aggregator, from mean face token and landmarks; 0: none.
        summary_dropout: of its hidden layer.
        prior_parts: widths of the nets that a face token is joined from, for the summary's norm; (): one net.
    """

    model_type = "emo_llama_fim"
    base_config_key = "fim_config"

    prior_size: int = 256
    num_prior_tokens: int = 196
    num_landmarks: int = 68
    hidden_size: int = 1408
    num_attention_heads: int = 16
    clue_hidden_size: int = 768
    clue_num_layers: int = 4
    clue_num_heads: int = 12
    clue_intermediate_size: int = 3072
    num_clue_queries: int = 32
    num_face_tokens: int = 1
    summary_size: int = 0
    summary_dropout: float = 0.5
    prior_parts: tuple[int, ...] | list[int] = ()
    dropout: float = 0.0
    initializer_range: float = 0.02


@strict
class EmoLlamaConfig(PreTrainedConfig):
    """EMO-LLaMA = vision tower + text-guided Q-Former + Face Info Mining in front of a LLaMA.

    Args:
        vision_config: the vision tower (EVA-g of InstructBLIP for 7b, DINOv2-S for mini).
        vision_feature_layer: None takes the tower's last hidden state; -1 its raw output before the final norm
            (LLaMA-VID reads EVA-g so).
        qformer_config: the Q-Former that LLaMA-VID's context token comes from.
        qformer_shares_embeddings: the Q-Formers read the question through the language model's own word embeddings
            and one linear layer, so that no second vocabulary is needed (mini); else the Q-Former has its own (7b).
        num_query_tokens: the Q-Former's learned queries.
        image_token_id: the placeholder that the processor writes and the model fills.
    """

    model_type = "emo_llama"
    sub_configs_defaults = {
        "vision_config": SubConfigSpec(config_class=AutoConfig, model_type="instructblip_vision_model"),
        "qformer_config": InstructBlipQFormerConfig,
        "fim_config": FaceInfoMiningConfig,
        "text_config": SubConfigSpec(config_class=AutoConfig, model_type="llama"),
    }

    vision_config: dict | PreTrainedConfig | None = None
    qformer_config: dict | PreTrainedConfig | None = None
    fim_config: dict | PreTrainedConfig | None = None
    text_config: dict | PreTrainedConfig | None = None
    vision_feature_layer: int | None = -1
    qformer_shares_embeddings: bool = False
    num_query_tokens: int = 32
    image_token_id: int = 32000
    tie_word_embeddings: bool = False

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        width = self.vision_config.hidden_size
        if self.fim_config.hidden_size != width or self.qformer_config.encoder_hidden_size != width:
            raise ValueError(
                f"The vision tower is {width} wide, but fim_config.hidden_size is {self.fim_config.hidden_size} and "
                f"qformer_config.encoder_hidden_size is {self.qformer_config.encoder_hidden_size}; make them equal"
            )
        parts, prior = self.fim_config.prior_parts, self.fim_config.prior_size
        if parts and sum(parts) != prior:
            raise ValueError(f"fim_config.prior_parts add up to {sum(parts)}, but a face token is {prior} wide")
        if self.fim_config.num_clue_queries % self.fim_config.num_face_tokens:
            raise ValueError(
                f"{self.fim_config.num_clue_queries} clue queries cannot be averaged into "
                f"{self.fim_config.num_face_tokens} face tokens; choose a divisor"
            )

    @property
    def tokens_per_frame(self) -> int:
        """Placeholders of one frame: context + content + the face tokens of both branches."""
        return 2 + 2 * self.fim_config.num_face_tokens
