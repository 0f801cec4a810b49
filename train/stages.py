"""The two stages of training: `AlignStage` teaches the frame tokens to speak, `LoraStage` the LLM to listen."""

import dataclasses
import json
import random
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from transformers import BatchFeature

from emo_toolkit.errors import EmoError
from emo_toolkit.model.face_info_mining import FaceInfoMining, FaceInfoMiningOutput
from train.adapter import export_adapter, wrap
from train.alignment import Aligner, alignment_losses
from train.batches import RowOrder, mixed_row, plain_row, row_weights
from train.learner import Learner, rate_factor, shard, sharing, trainable
from train.mixture import lengths_of
from train.resume import load_state, replacing, save_state
from train.run import Run
from train.zero import ZeroLearner

BRANCHES = ("global", "local")  # in the order of Face Info Mining's two clue gates


class AlignStage:
    """Trains projectors, Q-Former and Face Info Mining on cached features; the language model is not run."""

    name, answers = "align", False

    def __init__(self, run: Run) -> None:
        self.run, self.values = run, run.arguments.align
        self.batch_size = self.values.batch_size
        sources = run.arguments.sources
        learnt = [
            place
            for place, (name, question) in enumerate(zip(run.train["source"], run.train["question"], strict=True))
            if sources[name].align and not question
        ]
        self.table = run.train.select(learnt)
        check_rows(run, self.table, self.values.batch_size, "align.batch_size")
        weights = row_weights(
            self.table, {name: each.weight for name, each in sources.items()}, balance=self.values.balance
        )
        self.order = RowOrder(len(self.table), self.values.batch_size, run.arguments.seed, weights=weights)
        self.steps = int(self.values.epochs * self.order.steps_per_epoch)
        for name in run.arguments.lora.modules_to_save:
            run.model.get_submodule(name).requires_grad_(True)
        self.aligner = Aligner(run.model, run.words, self.values)
        open_gates(self.aligner, self.values.gate_opening)
        keep_closed(self.aligner, run.arguments.branches)
        self.learner = Learner(run.accelerator, trainable(self.aligner), self._options)
        self.optimizer = self.learner.optimizer
        self.path = run.output / "align.safetensors"
        self.start = load_state(self.path, self.learner)

    def _options(self, name: str) -> dict[str, float]:
        if "gate" in name.rpartition(".")[2]:
            return {"lr": self.values.gate_learning_rate, "weight_decay": 0.0}
        return {"lr": self.values.learning_rate, "weight_decay": self.values.weight_decay}

    def batch(self, rows: Sequence[dict[str, Any]]) -> tuple[BatchFeature, torch.Tensor]:
        """Inputs of plain category questions, and the targets (N, L) of their frames."""
        inputs = self.run.collate([plain_row(row, self.run.cache) for row in rows])
        targets = torch.tensor([row["votes"] for row in rows]).repeat_interleave(inputs["frame_mask"].sum(1), 0)
        return inputs.to(self.run.device), targets.to(self.run.device)

    def step(self, number: int) -> tuple[float, float]:
        run, values = self.run, self.values
        run.sow(number)
        self.aligner.train()
        rows = [self.table[int(place)] for place in run.mine(self.order[number])]
        inputs, targets = self.batch(rows)
        frames = mean_over_processes(run, len(targets))
        with run.autocast():
            losses, _ = self.aligner(inputs, targets)
        loss = losses.sum() / frames
        self.learner.backward(loss)
        factor = rate_factor(number, self.steps, values.warmup)
        self.learner.step(factor)
        return loss.item(), values.learning_rate * factor

    @torch.no_grad()  # not inference_mode: what FSDP gathers there cannot learn afterwards
    def check(self) -> dict[str, float]:
        """Accuracy and mean recall by similarity to the label words, all frame tokens together, of each source."""
        self.aligner.eval()
        figures: dict[str, float] = {}
        for name, table in self.run.valid.items():
            said = []
            for rows in self.run.in_batches(table, 64):
                inputs, targets = self.batch(rows)
                with self.run.autocast():
                    _, scores = self.aligner(inputs, targets)
                shares = (self.values.scale * scores).softmax(-1).mean(1).cpu()  # (N, L)
                shares = torch.stack([part.mean(0) for part in shares.split(inputs["frame_mask"].sum(1).tolist())])
                said += [self.run.labels[choice] for choice in shares.argmax(-1).tolist()]
            said = self.run.joined(said, len(table))
            figures |= {f"{name}_{key}": value for key, value in war_uar(table["label"], said).items()}
        return figures

    def save(self, done: int, state: dict[str, torch.Tensor], *, best: bool) -> None:
        save_state(self.path, state, done)


class LoraStage:
    """Answer-only cross-entropy through the language model: LoRA and the modules of stage 1, which keep a share of
    stage 1's loss on category questions."""

    name, answers = "lora", True

    def __init__(self, run: Run) -> None:
        self.run, self.values = run, run.arguments.lora
        self.batch_size = self.values.batch_size
        self.steps, self.table = self.values.steps, run.train
        check_rows(run, self.table, self.values.batch_size, "lora.batch_size")
        weights = row_weights(
            self.table,
            {name: each.weight for name, each in run.arguments.sources.items()},
            balance=self.values.balance,
            free_share=self.values.free_share,
        )
        lengths = lengths_of(self.table, run.processor.tokens_per_frame) if self.values.length_grouped else None
        self.order = RowOrder(
            len(self.table), self.values.batch_size, run.arguments.seed, weights=weights, lengths=lengths
        )
        self.model = wrap(run)
        keep_closed(self.model, run.arguments.branches)
        self.learner = self._learner()
        self.optimizer = self.learner.optimizer
        self.path = run.output / "lora.safetensors"
        self.start = load_state(self.path, self.learner)

    def _options(self, name: str) -> dict[str, float]:
        rate = self.values.learning_rate if "lora_" in name else self.values.projector_learning_rate
        return {"lr": rate, "weight_decay": self.values.weight_decay}

    def _learner(self) -> Learner:
        run, clip = self.run, self.values.max_grad_norm
        if sharing() == "zero":
            rows = self.values.micro_batch_size or self.values.batch_size // run.accelerator.num_processes
            return ZeroLearner(
                run.accelerator,
                self.model,
                self._options,
                base=run.model,
                rows=rows,
                max_grad_norm=clip,
            )
        sharded = shard(run.model.language_model, run.device) if sharing() == "fsdp" else None
        return Learner(run.accelerator, trainable(self.model), self._options, max_grad_norm=clip, sharded=sharded)

    def batches(self, number: int) -> list[tuple[BatchFeature, torch.Tensor, torch.Tensor]]:
        """This process's part of step `number`, in pieces of `micro_batch_size` rows: inputs, alignment targets (N, L)
        of their frames, and how much each frame aligns (N,)."""
        run, sources = self.run, self.run.arguments.sources
        places = run.mine(list(enumerate(self.order[number].tolist())))
        rows = [self.table[row] for _, row in places]
        items = [
            mixed_row(row, run.cache, self.values, random.Random(f"{run.arguments.seed}-{number}-{place}"))
            for row, (place, _) in zip(rows, places, strict=True)
        ]
        size = self.values.micro_batch_size or len(rows)
        pieces = []
        for first in range(0, len(rows), size):
            inputs = run.collate(items[first : first + size])
            frames = inputs["frame_mask"].sum(1)
            part = rows[first : first + size]
            targets = torch.tensor([row["votes"] for row in part]).repeat_interleave(frames, 0)
            aligned = torch.tensor([float(sources[row["source"]].align) for row in part]).repeat_interleave(frames)
            pieces.append(tuple(value.to(run.device) for value in (inputs, targets, aligned)))
        return pieces

    def step(self, number: int) -> tuple[float, float]:
        run, values = self.run, self.values
        run.sow(number)
        self.model.train()
        pieces = self.batches(number)
        weights = [answer_weights(inputs["labels"], values.answer_power) for inputs, _, _ in pieces]
        weight = mean_over_processes(run, sum(float(each.sum()) for each in weights))
        frames = mean_over_processes(run, sum(float(aligned.sum()) for _, _, aligned in pieces))
        total = 0.0
        for place, (inputs, targets, aligned) in enumerate(pieces):
            with run.autocast():
                outputs = self.model(**inputs)
                answer = (weights[place] * answer_losses(outputs.logits, inputs["labels"])).sum() / weight
                each = alignment_losses(outputs.frame_tokens, run.words, targets, run.arguments.align)
            align = (aligned * each).sum() / frames.clamp(min=1 / run.accelerator.num_processes)
            self.learner.backward(answer + values.align_weight * align, last=place == len(pieces) - 1)
            total += answer.item()
        factor = rate_factor(number, self.steps, values.warmup)
        self.learner.step(factor)
        return total, values.learning_rate * factor

    @torch.no_grad()  # not inference_mode: what FSDP gathers there cannot learn afterwards
    def check(self) -> dict[str, float]:
        """Accuracy and mean recall by the first token of each label, of each source."""
        run = self.run
        self.model.eval()
        figures: dict[str, float] = {}
        for name, table in run.valid.items():
            said = []
            for rows in run.in_batches(table, 32):
                inputs = run.collate([plain_row(row, run.cache) for row in rows])
                lengths = (inputs["labels"] != -100).sum(1)
                starts = lengths.cumsum(0) - lengths  # the first answer row of each sample
                with run.autocast():
                    logits = self.model(**inputs.to(run.device)).logits.float().cpu()
                options = table[0]["options"]
                firsts = torch.tensor([run.processor.answer_ids(option)[0] for option in options])
                said += [options[choice] for choice in logits[starts][:, firsts].argmax(-1).tolist()]
            said = run.joined(said, len(table))
            if run.accelerator.is_main_process:
                write_rows(run.output / f"valid-{name}.jsonl", table, said)
            figures |= {f"{name}_{key}": value for key, value in war_uar(table["label"], said).items()}
        return figures

    def save(self, done: int, state: dict[str, torch.Tensor], *, best: bool) -> None:
        save_state(self.path, state, done)
        learnt = {name: state[f"weight/{name}"] for name in self.learner.names}
        for folder in ("adapter", "best")[: 1 + best]:
            export_adapter(self.model, self.run.output / folder, learnt)


def answer_losses(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """(B,) mean cross-entropy of each row's answer.

    Args:
        logits: (answer tokens, vocabulary), as the model gives them with labels; labels: (B, S), -100 outside answers.
    """
    answers = labels[:, 1:] != -100
    each = F.cross_entropy(logits.float(), labels[:, 1:][answers], reduction="none")
    return torch.stack([part.mean() for part in each.split(answers.sum(1).tolist())])


def answer_weights(labels: torch.Tensor, power: float) -> torch.Tensor:
    """(B,) how much each row of labels (B, S) counts: its answer's number of tokens to a power."""
    return (labels[:, 1:] != -100).sum(1).float() ** power


def check_rows(run: Run, table: Any, size: int, name: str) -> None:
    """Raises EmoError when the rows do not fill a batch, or processes cannot share one evenly."""
    if len(table) < size:
        raise EmoError(f"{len(table)} samples do not fill {name}={size}; lower it")
    run.check_batch(size, name)


def mean_over_processes(run: Run, value: float) -> torch.Tensor:
    """A count of this process's share, averaged: the divisor with which gradients of all processes join as one's."""
    counted = torch.tensor(float(value), device=run.device)
    return run.accelerator.reduce(counted, reduction="mean")


def open_gates(module: nn.Module, opening: float) -> None:
    """Sets every gate of Face Info Mining that learns."""
    for name, value in trainable(module).items():
        if "gate" in name.rpartition(".")[2]:
            nn.init.constant_(value, opening)


def keep_closed(module: nn.Module, branches: Sequence[str]) -> None:
    """Closes the clue gate of every branch that is left out, and lets no gradient reach it."""
    used = torch.tensor([float(branch in branches) for branch in BRANCHES])

    def mute(mining: FaceInfoMining, _: tuple, output: FaceInfoMiningOutput) -> FaceInfoMiningOutput:
        per_token = used.to(output.clues).repeat_interleave(output.clues.shape[1] // len(BRANCHES))
        return dataclasses.replace(output, clues=output.clues * per_token.unsqueeze(1))

    for part in module.modules():
        if isinstance(part, FaceInfoMining) and not used.all():
            part.clue_gates.data.mul_(used.to(part.clue_gates.device))
            part.register_forward_hook(mute)


def war_uar(truth: Sequence[str], said: Sequence[str]) -> dict[str, float]:
    """Accuracy ("war") and the mean of the recalls ("uar")."""
    hits = defaultdict(list)
    for right, word in zip(truth, said, strict=True):
        hits[right].append(float(word == right))
    recalls = [float(np.mean(each)) for each in hits.values()]
    return {"war": float(np.mean(sum(hits.values(), []))), "uar": float(np.mean(recalls))}


def write_rows(path: Path, table: Any, said: Sequence[str]) -> None:
    """What was said of each validation sample, as train/compare.py reads it."""
    columns = zip(table["sample"], table["label"], said, strict=True)
    rows = [json.dumps({"id": name, "truth": truth, "label": label}) + "\n" for name, truth, label in columns]
    with replacing(path) as partial:
        partial.write_text("".join(rows))
