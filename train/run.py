"""What both training stages share: model, processor, tables of rows, prior cache, accelerator, and wish to stop."""

import signal
import time
from pathlib import Path
from typing import Any, Protocol

import torch
from accelerate import Accelerator
from datasets import Dataset, concatenate_datasets
from torch.optim.lr_scheduler import LambdaLR

from emo_toolkit.checkpoints import load
from emo_toolkit.data import EmoCollator, PriorCache
from emo_toolkit.errors import EmoError
from train.alignment import word_embeddings
from train.arguments import RunArguments
from train.extract_priors import cache_key
from train.mixture import build_table, labels_of

MEASURED = 20261  # seed of the choice of validation rows: the same ones in every run


class Run:
    """One training run; `model` is the frozen base, with the modules that learn in float32."""

    def __init__(self, arguments: RunArguments) -> None:
        if not arguments.sources:
            raise EmoError("the recipe has no sources; name one, as in sources.ferplus.root=/data/ferplus")
        self.arguments = arguments
        self.accelerator = Accelerator(mixed_precision=arguments.mixed_precision, cpu=not torch.cuda.is_available())
        base = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(arguments.mixed_precision, torch.float32)
        with self.accelerator.main_process_first():  # of several processes only the first can assemble a checkpoint
            checkpoint = load(arguments.checkpoint, device=str(self.accelerator.device), dtype=base)
        self.model, self.processor = checkpoint.model.requires_grad_(False), checkpoint.processor
        for name in arguments.lora.modules_to_save:
            self.model.get_submodule(name).float()
        if arguments.face_tokens:
            self.model.config.fim_config.num_face_tokens = arguments.face_tokens
            self.processor.tokens_per_frame = self.model.config.tokens_per_frame
        self.collate = EmoCollator(self.processor)
        self.cache = PriorCache(arguments.cache, key=cache_key(checkpoint, arguments.analyser))
        self.labels = labels_of(arguments.sources.values())
        self.words = word_embeddings(self.model, self.processor.tokenizer, self.labels)
        self.train = concatenate_datasets([self._table(name, "train") for name in arguments.sources])
        self.valid = {
            name: self._table(name, "valid")
            for name, source in arguments.sources.items()
            if source.valid_split != "none"
        }
        self.output = Path(arguments.output)
        self.stopped = False
        for sign in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sign, self._ask_to_stop)

    def _ask_to_stop(self, *_: object) -> None:
        self.say("stopping after this step; run the same line again to go on")
        self.stopped = True

    def _table(self, name: str, use: str) -> Dataset:
        source = self.arguments.sources[name]
        split = source.split if use == "train" else source.valid_split
        with self.accelerator.main_process_first():
            table, count = build_table(name, source, split, self.cache, self.labels)
        samples = len(set(table["sample"]))
        self.say(f"{name} {split}: {samples} of {count} samples are cached and have a face, {len(table)} rows")
        if use == "train":
            return table
        return table.shuffle(seed=MEASURED).select(range(min(len(table), self.arguments.valid_samples)))

    def mine(self, items: Any) -> Any:
        """This process's share of a global batch."""
        return items[self.accelerator.process_index :: self.accelerator.num_processes]

    def check_batch(self, size: int, name: str) -> None:
        """Raises EmoError when a batch cannot be shared out evenly, which would change its gradient."""
        if size % self.accelerator.num_processes:
            raise EmoError(f"{name}={size} cannot be shared by {self.accelerator.num_processes} processes evenly")

    def schedule(self, optimizer: torch.optim.Optimizer, steps: int, warmup: float, start: int) -> LambdaLR:
        """Linear warm-up over a share of the steps, then a half cosine to a tenth."""
        rise = max(1, round(warmup * steps))

        def factor(step: int) -> float:
            done = min(1.0, max(0.0, (step - rise) / max(1, steps - rise)))
            fall = 0.1 + 0.45 * (1 + torch.cos(torch.tensor(torch.pi * done)).item())
            return min((step + 1) / rise, fall)

        for group in optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
        return LambdaLR(optimizer, factor, last_epoch=start - 1)

    def say(self, text: str) -> None:
        self.accelerator.print(text, flush=True)


class Stage(Protocol):
    """One stage of training: what a step does, what is measured on the way, and what is kept."""

    name: str
    start: int  # steps already done by an earlier run
    steps: int

    def step(self, number: int) -> tuple[float, float]:
        """Trains step `number`; returns its loss and the learning rate."""

    def check(self) -> dict[str, float]:
        """Validation figures by name."""

    def save(self, done: int) -> None:
        """Writes everything that a resumed run needs after `done` steps."""


def run_stage(run: Run, stage: Stage) -> bool:
    """Runs a stage to its end, or until the run is asked to stop; returns whether the end was reached."""
    began, losses = time.perf_counter(), []
    for number in range(stage.start, stage.steps):
        loss, rate = stage.step(number)
        losses.append(loss)
        done = number + 1
        keep = done % run.arguments.save_every == 0 or done == stage.steps
        if done % run.arguments.log_every == 0 or keep:
            pace = (time.perf_counter() - began) / (done - stage.start)
            left = pace * (stage.steps - done) / 60
            mean = sum(losses) / len(losses)
            run.say(
                f"{stage.name} {done}/{stage.steps}  loss {mean:.4f}  lr {rate:.1e}  {pace:.2f} s/step  {left:.0f} min"
            )
            losses.clear()
        if keep:
            figures = stage.check()
            run.say(f"{stage.name} {done}/{stage.steps}  " + "  ".join(f"{k} {v:.3f}" for k, v in figures.items()))
        if (keep or run.stopped) and run.accelerator.is_main_process:
            stage.save(done)
        if run.stopped:
            return done == stage.steps
    return True
