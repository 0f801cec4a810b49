"""WINDOW: why an answer came out as it did: where it looked, what an attribute does to it, whether a map holds."""

from .attention import look_inside
from .attributes import attribute_effects, prior_ablations
from .faithfulness import faithfulness
from .judging import judged_maps
from .randomisation import randomisation_check
from .twins import twin_effects

__all__ = [
    "attribute_effects",
    "faithfulness",
    "judged_maps",
    "look_inside",
    "prior_ablations",
    "randomisation_check",
    "twin_effects",
]
