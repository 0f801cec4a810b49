"""What both training stages share: model, processor, cached samples, accelerator, and the wish to stop."""

import random
import signal
import time
from pathlib import Path
from typing import Protocol

import torch
from accelerate import Accelerator
from torch.optim.lr_scheduler import LambdaLR

from emo_toolkit.checkpoints import load
from emo_toolkit.data import EmoCollator, PriorCache, load_samples
from emo_toolkit.errors import EmoError
from emo_toolkit.labels import LABELS
from emo_toolkit.schema import EmoSample
from train.alignment import word_embeddings
from train.arguments import RunArguments
from train.extract_priors import cache_key


class Run:
    """One training run; `model` is the frozen base until a stage unfreezes what it trains."""

    def __init__(self, arguments: RunArguments) -> None:
        self.arguments = arguments
        self.accelerator = Accelerator(mixed_precision=arguments.mixed_precision, cpu=not torch.cuda.is_available())
        checkpoint = load(arguments.checkpoint, device=str(self.accelerator.device), dtype=torch.float32)
        self.model, self.processor = checkpoint.model.requires_grad_(False), checkpoint.processor
        if arguments.face_tokens:
            self.model.config.fim_config.num_face_tokens = arguments.face_tokens
            self.processor.tokens_per_frame = self.model.config.tokens_per_frame
        self.collate = EmoCollator(self.processor)
        self.cache = PriorCache(arguments.cache, key=cache_key(checkpoint, arguments.analyser))
        self.labels = LABELS[arguments.dataset]
        self.words = word_embeddings(self.model, self.processor.tokenizer, self.labels)
        self.train = self._usable(arguments.split)
        self.valid = self._usable(arguments.valid_split)[: arguments.valid_samples]
        self.output = Path(arguments.output)
        self.stopped = False
        for sign in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sign, self._ask_to_stop)

    def _ask_to_stop(self, *_: object) -> None:
        self.say("stopping after this step; run the same line again to go on")
        self.stopped = True

    def _usable(self, split: str) -> list[EmoSample]:
        fold = self.arguments.fold or None
        everything = load_samples(self.arguments.dataset, self.arguments.root, split, fold=fold)
        samples = [sample for sample in everything if sample.id in self.cache and self.cache.found(sample.id)]
        if not samples:
            raise EmoError(f"no {split} sample is in {self.arguments.cache}; run train/extract_priors.py first")
        random.Random(self.arguments.seed).shuffle(samples)
        self.say(f"{split}: {len(samples)} of {len(everything)} samples are cached and have a face")
        return samples

    def mine(self, items: list) -> list:
        """This process's share of a global batch."""
        return items[self.accelerator.process_index :: self.accelerator.num_processes]

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

    def check(self) -> str:
        """Validation figures, as a line for people."""

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
            run.say(f"{stage.name} {done}/{stage.steps}  {stage.check()}")
        if (keep or run.stopped) and run.accelerator.is_main_process:
            stage.save(done)
        if run.stopped:
            return done == stage.steps
    return True
