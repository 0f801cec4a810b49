"""Times what a user waits for, in a fresh process: start, photo, clip, decoding speed, peak memory.

    python benchmarks/latency.py [--checkpoint mini] [--repeats 5]

Each figure is the median; the clip is a 16-frame reading of a 10 s 1080p H.264 film made from the example photo.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
from PIL import Image

from emo_toolkit.labels import DEFAULT_OPTIONS
from emo_toolkit.pipeline import EmoPipeline
from emo_toolkit.schema import EmoPrompt

PHOTO = Path(__file__).parent.parent / "emo_toolkit" / "assets" / "examples" / "astronaut.jpg"


def write_film(path: Path, *, seconds: int = 10, rate: int = 30) -> None:
    """A 1920 x 1080 H.264 film in which the photo drifts over a grey ground."""
    photo = Image.open(PHOTO).resize((900, 900))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 1920, 1080, "yuv420p"
        for number in range(seconds * rate):
            picture = Image.new("RGB", (1920, 1080), (90, 90, 90))
            picture.paste(photo, (200 + number % 600, 90))
            frame = av.VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def start(checkpoint: str) -> None:
    """A fresh process that imports everything and loads the checkpoint."""
    line = "import sys; from emo_toolkit import EmoPipeline; EmoPipeline.from_checkpoint(sys.argv[1])"
    subprocess.run([sys.executable, "-c", line, checkpoint], check=True, capture_output=True)


def median_seconds(action: Callable[[], object], repeats: int) -> float:
    """Median wall time of `repeats` calls after one warm-up."""
    action()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        action()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def tokens_per_second(pipeline: EmoPipeline, repeats: int) -> float:
    """Decoding speed after the prefill, over up to 48 tokens of a free question."""
    reading = pipeline.read(PHOTO)
    prompt = EmoPrompt(question="Describe the perceived expression of this person in detail.")
    _, batch = pipeline.inputs([reading], [prompt])
    rates = []
    for _ in range(repeats):
        began = time.perf_counter()
        output = pipeline.model.generate(**batch, max_new_tokens=1, do_sample=False)
        first = time.perf_counter() - began
        began = time.perf_counter()
        output = pipeline.model.generate(**batch, max_new_tokens=48, min_new_tokens=48, do_sample=False)
        produced = output.shape[1] - batch["input_ids"].shape[1]
        rates.append((produced - 1) / (time.perf_counter() - began - first))
    return statistics.median(rates)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", default="mini")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    figures = {"start_s": median_seconds(lambda: start(arguments.checkpoint), 2)}
    pipeline = EmoPipeline.from_checkpoint(arguments.checkpoint)
    prompt = EmoPrompt(options=DEFAULT_OPTIONS)
    figures["photo_to_distribution_s"] = median_seconds(
        lambda: pipeline.scores(pipeline.read(PHOTO), prompt), arguments.repeats
    )
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / "film.mp4"
        write_film(film)
        clip = EmoPrompt(kind="video", options=DEFAULT_OPTIONS)
        figures["clip_to_distribution_s"] = median_seconds(
            lambda: pipeline.scores(pipeline.read(film), clip), arguments.repeats
        )
    figures["decoding_tokens_per_s"] = tokens_per_second(pipeline, arguments.repeats)
    figures["peak_rss_gib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps({name: round(value, 2) for name, value in figures.items()} | {"cores": os.cpu_count()}, indent=1))


if __name__ == "__main__":
    main()
