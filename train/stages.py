"""The two stages of training: `AlignStage` teaches the frame tokens to speak, `LoraStage` the LLM to listen."""

import json
import random
from collections import defaultdict
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn
from transformers import BatchFeature

from emo_toolkit.errors import EmoError
from train.alignment import Aligner, alignment_losses
from train.batches import RowOrder, mixed_row, plain_row, row_weights
from train.mixture import lengths_of
from train.resume import load_state, save_state, trainable
from train.run import Run

SEED_STRIDE = 1_000_003  # step k of seed s draws from s * stride + k, so that a resumed step draws the same
BRANCHES = ("global", "local")  # in the order of Face Info Mining's two clue gates


class AlignStage:
    """Trains projectors, Q-Former and Face Info Mining on cached features; the language model is not run."""

    name = "align"

    def __init__(self, run: Run) -> None:
        self.run, self.values = run, run.arguments.align
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
        aligner = Aligner(run.model, run.words, self.values)
        open_gates(aligner, self.values.gate_opening, run.arguments.branches)
        gates = [value for name, value in trainable(aligner).items() if "gate" in name.rpartition(".")[2]]
        others = [value for name, value in trainable(aligner).items() if "gate" not in name.rpartition(".")[2]]
        optimizer = torch.optim.AdamW(
            [{"params": others}, {"params": gates, "lr": self.values.gate_learning_rate, "weight_decay": 0.0}],
            lr=self.values.learning_rate,
            weight_decay=self.values.weight_decay,
        )
        self.path = run.output / "align.safetensors"
        self.start = load_state(self.path, aligner, optimizer)
        self.scheduler = run.schedule(optimizer, self.steps, self.values.warmup, self.start)
        self.aligner, self.optimizer = run.accelerator.prepare(aligner, optimizer)

    def batch(self, rows: Sequence[dict[str, Any]]) -> tuple[BatchFeature, torch.Tensor]:
        """Inputs of plain category questions, and the targets (N, L) of their frames."""
        inputs = self.run.collate([plain_row(row, self.run.cache) for row in rows])
        targets = torch.tensor([row["votes"] for row in rows]).repeat_interleave(inputs["frame_mask"].sum(1), 0)
        return inputs.to(self.run.accelerator.device), targets.to(self.run.accelerator.device)

    def step(self, number: int) -> tuple[float, float]:
        run, accelerator = self.run, self.run.accelerator
        torch.manual_seed(run.arguments.seed * SEED_STRIDE + number)
        self.aligner.train()
        rows = [self.table[int(place)] for place in run.mine(self.order[number])]
        inputs, targets = self.batch(rows)
        frames = mean_over_processes(run, len(targets))
        with accelerator.autocast():
            losses, _ = self.aligner(inputs, targets)
        loss = losses.sum() / frames
        accelerator.backward(loss)
        self.optimizer.step()
        self.scheduler.step()
        self.optimizer.zero_grad()
        return loss.item(), self.scheduler.get_last_lr()[0]

    @torch.inference_mode()
    def check(self) -> dict[str, float]:
        """Accuracy and mean recall by similarity to the label words, all frame tokens together, of each source."""
        self.aligner.eval()
        figures: dict[str, float] = {}
        for name, table in self.run.valid.items():
            said = []
            for first in range(0, len(table), 64):
                rows = table.select(range(first, min(first + 64, len(table)))).to_list()
                inputs, targets = self.batch(rows)
                with self.run.accelerator.autocast():
                    _, scores = self.aligner(inputs, targets)
                shares = (self.values.scale * scores).softmax(-1).mean(1).cpu()  # (N, L)
                shares = torch.stack([part.mean(0) for part in shares.split(inputs["frame_mask"].sum(1).tolist())])
                said += [self.run.labels[choice] for choice in shares.argmax(-1).tolist()]
            figures |= {f"{name}_{key}": value for key, value in war_uar(table["label"], said).items()}
        return figures

    def save(self, done: int) -> None:
        save_state(self.path, self.run.accelerator.unwrap_model(self.aligner), self.optimizer, done)


class LoraStage:
    """Answer-only cross-entropy through the language model: LoRA and the modules of stage 1, which keep a share of
    stage 1's loss on category questions."""

    name = "lora"

    def __init__(self, run: Run) -> None:
        self.run, self.values = run, run.arguments.lora
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
        model = wrap(run)
        lora = [value for name, value in trainable(model).items() if "lora_" in name]
        others = [value for name, value in trainable(model).items() if "lora_" not in name]
        optimizer = torch.optim.AdamW(
            [{"params": lora}, {"params": others, "lr": self.values.projector_learning_rate}],
            lr=self.values.learning_rate,
            weight_decay=self.values.weight_decay,
        )
        self.path = run.output / "lora.safetensors"
        self.start = load_state(self.path, model, optimizer)
        self.scheduler = run.schedule(optimizer, self.steps, self.values.warmup, self.start)
        self.learnt = lora + others
        self.model, self.optimizer = run.accelerator.prepare(model, optimizer)

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
            pieces.append(tuple(value.to(run.accelerator.device) for value in (inputs, targets, aligned)))
        return pieces

    def step(self, number: int) -> tuple[float, float]:
        run, values, accelerator = self.run, self.values, self.run.accelerator
        torch.manual_seed(run.arguments.seed * SEED_STRIDE + number)
        self.model.train()
        pieces = self.batches(number)
        rows = mean_over_processes(run, sum(len(inputs["labels"]) for inputs, _, _ in pieces))
        frames = mean_over_processes(run, sum(float(aligned.sum()) for _, _, aligned in pieces))
        total = 0.0
        for place, (inputs, targets, aligned) in enumerate(pieces):
            last = place == len(pieces) - 1
            with nullcontext() if last else accelerator.no_sync(self.model):
                with accelerator.autocast():
                    outputs = self.model(**inputs)
                    answer = row_losses(outputs.logits, inputs["labels"]).sum() / rows
                    each = alignment_losses(outputs.frame_tokens, run.words, targets, run.arguments.align)
                align = (aligned * each).sum() / frames.clamp(min=1)
                accelerator.backward(answer + values.align_weight * align)
            total += answer.item()
        accelerator.clip_grad_norm_(self.learnt, values.max_grad_norm)
        self.optimizer.step()
        self.scheduler.step()
        self.optimizer.zero_grad()
        return total, self.scheduler.get_last_lr()[0]

    @torch.inference_mode()
    def check(self) -> dict[str, float]:
        """Accuracy and mean recall by the first token of each label, of each source."""
        run = self.run
        self.model.eval()
        figures: dict[str, float] = {}
        for name, table in run.valid.items():
            said = []
            for first in range(0, len(table), 32):
                rows = table.select(range(first, min(first + 32, len(table)))).to_list()
                inputs = run.collate([plain_row(row, run.cache) for row in rows])
                lengths = (inputs["labels"] != -100).sum(1)
                starts = lengths.cumsum(0) - lengths  # the first answer row of each sample
                with run.accelerator.autocast():
                    logits = self.model(**inputs.to(run.accelerator.device)).logits.float().cpu()
                options = table[0]["options"]
                firsts = torch.tensor([run.processor.answer_ids(option)[0] for option in options])
                said += [options[choice] for choice in logits[starts][:, firsts].argmax(-1).tolist()]
            write_rows(run.output / f"valid-{name}.jsonl", table, said)
            figures |= {f"{name}_{key}": value for key, value in war_uar(table["label"], said).items()}
        return figures

    def save(self, done: int) -> None:
        bare = self.run.accelerator.unwrap_model(self.model)
        save_state(self.path, bare, self.optimizer, done)
        export_adapter(bare, self.run.output / "adapter")


def row_losses(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """(B,) mean cross-entropy of each row's answer, so that a word weighs as much as a paragraph: by the token, one
    explanation would outweigh twenty labels, and the label is what the model is asked for.

    Args:
        logits: (answer tokens, vocabulary), as the model gives them with labels; labels: (B, S), -100 outside answers.
    """
    answers = labels[:, 1:] != -100
    each = F.cross_entropy(logits.float(), labels[:, 1:][answers], reduction="none")
    return torch.stack([part.mean() for part in each.split(answers.sum(1).tolist())])


def check_rows(run: Run, table: Any, size: int, name: str) -> None:
    """Raises EmoError when the rows do not fill a batch, or processes cannot share one evenly."""
    if len(table) < size:
        raise EmoError(f"{len(table)} samples do not fill {name}={size}; lower it")
    run.check_batch(size, name)


def mean_over_processes(run: Run, value: float) -> torch.Tensor:
    """A count of this process's share, averaged: the divisor with which gradients of all processes join as one's."""
    counted = torch.tensor(float(value), device=run.accelerator.device)
    return run.accelerator.reduce(counted, reduction="mean")


def open_gates(module: nn.Module, opening: float, branches: Sequence[str]) -> None:
    """Sets every gate of Face Info Mining; the clue gate of a branch that is left out is closed and stays so."""
    for name, value in trainable(module).items():
        if "gate" in name.rpartition(".")[2]:
            nn.init.constant_(value, opening)
    keep_closed(module, branches)


def keep_closed(module: nn.Module, branches: Sequence[str]) -> None:
    """Closes the clue gate of every branch that is left out, and keeps its gradient zero."""
    for name, value in trainable(module).items():
        if name.endswith("clue_gates"):
            used = torch.tensor([float(branch in branches) for branch in BRANCHES], device=value.device)
            value.data.mul_(used)
            value.register_hook(used.mul)


def war_uar(truth: Sequence[str], said: Sequence[str]) -> dict[str, float]:
    """Accuracy ("war") and the mean of the recalls ("uar")."""
    hits = defaultdict(list)
    for right, word in zip(truth, said, strict=True):
        hits[right].append(float(word == right))
    recalls = [float(np.mean(each)) for each in hits.values()]
    return {"war": float(np.mean(sum(hits.values(), []))), "uar": float(np.mean(recalls))}


def wrap(run: Run) -> PeftModel:
    """The model with fresh LoRA matrices, and the modules of stage 1 as trainable copies."""
    values = run.arguments.lora
    config = LoraConfig(
        r=values.rank,
        lora_alpha=values.alpha,
        lora_dropout=values.dropout,
        target_modules=values.target_modules,
        modules_to_save=list(values.modules_to_save),
        task_type="CAUSAL_LM",
    )
    if run.accelerator.device.type == "cpu":  # torch's fused attention is slow backwards there: 3.7 s a step, now 2.7
        run.model.language_model.set_attn_implementation("eager")
    torch.manual_seed(run.arguments.seed)
    model = get_peft_model(run.model.requires_grad_(False), config)
    if values.gradient_checkpointing:
        run.model.language_model.gradient_checkpointing_enable({"use_reentrant": False})
    keep_closed(model, run.arguments.branches)
    model.peft_config["default"].base_model_name_or_path = run.arguments.checkpoint
    count = sum(value.numel() for value in trainable(model).values())
    run.say(f"{count / 1e6:.2f} M trainable parameters, {2 * count / 2**20:.1f} MiB as float16")
    return model


def export_adapter(model: PeftModel, folder: Path) -> None:
    """The two-file adapter, float16."""
    learnt = ("lora_", "modules_to_save")
    state = {
        name: value.to(torch.float16)
        for name, value in model.state_dict().items()
        if any(part in name for part in learnt)
    }
    model.save_pretrained(folder, state_dict=state, save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)  # PEFT's model card, an empty form


def write_rows(path: Path, table: Any, said: Sequence[str]) -> None:
    """What was said of each validation sample, as train/compare.py reads it."""
    columns = zip(table["sample"], table["label"], said, strict=True)
    rows = [json.dumps({"id": name, "truth": truth, "label": label}) + "\n" for name, truth, label in columns]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(rows))
