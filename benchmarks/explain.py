"""Times and weighs looking inside, side by side in one run: the same work with and without it, and the usual way.

    python benchmarks/explain.py capture [--checkpoint mini] [--repeats 5] [--tokens 32]
    python benchmarks/explain.py lengths [--lengths 640 2048] [--repeats 3]
    python benchmarks/explain.py redraw [--checkpoint mini]
    python benchmarks/explain.py grid [--checkpoint mini] [--kind video] [--alone 12]

capture: generation with and without row capture, turn by turn; kept memory; that no token differs.
lengths: a random LLaMA of 8 layers x 1024: plain SDPA, 32 rows captured, eager with every matrix, each in a process
of its own for its peak memory; and how far the rows are from eager's.
redraw: every map of one look, without the model.
grid: the 150 prompts of the attribute grid behind one prefix, a few of them one by one, and as often from the picture
on, with detector and analyser; about a photo or 16 frames.
"""

import argparse
import json
import multiprocessing
import os
import resource
import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers import LlamaConfig, LlamaForCausalLM

from emo_toolkit.explain import look_inside, maps
from emo_toolkit.explain.attributes import GRID, tell
from emo_toolkit.explain.rows import RowCapture
from emo_toolkit.explain.variants import VariantScorer
from emo_toolkit.labels import DEFAULT_OPTIONS
from emo_toolkit.pipeline import EmoPipeline
from emo_toolkit.schema import EmoPrompt, Media

PHOTO = Path(__file__).parent.parent / "emo_toolkit" / "assets" / "examples" / "astronaut.jpg"
QUESTION = "Describe the perceived expression of this person in detail."
ROWS = 32  # captured at each length
MIB = 2**20


def seconds(action: Callable[[], object]) -> tuple[float, float]:
    """Wall time and processor time of one call."""
    began, worked = time.perf_counter(), time.process_time()
    action()
    return time.perf_counter() - began, time.process_time() - worked


def in_turns(actions: dict[str, Callable[[], object]], repeats: int) -> dict[str, tuple[float, float]]:
    """Median wall and processor time of each action; they take turns, so that a busy machine is busy for all."""
    for action in actions.values():
        action()
    rounds = [{name: seconds(action) for name, action in actions.items()} for _ in range(repeats)]
    return {
        name: (
            statistics.median(each[name][0] for each in rounds),
            statistics.median(each[name][1] for each in rounds),
        )
        for name in actions
    }


def measure_capture(checkpoint: str, repeats: int, tokens: int) -> dict[str, object]:
    """Prefill and greedy decoding of `tokens` tokens, plain and with the rows of every generated word and text token.

    The face maps are left out of both sides: they cost the same at any length. `look_inside_s` has everything.
    """
    pipeline = EmoPipeline.from_checkpoint(checkpoint)
    reading, prompt = pipeline.read(PHOTO), EmoPrompt(question=QUESTION)
    _, batch = pipeline.inputs([reading], [prompt])
    length = batch["input_ids"].shape[1]
    written: dict[str, list[int]] = {}
    kept: list[int] = []

    @torch.inference_mode()
    def generate(name: str) -> None:
        rows = {"positions": range(8, length), "onward": length, "dtype": torch.float16}
        capture = RowCapture(pipeline.model.language_model, **rows) if name == "captured" else nullcontext()
        with capture:
            output = pipeline.model.generate(**batch, max_new_tokens=tokens, min_new_tokens=tokens, do_sample=False)
        written[name] = output[0, length:].tolist()
        if name == "captured":
            kept[:] = [capture.nbytes]

    times = in_turns({name: lambda name=name: generate(name) for name in ("plain", "captured")}, repeats)
    options = EmoPrompt(options=DEFAULT_OPTIONS)
    answers = in_turns(
        {
            "answer": lambda: pipeline.answer(reading, options),
            "look_inside": lambda: look_inside(pipeline, reading, options),
            "look_inside_all": lambda: look_inside(pipeline, reading, options, gradients=True, neutral=True),
        },
        repeats,
    )
    return {
        "tokens": tokens,
        "prompt_tokens": length,
        "same_tokens": written["plain"] == written["captured"],
        "rows_kept_mib": kept[0] / MIB,
        "capture_adds_percent": 100 * (times["captured"][0] / times["plain"][0] - 1),
        "capture_adds_percent_of_processor_time": 100 * (times["captured"][1] / times["plain"][1] - 1),
        **{f"{name}_s": value[0] for name, value in (times | answers).items()},
    }


def random_llama(attention: str) -> LlamaForCausalLM:
    """8 layers x 1024, 16 heads, the same weights each time."""
    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=1024,
        intermediate_size=2816,
        num_hidden_layers=8,
        num_attention_heads=16,
        num_key_value_heads=16,
        vocab_size=1000,
        max_position_embeddings=8192,
        attn_implementation=attention,
    )
    return LlamaForCausalLM(config).eval()


@torch.inference_mode()
def read_once(way: str, length: int, repeats: int) -> dict[str, object]:
    """One way of reading `length` tokens, in a process of its own: seconds, kept memory, peak above the model's."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)))
    model = random_llama("eager" if way == "eager" else "sdpa")
    ids = torch.randint(0, 1000, (1, length), generator=torch.Generator().manual_seed(1))
    model(ids[:, :64])
    before, times, kept = _peak(), [], 0  # times: wall, processor
    last = range(length - ROWS, length)
    rows = None
    for _ in range(repeats):
        began, worked = time.perf_counter(), time.process_time()
        if way == "rows":
            with RowCapture(model.model, positions=last) as capture:
                model(ids, use_cache=True, logits_to_keep=1)
            kept, rows = capture.nbytes, capture.rows(last)
        else:
            output = model(ids, use_cache=True, logits_to_keep=1, output_attentions=way == "eager")
            if way == "eager":
                kept = sum(matrix.nbytes for matrix in output.attentions)
                rows = torch.stack([matrix[0, :, -ROWS:] for matrix in output.attentions]).permute(2, 0, 1, 3).numpy()
            del output
        times.append((time.perf_counter() - began, time.process_time() - worked))
    return {
        "seconds": statistics.median(wall for wall, _ in times),
        "processor_seconds": statistics.median(worked for _, worked in times),
        "kept_mib": kept / MIB,
        "peak_mib": (_peak() - before) / MIB,
        "rows": rows,
    }


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measure_lengths(lengths: list[int], repeats: int) -> dict[str, object]:
    """Plain SDPA, row capture and eager at each length, and the largest difference of the rows."""
    found: dict[str, object] = {}
    for length in lengths:
        ways = {}
        for way in ("sdpa", "rows", "eager"):
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                ways[way] = pool.apply(read_once, (way, length, repeats))
        captured, whole = (ways[way].pop("rows") for way in ("rows", "eager"))
        ways["sdpa"].pop("rows")
        found[str(length)] = ways | {"largest_difference": float(abs(captured - whole).max())}
    return found


def measure_redraw(checkpoint: str) -> dict[str, object]:
    """The slowest of all views and methods of one photo, with the map laid onto the source picture."""
    pipeline = EmoPipeline.from_checkpoint(checkpoint)
    seen = look_inside(
        pipeline, pipeline.read(PHOTO), EmoPrompt(options=DEFAULT_OPTIONS), gradients=True, neutral=True
    )

    def draw(view: str, method: str) -> None:
        maps.to_source(maps.patch_map(seen, view, method=method)[0], seen.crops[0], seen.size)

    times = {
        f"{view} {method}": seconds(lambda view=view, method=method: draw(view, method))[0]
        for view in maps.VIEWS
        for method in maps.methods(seen, view)
    }
    slowest = max(times, key=times.__getitem__)
    return {"slowest": slowest, "slowest_ms": 1000 * times[slowest], "look_mib": seen.nbytes / MIB}


def turning_clip(frames: int) -> Media:
    """A clip in which the photo turns a little."""
    picture = Image.open(PHOTO).convert("RGB")
    turned = tuple(picture.rotate(10 * np.sin(number), resample=Image.Resampling.BILINEAR) for number in range(frames))
    return Media(turned, tuple(number / 8 for number in range(frames)), "video", picture.size, frames / 8)


def measure_grid(checkpoint: str, kind: str, alone: int) -> dict[str, object]:
    """Seconds a prompt, by the clock and by the process's own time, which a busy machine disturbs less."""
    pipeline = EmoPipeline.from_checkpoint(checkpoint)
    picture = Image.open(PHOTO).convert("RGB")
    photo = Media((picture,), (0.0,), "image", picture.size)
    media = turning_clip(pipeline.processor.num_frames) if kind == "video" else photo
    reading = pipeline.look(media)
    prompts = [tell(EmoPrompt(kind, options=DEFAULT_OPTIONS), told) for told in GRID]
    few = prompts[:: len(prompts) // alone]
    pipeline.scores(reading, prompts[0])
    marks, scores = [(time.perf_counter(), time.process_time())], []
    for one_by_one in (
        lambda: [list(pipeline.scores(pipeline.look(media), prompt).values()) for prompt in few],
        lambda: [list(pipeline.scores(reading, prompt).values()) for prompt in few],
        lambda: np.exp(VariantScorer(pipeline, reading).log_scores(prompts)),
    ):
        scores.append(np.array(one_by_one()))
        marks.append((time.perf_counter(), time.process_time()))
    spent = np.diff(marks, axis=0) / [[len(few)], [len(few)], [len(prompts)]]  # (3, clock and own time)
    return {
        "prompts": len(prompts),
        "from_the_picture_ms": 1000 * spent[0, 0],
        "one_by_one_ms": 1000 * spent[1, 0],
        "grid_ms": 1000 * spent[2, 0],
        "times_faster": spent[1, 0] / spent[2, 0],
        "times_faster_own_time": spent[1, 1] / spent[2, 1],
        "times_faster_from_the_picture": spent[0, 0] / spent[2, 0],
        "times_faster_from_the_picture_own_time": spent[0, 1] / spent[2, 1],
        "largest_difference": float(np.abs(scores[1] - scores[2][:: len(prompts) // alone]).max()),
    }


def rounded(value: object) -> object:
    """Floats of a report in four digits."""
    if isinstance(value, dict):
        return {name: rounded(each) for name, each in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    capture = commands.add_parser("capture", help="generation with and without row capture")
    capture.add_argument("--checkpoint", default="mini")
    capture.add_argument("--repeats", type=int, default=5)
    capture.add_argument("--tokens", type=int, default=32)
    capture.set_defaults(run=lambda given: measure_capture(given.checkpoint, given.repeats, given.tokens))
    lengths = commands.add_parser("lengths", help="row capture beside eager attention at several lengths")
    lengths.add_argument("--lengths", type=int, nargs="+", default=[640, 2048])
    lengths.add_argument("--repeats", type=int, default=3)
    lengths.set_defaults(run=lambda given: measure_lengths(given.lengths, given.repeats))
    redraw = commands.add_parser("redraw", help="every map of one look, without the model")
    redraw.add_argument("--checkpoint", default="mini")
    redraw.set_defaults(run=lambda given: measure_redraw(given.checkpoint))
    grid = commands.add_parser("grid", help="the attribute grid behind one prefix, and one by one")
    grid.add_argument("--checkpoint", default="mini")
    grid.add_argument("--kind", choices=("image", "video"), default="image")
    grid.add_argument("--alone", type=int, default=12, help="prompts that are timed one by one")
    grid.set_defaults(run=lambda given: measure_grid(given.checkpoint, given.kind, given.alone))
    given = parser.parse_args()
    print(json.dumps(rounded(given.run(given) | {"cores": os.cpu_count()}), indent=1))


if __name__ == "__main__":
    main()
