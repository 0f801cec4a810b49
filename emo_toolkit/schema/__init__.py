"""The nouns that flow through the house: frozen dataclasses of numpy, str and PIL.

No tensor, no device, everything pickles, because a ZeroGPU handler runs in another process.
"""

from .flow import (
    NUM_LANDMARKS,
    EmoPrediction,
    EmoPrompt,
    EmoSample,
    FaceAttributes,
    FaceCrop,
    FaceStatus,
    FaceTruth,
    FacialPriors,
    FrameRecord,
    Media,
)
from .reports import (
    ClassScores,
    EvalReport,
    ExplanationReport,
    FoldsReport,
    Gap,
    GroupReport,
    GroupScores,
    PairedDifference,
    UnitScores,
)

__all__ = [
    "ClassScores",
    "EmoPrediction",
    "EmoPrompt",
    "EmoSample",
    "EvalReport",
    "ExplanationReport",
    "FaceAttributes",
    "FaceCrop",
    "FaceStatus",
    "FaceTruth",
    "FacialPriors",
    "FoldsReport",
    "FrameRecord",
    "Gap",
    "GroupReport",
    "GroupScores",
    "Media",
    "NUM_LANDMARKS",
    "PairedDifference",
    "UnitScores",
]
