"""One call from prompts, face crops and facial priors to model inputs; training and inference both make it.

text with one `<image>` + crops (or cached vision features) + priors + question -> BatchFeature of padded tensors.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image
from torch.nn.utils.rnn import pad_sequence
from transformers import BatchFeature, ProcessorMixin

IMAGE_TOKEN = "<image>"
MAX_GUIDE_TOKENS = 256  # the Q-Formers read the end of a longer question, as in LLaMA-VID


class Priors(Protocol):
    """What the processor reads of facial priors: F frames, E face tokens of width D, 68 landmarks in [-1, 1]."""

    embedding: np.ndarray  # (F, E, D)
    landmarks: np.ndarray  # (F, 68, 2)
    found: np.ndarray  # (F,)


class EmoLlamaProcessor(ProcessorMixin):
    """Writes placeholders, tokenises, normalises crops and pads frames.

    Args:
        image_processor: sizes and normalises a crop for the vision tower.
        tokenizer: the language model's, with `<image>` as a special token and an end-of-turn token as `eos_token`.
        qformer_tokenizer: reads the question for the Q-Formers (BERT's for 7b; the same as `tokenizer` for mini).
        tokens_per_frame: placeholders a frame; equals `EmoLlamaConfig.tokens_per_frame`.
        num_frames: frames that a clip is sampled to.
    """

    def __init__(
        self,
        image_processor: Any,
        tokenizer: Any,
        qformer_tokenizer: Any,
        tokens_per_frame: int = 4,
        num_frames: int = 16,
        chat_template: str | None = None,
    ) -> None:
        self.tokens_per_frame = tokens_per_frame
        self.num_frames = num_frames
        super().__init__(image_processor, tokenizer, qformer_tokenizer, chat_template=chat_template)

    def __call__(
        self,
        text: Sequence[str],
        crops: Sequence[Sequence[Image.Image]] | None = None,
        *,
        priors: Sequence[Priors],
        guides: Sequence[str],
        vision_features: Sequence[np.ndarray] | None = None,
        answers: Sequence[str] | None = None,
    ) -> BatchFeature:
        """B prompts -> inputs of `EmoLlamaForConditionalGeneration`.

        Args:
            text: B rendered prompts with one `<image>` each (`apply_chat_template`).
            crops: B lists of F face crops, or None when `vision_features` (F, 1 + P, C) come from a cache.
            priors: B facial priors over the same F frames.
            guides: B questions for the Q-Formers.
            answers: B answers to learn; adds `labels`, -100 everywhere but on the answer and its end-of-turn token.

        Raises:
            ValueError: when the numbers of prompts, frames and priors disagree; both are named.
        """
        self._check(text, crops if crops is not None else vision_features, priors, guides, answers)
        frames = [len(prior.found) for prior in priors]
        inputs = self._tokenize(text, frames, answers)
        self.qformer_tokenizer.truncation_side = "left"
        guide = self.qformer_tokenizer(
            list(guides),
            padding=True,
            padding_side="right",
            truncation=True,
            max_length=MAX_GUIDE_TOKENS,
            return_tensors="pt",
        )
        inputs["guide_input_ids"] = guide["input_ids"]
        inputs["guide_attention_mask"] = guide["attention_mask"]
        inputs["face_embeds"] = _pad_frames([prior.embedding for prior in priors])
        inputs["face_landmarks"] = _pad_frames([prior.landmarks for prior in priors])
        inputs["face_found"] = _pad_frames([prior.found for prior in priors], dtype=torch.bool)
        inputs["frame_mask"] = _pad_frames([np.ones(count) for count in frames], dtype=torch.bool)
        if vision_features is not None:
            inputs["vision_features"] = _pad_frames(vision_features)
        else:
            pixels = [self.image_processor(list(clip), return_tensors="np")["pixel_values"] for clip in crops]
            inputs["pixel_values"] = _pad_frames(pixels)
        return BatchFeature(inputs)

    def _check(self, text: Sequence[str], views: Any, priors: Sequence[Priors], guides: Any, answers: Any) -> None:
        if isinstance(text, str):
            raise ValueError("text is one string; pass a list of prompts, as in text=[prompt]")
        if views is None:
            raise ValueError("pass crops, or vision_features from a cache")
        for name, items in (("crops", views), ("priors", priors), ("guides", guides), ("answers", answers)):
            if items is not None and len(items) != len(text):
                raise ValueError(f"{len(text)} prompts, but {len(items)} {name}")
        for prompt, clip, prior in zip(text, views, priors, strict=True):
            if not len(prior.found):
                raise ValueError("a prompt without a single frame; leave out media without a usable face")
            if len(clip) != len(prior.found):
                raise ValueError(f"{len(clip)} frames, but facial priors for {len(prior.found)}")
            if prompt.count(IMAGE_TOKEN) != 1:
                raise ValueError(f"a prompt needs one {IMAGE_TOKEN}, this one has {prompt.count(IMAGE_TOKEN)}")

    def _tokenize(
        self, text: Sequence[str], frames: list[int], answers: Sequence[str] | None
    ) -> dict[str, torch.Tensor]:
        """Prompts are padded on the left to be continued, on the right when answers are learnt."""
        if answers is None:
            slots = self._slots(text, frames)
            encoded = self.tokenizer(
                slots, padding=True, padding_side="left", add_special_tokens=False, return_tensors="pt"
            )
            return {"input_ids": encoded["input_ids"], "attention_mask": encoded["attention_mask"]}
        prompts = self.prompt_ids(text, frames)
        replies = [self.answer_ids(answer) for answer in answers]
        rows = [torch.tensor(prompt + reply) for prompt, reply in zip(prompts, replies, strict=True)]
        labels = [torch.tensor([-100] * len(prompt) + reply) for prompt, reply in zip(prompts, replies, strict=True)]
        return {
            "input_ids": pad_sequence(rows, batch_first=True, padding_value=self.tokenizer.pad_token_id),
            "attention_mask": pad_sequence([torch.ones_like(row) for row in rows], batch_first=True),
            "labels": pad_sequence(labels, batch_first=True, padding_value=-100),
        }

    def prompt_ids(self, text: Sequence[str], frames: Sequence[int]) -> list[list[int]]:
        """Token ids of each rendered prompt about so many frames, placeholders written out, without padding."""
        return self.tokenizer(self._slots(text, frames), add_special_tokens=False)["input_ids"]

    def _slots(self, text: Sequence[str], frames: Sequence[int]) -> list[str]:
        return [
            prompt.replace(IMAGE_TOKEN, IMAGE_TOKEN * self.tokens_per_frame * n)
            for prompt, n in zip(text, frames, strict=True)
        ]

    def answer_ids(self, answer: str) -> list[int]:
        """Token ids of an answer and its end-of-turn token, as they are learnt and scored."""
        return self.tokenizer(answer, add_special_tokens=False)["input_ids"] + [self.tokenizer.eos_token_id]


def _pad_frames(clips: Sequence[Any], *, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """B arrays (F_b, ...) -> (B, max F, ...), zeros behind the last frame."""
    return pad_sequence([torch.as_tensor(np.asarray(clip)).to(dtype) for clip in clips], batch_first=True)
