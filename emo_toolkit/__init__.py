"""emo_toolkit: an independent, open reconstruction of EMO-LLaMA (arXiv 2408.11424).

It reads the perceived expression of faces in photos and clips; it does not know what anybody feels.
"""

from .errors import CheckpointError, EmoError, MediaError
from .media import load_media
from .model import EmoLlamaConfig, EmoLlamaForConditionalGeneration, EmoLlamaProcessor
from .pipeline import EmoPipeline
from .schema import EmoPrediction, EmoPrompt, FaceAttributes, FacialPriors, Media

__version__ = "0.1.0"
__all__ = [
    "CheckpointError",
    "EmoError",
    "EmoLlamaConfig",
    "EmoLlamaForConditionalGeneration",
    "EmoLlamaProcessor",
    "EmoPipeline",
    "EmoPrediction",
    "EmoPrompt",
    "FaceAttributes",
    "FacialPriors",
    "Media",
    "MediaError",
    "load_media",
]
