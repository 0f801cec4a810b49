"""The desk: one loaded pipeline behind every view, and the only place that holds a GPU.

upload -> `look` (CPU) -> `ask` (GPU) -> Subject, one visitor's face and answer, which the session keeps for all views.
"""

import spaces  # before torch, because it prepares it for ZeroGPU

# isort: split
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import gradio as gr
import numpy as np

from ..errors import EmoError
from ..explain.attention import stream_inside
from ..explain.attributes import attribute_effects, prior_ablations
from ..explain.faithfulness import RANDOMS, STEPS, judge
from ..explain.masking import masked_score
from ..pipeline import MAX_NEW_TOKENS, EmoPipeline, Reading, make_prompt
from ..quarantine import Quarantine
from ..schema import (
    AttributeEffects,
    EmoPrompt,
    FaceAttention,
    FaceAttributes,
    FaceCrop,
    Faithfulness,
    Media,
    PriorAblations,
)
from .examples import is_example
from .failures import host_in_plain_words, in_plain_words, within
from .theme import LIMITS

CLASSROOM = "this page reads its examples and drawn faces only, because it is set up for a classroom"
KEEP_SECONDS = 600  # a file is deleted at the first sweep after this time, and sweeps are as far apart
MOST_GPU_SECONDS = 120  # a host gives no more to visitors without an account
# Of every event that calls the model: they take turns, on a CPU as well as on a GPU, so that memory stays bounded.
MODEL_TURN: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "model"}
MASKS = 2 * (STEPS - 1) * (2 + RANDOMS)  # half-hidden pictures that the test of a map needs
Step = tuple[dict[str, float], str, str, FaceAttention | None]  # scores, text, exact prompt, at last the look


@dataclass(frozen=True, eq=False)  # itself alone is equal to it: so a State of the page can tell when it changes
class Subject:
    """The face that a visitor has had read, with the answer and where it looked; without the file's frames."""

    reading: Reading
    prompt: EmoPrompt
    seen: FaceAttention


def gpu_seconds(reading: Reading, *, tokens: int = MAX_NEW_TOKENS, variants: float = 1.0) -> int:
    """How long a hosted GPU is asked for: loading, then frames and tokens for each variant of the request, times 1.4.
    An estimate, not a measurement."""
    return min(MOST_GPU_SECONDS, ceil(1.4 * (4 + (0.1 * len(reading.crops) + 0.06 * tokens) * variants)))


def on_gpu(seconds: Callable[..., int]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Marks a function that holds the hosted GPU for `seconds` of the same arguments; elsewhere it just runs.

    On a host it runs in a fork: arguments and results are pickled, and only a gr.Error brings its message back. So
    errors cross the border as gr.Error, and come out of the function as EmoError, those of the host among them.
    """

    def mark(task: Callable[..., Any]) -> Callable[..., Any]:
        held = spaces.GPU(duration=seconds)(within(in_plain_words, task))
        outside = within(host_in_plain_words, held)
        outside.on_gpu = True
        return outside

    return mark


def for_gpu(reading: Reading) -> Reading:
    """The reading without its full frames: the model needs the crops, and arguments travel to another process."""
    return replace(reading, media=replace(reading.media, frames=()))


class Desk:
    """One pipeline for all visitors. It keeps nothing between calls: visitors come at the same time.

    Args:
        pipeline: the loaded checkpoint.
        research: on a machine of one's own: what the analyser knows of race may be estimated too. Never where others
            are served.
        classroom: of all files only the shipped examples are read.
    """

    def __init__(self, pipeline: EmoPipeline, *, research: bool = False, classroom: bool = False) -> None:
        @on_gpu(lambda reading, prompt: gpu_seconds(reading))
        def ask(reading: Reading, prompt: EmoPrompt) -> Iterator[Step]:
            yield from stream_inside(pipeline, reading, prompt)

        @on_gpu(lambda reading, prompt, questions, grid: gpu_seconds(reading, tokens=0, variants=questions + 5 * grid))
        def vary(
            reading: Reading, prompt: EmoPrompt, questions: int, grid: bool
        ) -> tuple[AttributeEffects, PriorAblations]:
            told = attribute_effects(pipeline, reading, prompt, questions=questions, grid=grid)
            return told, prior_ablations(pipeline, reading, prompt)

        @on_gpu(lambda readings, prompt: gpu_seconds(readings[0], tokens=0, variants=len(readings)))
        def weigh(readings: Sequence[Reading], prompt: EmoPrompt) -> np.ndarray:
            return pipeline.likelihoods(readings, prompt).softmax(1).cpu().numpy()

        @on_gpu(lambda reading, prompt, label, saliency: gpu_seconds(reading, tokens=0, variants=MASKS))
        def test_map(reading: Reading, prompt: EmoPrompt, label: str, saliency: np.ndarray) -> Faithfulness:
            progress = gr.Progress()  # made here, because it cannot travel; on a host its reports still come through
            score = masked_score(
                *(pipeline, reading, prompt, label),
                report=lambda done, total: progress((done, total), desc="Hiding parts of the face", unit="pictures"),
            )
            return judge(score, saliency, label=label)

        self.pipeline, self.research, self.classroom, self.test_map = pipeline, research, classroom, test_map
        self.quarantine = Quarantine()
        self.ask, self.vary, self.weigh = ask, vary, weigh

    def faces(self, path: str) -> list[FaceCrop]:
        """The usable faces of a photo, largest first: the place in the list is the number that `look` takes.

        Raises:
            EmoError: the file cannot be read.
        """
        media = self._media(path, 1)
        return self.pipeline.extractor.detector.detect(media.frames[0])

    def look(self, path: str, *, face: int = 0, estimate: bool = False) -> Reading:
        """Decoding and face work, on the CPU and outside the GPU call. Race is dropped, whatever the analyser knows,
        unless this is a research desk.

        Raises:
            EmoError: the file cannot be read, or it has no such face.
        """
        media = self._media(path, self.pipeline.processor.num_frames)
        reading = self.pipeline.look(media, face=face, estimate=estimate)
        if reading.priors is None or self.research:
            return reading
        return replace(reading, priors=replace(reading.priors, attributes=raceless(reading.priors.attributes)))

    def _media(self, path: str, num_frames: int) -> Media:
        if self.classroom and not is_example(path):
            raise EmoError(CLASSROOM)
        return self.quarantine.load_media(path, num_frames=num_frames, limits=LIMITS)

    def read(self, reading: Reading, prompt: EmoPrompt) -> Subject:
        """The whole answer at once."""
        light = for_gpu(reading)
        *_, (*_, seen) = self.ask(light, prompt)
        return Subject(light, prompt, seen)

    def read_file(self, path: str) -> Subject:
        """How likely each of the eight expressions is in a file, with nothing told about the person."""
        reading = self.look(path)
        return self.read(reading, make_prompt(reading.media.kind, None, (), FaceAttributes()))


def raceless(known: FaceAttributes) -> FaceAttributes:
    """The attributes without what they say of race."""
    shares = {name: share for name, share in known.probabilities.items() if name != "race"}
    return replace(known, race=None, probabilities=shares)
