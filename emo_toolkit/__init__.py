"""emo_toolkit: an independent, open reconstruction of EMO-LLaMA (arXiv 2408.11424).

It reads the perceived expression of faces in photos and clips; it does not know what anybody feels.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from .errors import CheckpointError, EmoError, MediaError
from .media import load_media
from .schema import EmoPrediction, EmoPrompt, FaceAttributes, FacialPriors, Media

if TYPE_CHECKING:
    from .model import EmoLlamaConfig, EmoLlamaForConditionalGeneration, EmoLlamaProcessor
    from .pipeline import EmoPipeline

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
HEAVY = {  # name -> module that is imported when the name is first used: torch takes seconds and 300 MB
    "EmoLlamaConfig": ".model",
    "EmoLlamaForConditionalGeneration": ".model",
    "EmoLlamaProcessor": ".model",
    "EmoPipeline": ".pipeline",
}


def __getattr__(name: str) -> type:
    if name not in HEAVY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(HEAVY[name], __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *HEAVY})
