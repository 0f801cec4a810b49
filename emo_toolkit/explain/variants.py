"""Many prompts about one reading -> their label distributions, each media and question read once for all of them.

Prompts that ask the same question differ only behind the frame tokens, so they share one key-value cache up there.
"""

import copy
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from ..likelihood import PackedAnswers
from ..pipeline import EmoPipeline, Reading
from ..prompts import question_text
from ..schema import EmoPrompt

MAX_BYTES = 512 * 2**20
BOTH_CLUES = (True, True)


class VariantScorer:
    """Scores prompts about one reading. The vision tower sees the reading once, whatever is asked.

    Changes nothing in the pipeline, so several may run at once.

    Args:
        pipeline: the model that answers.
        reading: media with at least one usable face.
        max_bytes: memory for prompts that are scored together, estimated from the shape of the cache and the width
            of the vocabulary; at least one prompt is scored at a time.

    Raises:
        ValueError: no frame has a usable face.
    """

    def __init__(self, pipeline: EmoPipeline, reading: Reading, *, max_bytes: int = MAX_BYTES) -> None:
        if reading.priors is None:
            raise ValueError(f"no frame has a usable face ({reading.missing}); there is no answer to look into")
        self.pipeline, self.reading, self.max_bytes = pipeline, reading, max_bytes
        self._features: torch.Tensor | None = None  # (F, 1 + P, C)

    @property
    def frames(self) -> int:
        """Frames that the model reads."""
        return len(self.reading.priors.found)

    def part(self, places: Sequence[int]) -> "VariantScorer":
        """The same over some of the usable frames, without seeing them again."""
        other = VariantScorer(self.pipeline, part_of(self.reading, places), max_bytes=self.max_bytes)
        other._features = self._see()[list(places)]
        return other

    @torch.inference_mode()
    def log_scores(self, prompts: Sequence[EmoPrompt], *, clues: tuple[bool, bool] = BOTH_CLUES) -> np.ndarray:
        """log p (V, L) float64 of the options of V prompts; exp of a row is what `EmoPipeline.scores` gives.

        Args:
            prompts: all with the same options, at least two.
            clues: whether the global and the local clue of Face Info Mining reach the language model.

        Raises:
            ValueError: for fewer than two options, or unlike ones.
        """
        options = {prompt.options for prompt in prompts}
        if len(options) != 1 or len(min(options)) < 2:
            raise ValueError(f"prompts to compare need the same options, at least two; these have {sorted(options)}")
        answers = self.pipeline.pack(prompts[0].options)
        groups: dict[str, list[int]] = {}
        for place, prompt in enumerate(prompts):
            groups.setdefault(question_text(prompt), []).append(place)
        found = np.empty((len(prompts), len(prompts[0].options)))
        for places in groups.values():
            found[places] = self._behind_one_question([prompts[place] for place in places], answers, clues)
        return found - np.logaddexp.reduce(found, axis=1, keepdims=True)

    def _behind_one_question(
        self, prompts: Sequence[EmoPrompt], answers: PackedAnswers, clues: tuple[bool, bool]
    ) -> np.ndarray:
        """Log-likelihoods (V, L) of the answers."""
        model, processor = self.pipeline.model, self.pipeline.processor
        _, batch = self.pipeline.inputs([self.reading], prompts[:1])
        ids = processor.prompt_ids(self.pipeline.texts(prompts), [self.frames] * len(prompts))
        shared = _shared_length(ids)
        del batch["pixel_values"]
        batch["vision_features"] = self._see().unsqueeze(0)
        batch["face_found"] = batch["face_found"].unsqueeze(2) & torch.tensor(clues, device=batch["face_found"].device)
        for name in ("input_ids", "attention_mask"):
            batch[name] = batch[name][:, :shared]
        cache = model(**batch, use_cache=True, logits_to_keep=1).past_key_values
        order = sorted(range(len(ids)), key=lambda place: len(ids[place]))  # rows of like length together
        longest = len(ids[order[-1]]) - shared + len(answers.ids)
        at_once = max(1, self.max_bytes // _row_bytes(model.config.text_config.vocab_size, cache, longest, answers))
        found = np.empty((len(ids), answers.count))
        for first in range(0, len(order), at_once):
            rows = order[first : first + at_once]
            branch = copy.deepcopy(cache)
            branch.batch_repeat_interleave(len(rows))
            inputs = answers.behind(
                batch["attention_mask"].expand(len(rows), -1),
                [ids[row][shared:] for row in rows],
                pad=processor.tokenizer.pad_token_id,
                dtype=model.dtype,
            )
            keep = 1 + len(answers.ids)
            output = model(**inputs, past_key_values=branch, use_cache=True, logits_to_keep=keep)
            found[rows] = answers.log_likelihoods(output.logits).double().cpu().numpy()
        return found

    @torch.inference_mode()
    def _see(self) -> torch.Tensor:
        """Vision tokens (F, 1 + P, C) of the usable frames."""
        if self._features is None:
            _, batch = self.pipeline.inputs([self.reading], [EmoPrompt()])
            self._features = self.pipeline.model.get_vision_features(batch["pixel_values"][0])
        return self._features


def part_of(reading: Reading, places: Sequence[int]) -> Reading:
    """A reading of some of its usable frames, by their places among these."""
    places = list(places)
    usable = [number for number, crop in enumerate(reading.crops) if crop.status.usable]
    kept = [usable[place] for place in places]
    media = replace(
        reading.media,
        frames=reading.media.frames and tuple(reading.media.frames[number] for number in kept),  # () where dropped
        times=tuple(reading.media.times[number] for number in kept),
    )
    names = ("embedding", "landmarks", "boxes", "found")
    priors = replace(reading.priors, **{name: getattr(reading.priors, name)[places] for name in names})
    return Reading(media, tuple(reading.crops[number] for number in kept), priors)


def _shared_length(ids: Sequence[Sequence[int]]) -> int:
    """Tokens that all prompts begin with, less what leaves each prompt one token of its own."""
    first, last = min(ids), max(ids)  # what the first and the last in order share, all share
    shared = next((at for at, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1]), len(first))
    return min(shared, min(map(len, ids)) - 1)


def _row_bytes(vocabulary: int, cache: object, length: int, answers: PackedAnswers) -> int:
    """Memory of one more row of `length` tokens behind the cache: its keys and values, twice while they are joined,
    and the logits in float32, twice while they are summed."""
    kept = [(layer.keys, layer.values) for layer in cache.layers]
    before = sum(tensor.nbytes for pair in kept for tensor in pair)
    token = before // cache.get_seq_length()
    return 2 * before + length * token + 2 * 4 * vocabulary * (1 + len(answers.ids))
