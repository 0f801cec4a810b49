"""What a run will need, before its first step: memory of a process, time, and room on disk. No weights are loaded.

    python train/estimate.py train/recipes/mini.yaml                       (the shape of the recipe's checkpoint)
    python train/estimate.py train/recipes/7b.yaml --config 7b --processes 8 --sharing fsdp --frames 16 --tokens 300

config + recipe -> a model without weights (train/skeleton.py) -> bytes and operations -> a table. train/finetune.py
prints the same for its own rows; --estimate stops it there.
"""

import argparse
import dataclasses
import math
import os
import sys
import time

import numpy as np
import torch
from transformers import AutoProcessor

from emo_toolkit.checkpoints import resolve
from emo_toolkit.errors import EmoError
from emo_toolkit.model import EmoLlamaConfig
from train.arguments import RunArguments, parse_run
from train.batches import plain_row
from train.learner import sharing
from train.mixture import attributes_of, lengths_of
from train.run import Run
from train.skeleton import DTYPES, Batch, Skeleton

KINDS = ("copies", "fsdp", "zero2", "zero3")  # how the language model is shared out in stage 2
ADVICE = (
    "Lower align.batch_size or lora.micro_batch_size, set lora.gradient_checkpointing=true or quantization=4bit, or "
    "share the model out with train/accelerate/fsdp.yaml"
)
EFFICIENCY = 0.3  # share of a matrix product's speed that a step reaches: 0.1 to 0.5 were seen with mini on a CPU


@dataclasses.dataclass(frozen=True)
class Plan:
    """One stage in one process: bytes in memory, bytes of a checkpoint on disk, and seconds."""

    stage: str
    frozen: float
    learning: float
    gradients: float
    moments: float
    activations: float
    checkpoint: float
    seconds: float

    @property
    def memory(self) -> float:
        return self.frozen + self.learning + self.gradients + self.moments + self.activations


def make_plans(
    config: EmoLlamaConfig,
    arguments: RunArguments,
    *,
    align: Batch,
    lora: Batch,
    align_steps: float,
    speed: float,
    processes: int = 1,
    kind: str = "copies",
) -> list[Plan]:
    """Both stages in one process.

    Args:
        align, lora: the largest batch that goes through the model at once in each stage.
        align_steps: steps of stage 1.
        speed: operations a second of a matrix product; see `measure_speed`.
        kind: one of `KINDS`.
    """
    skeleton = Skeleton(config, arguments)
    part, speed = 1 / processes, EFFICIENCY * speed
    ours, matrices = skeleton.ours, skeleton.lora  # how many weights learn
    seen = skeleton.frames(align)
    first = Plan(
        *("align", skeleton.frozen - skeleton.originals, 4 * ours, 4 * ours, 8 * ours, seen.activations, 12 * ours),
        seconds=align_steps * (seen.forward + seen.backward) / speed,
    )
    sharded = kind in ("fsdp", "zero3")
    held = skeleton.frozen - sharded * ((1 - part) * skeleton.layers - 2 * skeleton.layers / skeleton.depth)
    share = 1.0 if kind == "copies" else part
    copy = 0.0 if kind in ("copies", "fsdp") else skeleton.bytes_each * (part if sharded else 1.0)  # beside float32
    whole = skeleton.frames(lora) + skeleton.text(lora, checkpointing=arguments.lora.gradient_checkpointing)
    passes = arguments.lora.batch_size / processes / lora.rows
    second = Plan(
        "lora",
        held,
        4 * ours + (4 * share + copy) * matrices,
        4 * (ours + share * matrices),
        8 * (ours + share * matrices),
        whole.activations,
        14 * (ours + matrices),
        arguments.lora.steps * passes * (whole.forward + whole.backward) / speed,
    )
    return [first, second]


def plans_of(run: Run) -> list[Plan]:
    """The plans of a run with its own rows: for memory the longest ones together, for time the mean ones."""
    arguments, processes = run.arguments, run.accelerator.num_processes
    lengths = np.array(lengths_of(run.train, run.processor.tokens_per_frame))
    rows = arguments.lora.micro_batch_size or max(1, arguments.lora.batch_size // processes)
    longest = np.argsort(lengths)[-rows:]
    items = [plain_row(row, run.cache, attributes_of(row)) for row in run.train.select(longest).to_list()]
    lora = Batch.of(run.collate(items))
    frames = np.array(run.train["frames"])
    rows = max(1, arguments.align.batch_size // processes)
    mean, spread = frames.mean() * rows, frames.std() * math.sqrt(rows)
    align = dataclasses.replace(lora, rows=rows, frames=math.ceil(mean + 3 * spread))
    columns = zip(run.train["source"], run.train["question"], strict=True)
    learnt = sum(arguments.sources[name].align and not question for name, question in columns)
    zero = os.environ.get("ACCELERATE_DEEPSPEED_ZERO_STAGE", "2")
    plans = make_plans(
        run.model.config,
        arguments,
        align=align,
        lora=lora,
        align_steps=arguments.align.epochs * (learnt // arguments.align.batch_size),
        speed=measure_speed(run.device, run.base),
        processes=processes,
        kind={"": "copies", "fsdp": "fsdp", "zero": f"zero{zero}"}[sharing()],
    )
    typical = mean / align.frames, lengths.mean() / lengths[longest].mean()
    return [dataclasses.replace(plan, seconds=plan.seconds * each) for plan, each in zip(plans, typical, strict=True)]


def measure_speed(device: torch.device, dtype: torch.dtype, *, seconds: float = 0.5) -> float:
    """Operations a second of a large matrix product on the device."""
    size = 8192 if device.type == "cuda" else 1024
    one, other = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    done, began = -1, 0.0  # the first one warms up
    while done < 1 or time.perf_counter() - began < seconds:
        one @ other
        if device.type == "cuda":
            torch.cuda.synchronize()
        done += 1
        began = began or time.perf_counter()
    return 2 * size**3 * done / (time.perf_counter() - began)


def memory_there_is(device: torch.device, processes: int) -> float:
    """Bytes of the device for one process."""
    if device.type == "cuda":
        return float(torch.cuda.get_device_properties(device).total_memory)
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / processes


def table(plans: list[Plan], *, room: float | None) -> str:
    """The plans side by side, and a warning where they do not fit.

    Args:
        room: bytes of memory there are; None where they are not known.
    """
    names = ("frozen", "learning", "gradients", "moments", "activations", "memory", "checkpoint")
    lines = [f"{'estimate, in GB':<24}" + "".join(f"{plan.stage:>10}" for plan in plans)]
    for name in names:
        words = {"memory": "memory of a process", "checkpoint": "checkpoint on disk"}.get(name, name)
        lines.append(f"{words:<24}" + "".join(f"{getattr(plan, name) / 1e9:>10.2f}" for plan in plans))
    lines.append(f"{'minutes, about':<24}" + "".join(f"{plan.seconds / 60:>10.1f}" for plan in plans))
    needed = max(plan.memory for plan in plans)
    if room is not None and needed > room:
        lines.append(f"WARNING: {needed / 1e9:.1f} GB are more than the {room / 1e9:.1f} GB there are. {ADVICE}")
    return "\n".join(lines)


def report(run: Run) -> str:
    return table(plans_of(run), room=memory_there_is(run.device, run.accelerator.num_processes))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", help="and any name=value behind it, as for train/finetune.py")
    parser.add_argument("values", nargs="*", metavar="name=value")
    parser.add_argument("--config", help='"7b", or a folder with config.json; default: the recipe\'s checkpoint')
    parser.add_argument("--rows", type=int, default=30_000, help="rows that stage 1 learns from")
    parser.add_argument("--tokens", type=int, default=200, help="tokens of the longest row, frames included")
    parser.add_argument("--frames", type=int, default=1, help="frames of such a row")
    parser.add_argument("--answer", type=int, default=20, help="tokens of its answer")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--sharing", choices=KINDS, default="copies", help="copies: one process, or ddp.yaml")
    parser.add_argument("--memory", type=float, help="GB of one GPU, to be warned where that is not enough")
    parser.add_argument("--tflops", type=float, help="of one GPU in bf16; default: measured here, in half a second")
    words = parser.parse_intermixed_args()
    try:
        arguments = parse_run([words.recipe, *words.values])
        config, picture = shape_of(words.config or arguments.checkpoint)
    except (EmoError, OSError) as error:
        sys.exit(str(error))
    rows = arguments.lora.micro_batch_size or max(1, arguments.lora.batch_size // words.processes)
    patches = 1 + (picture // config.vision_config.patch_size) ** 2
    size = {"tokens": words.tokens, "patches": patches, "guide": 48}
    per_process = max(1, arguments.align.batch_size // words.processes)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    plans = make_plans(
        config,
        arguments,
        align=Batch(rows=per_process, frames=per_process * words.frames, answers=0, **size),
        lora=Batch(rows=rows, frames=rows * words.frames, answers=rows * words.answer, **size),
        align_steps=arguments.align.epochs * (words.rows // arguments.align.batch_size),
        speed=words.tflops * 1e12
        if words.tflops
        else measure_speed(device, DTYPES.get(arguments.mixed_precision, torch.float32)),
        processes=words.processes,
        kind=words.sharing,
    )
    print(table(plans, room=words.memory and words.memory * 1e9))


def shape_of(name: str) -> tuple[EmoLlamaConfig, int]:
    """The configuration of "7b", or of a checkpoint as `resolve` finds it, and the side of its pictures; weights are
    not read."""
    if name == "7b":
        config = EmoLlamaConfig()
        config.text_config.vocab_size = config.image_token_id + 1
        return config, config.vision_config.image_size
    folder = resolve(name)
    size = AutoProcessor.from_pretrained(folder).image_processor.size
    return EmoLlamaConfig.from_pretrained(folder), size["height"]


if __name__ == "__main__":
    main()
