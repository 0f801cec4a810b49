"""Training rows -> one batch, through the same processor call that inference makes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from transformers import BatchFeature

from ..model import EmoLlamaProcessor
from ..prompts import messages, question_text
from ..schema import FacialPriors
from .instructions import Instruction


@dataclass(frozen=True)
class TrainingRow:
    """One item with its cached priors and vision features (F, 1 + P, C)."""

    instruction: Instruction
    priors: FacialPriors
    vision_features: np.ndarray


class EmoCollator:
    """Turns rows into the inputs and answer-only labels of EMO-LLaMA."""

    def __init__(self, processor: EmoLlamaProcessor) -> None:
        self.processor = processor

    def __call__(self, rows: Sequence[TrainingRow]) -> BatchFeature:
        prompts = [row.instruction.prompt for row in rows]
        text = [
            self.processor.apply_chat_template(messages(prompt), add_generation_prompt=True, tokenize=False)
            for prompt in prompts
        ]
        return self.processor(
            text,
            priors=[row.priors for row in rows],
            guides=[question_text(prompt) for prompt in prompts],
            vision_features=[row.vision_features for row in rows],
            answers=[row.instruction.answer for row in rows],
        )
