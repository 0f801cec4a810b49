"""Folders on disk -> EmoSample -> (EmoPrompt, answer) -> batches of the one processor call."""

from .collator import EmoCollator, TrainingRow
from .fer import DATASETS, load_samples
from .instructions import Instruction, action_unit_items, category_item, rater_item
from .llava import load_instructions
from .prior_cache import PriorCache, write_shard

__all__ = [
    "DATASETS",
    "EmoCollator",
    "Instruction",
    "PriorCache",
    "TrainingRow",
    "action_unit_items",
    "category_item",
    "load_instructions",
    "load_samples",
    "rater_item",
    "write_shard",
]
