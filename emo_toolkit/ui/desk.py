"""The desk: one loaded pipeline behind every view, and the only place that holds a GPU.

upload -> `look` (CPU) -> `ask` (GPU) -> Subject, one visitor's face and answer, which the session keeps for all views.
"""

import spaces  # before torch, because it prepares it for ZeroGPU

# isort: split
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

from ..explain.attention import stream_inside
from ..media import load_media
from ..pipeline import MAX_NEW_TOKENS, EmoPipeline, Reading
from ..schema import EmoPrompt, FaceAttention
from .theme import LIMITS

KEEP_SECONDS = 600  # a file is deleted at the first sweep after this time, and sweeps are as far apart
# Of every event that calls the model: they take turns, on a CPU as well as on a GPU, so that memory stays bounded.
MODEL_TURN: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "model"}
Step = tuple[dict[str, float], str, str, FaceAttention | None]  # scores, text, exact prompt, at last the look


@dataclass(frozen=True)
class Subject:
    """The face that a visitor has had read, with the answer and where it looked; without the file's frames."""

    reading: Reading
    prompt: EmoPrompt
    seen: FaceAttention


def gpu_seconds(reading: Reading, *, passes: float = 1.0) -> int:
    """How long a hosted GPU is asked for: load, frames, tokens and passes over the picture, times 1.4. An estimate,
    not a measurement."""
    return ceil(1.4 * (4 + (0.1 * len(reading.crops) + 0.06 * MAX_NEW_TOKENS) * passes))


def for_gpu(reading: Reading) -> Reading:
    """The reading without its full frames: the model needs the crops, and arguments travel to another process."""
    return replace(reading, media=replace(reading.media, frames=()))


class Desk:
    """One pipeline for all visitors. It keeps nothing between calls: visitors come at the same time.

    Args:
        pipeline: the loaded checkpoint.
        research: on a machine of one's own: what the analyser knows of race may be estimated too. Never where others
            are served.
    """

    def __init__(self, pipeline: EmoPipeline, *, research: bool = False) -> None:
        @spaces.GPU(duration=lambda reading, *args, **kwargs: gpu_seconds(reading))
        def ask(reading: Reading, prompt: EmoPrompt) -> Iterator[Step]:
            yield from stream_inside(pipeline, reading, prompt)

        self.pipeline, self.research, self.ask = pipeline, research, ask

    def look(self, path: str, *, face: int = 0, estimate: bool = False) -> Reading:
        """Decoding and face work, on the CPU and outside the GPU call.

        Raises:
            EmoError: the file cannot be read, or it has no such face.
        """
        media = load_media(path, num_frames=self.pipeline.processor.num_frames, limits=LIMITS)
        return self.pipeline.look(media, face=face, estimate=estimate)

    def read(self, reading: Reading, prompt: EmoPrompt) -> Subject:
        """The whole answer at once."""
        light = for_gpu(reading)
        *_, (*_, seen) = self.ask(light, prompt)
        return Subject(light, prompt, seen)
