"""EMO-LLaMA as a transformers model: config, model, processor, and the Auto classes that know them.

This wing imports torch, transformers and its own siblings only, so that a checkpoint can carry its code.
"""

from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor

from .configuration_emo_llama import EmoLlamaConfig, FaceInfoMiningConfig
from .face_info_mining import FaceInfoMining, FaceInfoMiningOutput
from .modeling_emo_llama import EmoLlamaForConditionalGeneration, EmoLlamaOutput
from .processing_emo_llama import IMAGE_TOKEN, EmoLlamaProcessor

AutoConfig.register("emo_llama", EmoLlamaConfig, exist_ok=True)
AutoModelForImageTextToText.register(EmoLlamaConfig, EmoLlamaForConditionalGeneration, exist_ok=True)
AutoProcessor.register(EmoLlamaConfig, EmoLlamaProcessor, exist_ok=True)
EmoLlamaConfig.register_for_auto_class()
EmoLlamaForConditionalGeneration.register_for_auto_class("AutoModelForImageTextToText")
EmoLlamaProcessor.register_for_auto_class()

__all__ = [
    "IMAGE_TOKEN",
    "EmoLlamaConfig",
    "EmoLlamaForConditionalGeneration",
    "EmoLlamaOutput",
    "EmoLlamaProcessor",
    "FaceInfoMining",
    "FaceInfoMiningConfig",
    "FaceInfoMiningOutput",
]
