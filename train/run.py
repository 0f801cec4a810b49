"""What both training stages share: model, processor, tables of rows, prior cache, processes, and the wish to stop."""

import dataclasses
import math
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers
from accelerate.utils import gather_object
from datasets import Dataset, concatenate_datasets

from emo_toolkit.checkpoints import load
from emo_toolkit.data import EmoCollator, PriorCache
from emo_toolkit.errors import EmoError
from train.alignment import word_embeddings
from train.arguments import RunArguments
from train.extract_priors import cache_key
from train.learner import sharing
from train.manifest import Manifest, flat
from train.mixture import build_table, labels_of

MEASURED = 20261  # seed of the choice of validation rows: the same ones in every run
SEED_STRIDE = 1_000_003  # step k of seed s draws from s * stride + k, so that a resumed step draws the same


class Run:
    """One training run; `model` is the frozen base, with the modules that learn in float32.

    Raises:
        EmoError: for values that do not go together, or a folder that is not what it should be.
    """

    def __init__(self, arguments: RunArguments) -> None:
        check_values(arguments)
        self.arguments = arguments
        self.output = Path(arguments.output)
        missing = arguments.tracker not in ("none", *map(str, get_available_trackers()))
        self.accelerator = Accelerator(
            mixed_precision=arguments.mixed_precision,
            cpu=not torch.cuda.is_available(),
            log_with=None if missing or arguments.tracker == "none" else arguments.tracker,
            project_dir=self.output,
        )
        if missing:
            self.say(f"no curves are drawn: {arguments.tracker} is not installed; install it or set tracker=none")
        self.device = self.accelerator.device
        self.base = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(arguments.mixed_precision, torch.float32)
        with self.accelerator.main_process_first():  # of several processes only the first can assemble a checkpoint
            checkpoint = load(
                arguments.checkpoint, device=str(self.device), dtype=self.base, quantization=arguments.quantization
            )
        self.model, self.processor = checkpoint.model.requires_grad_(False), checkpoint.processor
        self.model.vision_tower.to("meta")  # the cache holds what it would say
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
        self.manifest = Manifest(
            arguments,
            train=self.train,
            valid=self.valid,
            cache_key=cache_key(checkpoint, arguments.analyser),
            labels=self.labels,
            device=f"{self.accelerator.num_processes} x {self.device.type}",
        )
        self.before = 0  # steps of the stages that are done
        self.stopped = False
        for sign in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sign, self._ask_to_stop)

    def _ask_to_stop(self, *_: object) -> None:
        self.say("stopping after this step")
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

    def in_batches(self, table: Dataset, size: int) -> Iterator[list[dict[str, Any]]]:
        """This process's share of a table. Every process gets as many batches: where rows are too few, the first ones
        come again."""
        processes = self.accelerator.num_processes
        places = self.mine(np.resize(np.arange(len(table)), math.ceil(len(table) / processes) * processes))
        for first in range(0, len(places), size):
            yield table.select(places[first : first + size]).to_list()

    def joined(self, answers: list[Any], count: int) -> list[Any]:
        """What all processes have about the rows of `in_batches`, in the order of the table of `count` rows."""
        return [each for row in zip(*gather_object([answers]), strict=True) for each in row][:count]

    def agree(self, *values: float) -> list[float]:
        """The mean of each value over the processes: a loss becomes the global one, and a flag is above 0 when any
        process has raised it."""
        shared = torch.tensor(values, dtype=torch.float64, device=self.device)
        return self.accelerator.reduce(shared, reduction="mean").tolist()

    def check_batch(self, size: int, name: str) -> None:
        """Raises EmoError when a batch cannot be shared out evenly, which would change its gradient."""
        if size % self.accelerator.num_processes:
            raise EmoError(f"{name}={size} cannot be shared by {self.accelerator.num_processes} processes evenly")

    def sow(self, step: int) -> None:
        """Sets the random state of a step; each process has its own dropout."""
        accelerator = self.accelerator
        seed = self.arguments.seed * SEED_STRIDE + step
        torch.manual_seed(seed * accelerator.num_processes + accelerator.process_index)

    def autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, self.base, enabled=self.base != torch.float32)

    def start_curves(self) -> None:
        """Opens the tracker and hands it every value of the run."""
        values = flat(dataclasses.asdict(self.arguments))
        plain = {name: value if isinstance(value, int | float) else str(value) for name, value in values.items()}
        self.accelerator.init_trackers("curves", config=plain)

    def curve(self, values: dict[str, float], done: int) -> None:
        """Draws values after `done` steps of the stage that is running; steps count through both stages."""
        self.accelerator.log(values, step=self.before + done)

    def say(self, text: str) -> None:
        self.accelerator.print(text, flush=True)


def check_values(arguments: RunArguments) -> None:
    """Raises EmoError for values that do not go together."""
    if not arguments.sources:
        raise EmoError("the recipe has no sources; name one, as in sources.ferplus.root=/data/ferplus")
    if arguments.tracker not in ("none", *LOGGER_TYPE_TO_CLASS):
        raise EmoError(f"tracker={arguments.tracker} is not known; choose none, {', '.join(LOGGER_TYPE_TO_CLASS)}")
    measured = [name for name, source in arguments.sources.items() if source.valid_split != "none"]
    figures = [f"{name}_{figure}" for name in measured for figure in ("war", "uar")]
    if arguments.best_by not in ("", *figures):
        raise EmoError(f"best_by={arguments.best_by} is not measured; choose one of {', '.join(figures)}")
    if sharing() and arguments.quantization != "none":
        raise EmoError(f"quantization={arguments.quantization} cannot be sharded; use train/accelerate/ddp.yaml")
    if sharing() and arguments.mixed_precision == "fp16":
        raise EmoError("a sharded model learns in bf16 or in no mixed precision, not in fp16")
