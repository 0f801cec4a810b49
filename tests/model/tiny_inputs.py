"""Random priors, crops and whole batches in the shapes of `tiny`."""

from collections.abc import Sequence

import numpy as np
from PIL import Image
from transformers import BatchFeature

from emo_toolkit.model import EmoLlamaProcessor
from emo_toolkit.prompts import messages
from emo_toolkit.schema import EmoPrompt, FacialPriors

QUESTIONS = ("What is the facial expression of the person in the image?", "Is this a smile?", "Clear or mixed?")


def random_priors(frames: int, seed: int) -> FacialPriors:
    """Priors of the embedded analyser's shape."""
    rng = np.random.default_rng(seed)
    return FacialPriors(
        embedding=rng.normal(size=(frames, 49, 1536)).astype(np.float32),
        landmarks=rng.uniform(-1, 1, (frames, 68, 2)).astype(np.float32),
        boxes=np.zeros((frames, 4), np.float32),
        found=np.ones(frames, bool),
    )


def random_crops(frames: int, seed: int) -> list[Image.Image]:
    """Pictures of random dots."""
    rng = np.random.default_rng(seed)
    return [Image.fromarray(rng.integers(0, 256, (56, 56, 3), dtype=np.uint8)) for _ in range(frames)]


def rendered(processor: EmoLlamaProcessor, question: str) -> str:
    """A question as the chat template writes it."""
    return processor.apply_chat_template(
        messages(EmoPrompt(question=question)), add_generation_prompt=True, tokenize=False
    )


def random_batch(
    processor: EmoLlamaProcessor,
    clips: Sequence[int],
    *,
    answers: Sequence[str] | None = None,
    features: Sequence[np.ndarray] | None = None,
) -> BatchFeature:
    """Inputs for clips numbered `clips`: clip n has 1 + n % 3 frames and asks question n % 3."""
    questions = [QUESTIONS[clip % 3] for clip in clips]
    return processor(
        [rendered(processor, question) for question in questions],
        None if features is not None else [random_crops(1 + clip % 3, clip) for clip in clips],
        priors=[random_priors(1 + clip % 3, clip) for clip in clips],
        guides=questions,
        vision_features=features,
        answers=answers,
    )
