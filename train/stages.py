"""The two stages of training: `AlignStage` teaches the frame tokens to speak, `LoraStage` the LLM to listen."""

import random
from collections import Counter
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model

from emo_toolkit.errors import EmoError
from emo_toolkit.schema import EmoSample
from train.alignment import Aligner, alignment_loss
from train.batches import category_row, mixed_row, rows_of_step, vote_targets
from train.resume import load_state, save_state, trainable
from train.run import Run

SEED_STRIDE = 1_000_003  # step k of seed s draws from s * stride + k, so that a resumed step draws the same


class AlignStage:
    """Trains projectors, Q-Former and Face Info Mining on cached features; the language model is not run.

    Best in float32 on a CPU (`mixed_precision: "no"`): the matrices are so small that bfloat16 costs more in
    conversions than it saves (two cores: 0.63 s a step of 64 samples against 1.5 s).
    """

    name = "align"

    def __init__(self, run: Run) -> None:
        self.run, self.values = run, run.arguments.align
        if len(run.train) < self.values.batch_size:
            raise EmoError(f"{len(run.train)} samples do not fill align.batch_size={self.values.batch_size}; lower it")
        self.steps = int(self.values.epochs * (len(run.train) // self.values.batch_size))
        for name in run.arguments.lora.modules_to_save:
            run.model.get_submodule(name).requires_grad_(True)
        aligner = Aligner(run.model, run.words, self.values)
        gates = [value for name, value in trainable(aligner).items() if "gate" in name.rpartition(".")[2]]
        others = [value for name, value in trainable(aligner).items() if "gate" not in name.rpartition(".")[2]]
        for gate in gates:
            torch.nn.init.constant_(gate, self.values.gate_opening)
        optimizer = torch.optim.AdamW(
            [{"params": others}, {"params": gates, "lr": self.values.gate_learning_rate, "weight_decay": 0.0}],
            lr=self.values.learning_rate,
            weight_decay=self.values.weight_decay,
        )
        self.path = run.output / "align.safetensors"
        self.start = load_state(self.path, aligner, optimizer)
        self.scheduler = run.schedule(optimizer, self.steps, self.values.warmup, self.start)
        self.aligner, self.optimizer = run.accelerator.prepare(aligner, optimizer)

    def batch(self, samples: list[EmoSample]) -> tuple:
        """Inputs and the alignment targets of plain category questions."""
        inputs = self.run.collate([category_row(sample, self.run.cache) for sample in samples])
        targets = torch.from_numpy(vote_targets(samples, self.run.labels))
        return inputs.to(self.run.accelerator.device), targets.to(self.run.accelerator.device)

    def step(self, number: int) -> tuple[float, float]:
        run = self.run
        torch.manual_seed(run.arguments.seed * SEED_STRIDE + number)
        rows = rows_of_step(len(run.train), self.values.batch_size, number, run.arguments.seed)
        loss, _ = self.aligner(*self.batch(run.mine([run.train[row] for row in rows])))
        run.accelerator.backward(loss)
        self.optimizer.step()
        self.scheduler.step()
        self.optimizer.zero_grad()
        return loss.item(), self.scheduler.get_last_lr()[0]

    @torch.inference_mode()
    def check(self) -> str:
        """Accuracy by similarity to the label words: of each frame token, and of all of them together."""
        hits, together = [], []
        for first in range(0, len(self.run.valid), 64):
            samples = self.run.valid[first : first + 64]
            _, scores = self.aligner(*self.batch(samples))
            truth = torch.tensor([self.run.labels.index(sample.label) for sample in samples])
            hits.append((scores.argmax(-1).cpu() == truth.view(-1, 1)).float())
            joined = (self.values.scale * scores).softmax(-1).mean(1)
            together.append((joined.argmax(-1).cpu() == truth).float())
        each = " ".join(f"{value:.3f}" for value in torch.cat(hits).mean(0))
        return f"valid accuracy of each frame token: {each}, together {torch.cat(together).mean():.3f}"

    def save(self, done: int) -> None:
        save_state(self.path, self.run.accelerator.unwrap_model(self.aligner), self.optimizer, done)


class LoraStage:
    """Answer-only cross-entropy through the language model: LoRA and the modules of stage 1, which keep a share of
    stage 1's loss."""

    name = "lora"

    def __init__(self, run: Run) -> None:
        self.run, self.values = run, run.arguments.lora
        self.steps = self.values.steps
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

    def step(self, number: int) -> tuple[float, float]:
        run, values, accelerator = self.run, self.values, self.run.accelerator
        torch.manual_seed(run.arguments.seed * SEED_STRIDE + number)
        self.model.train()
        rows = rows_of_step(len(run.train), values.batch_size, number, run.arguments.seed)
        samples = [run.train[row] for row in rows]
        items = [
            mixed_row(sample, run.cache, values, random.Random(f"{run.arguments.seed}-{number}-{place}"))
            for place, sample in enumerate(samples)
        ]
        inputs = run.collate(run.mine(items)).to(accelerator.device)
        answers = (inputs["labels"] != -100).sum()
        mean_answers = accelerator.reduce(answers, reduction="sum") / accelerator.num_processes
        targets = torch.from_numpy(vote_targets(run.mine(samples), run.labels)).to(accelerator.device)
        with accelerator.autocast():
            outputs = self.model(**inputs, num_items_in_batch=mean_answers)
            per_frame = targets.repeat_interleave(inputs["frame_mask"].sum(1), 0)
            aligned = alignment_loss(outputs.frame_tokens, run.words, per_frame, run.arguments.align)
        accelerator.backward(outputs.loss + values.align_weight * aligned)
        accelerator.clip_grad_norm_(self.learnt, values.max_grad_norm)
        self.optimizer.step()
        self.scheduler.step()
        self.optimizer.zero_grad()
        return outputs.loss.item(), self.scheduler.get_last_lr()[0]

    @torch.inference_mode()
    def check(self) -> str:
        """Accuracy by the first token of each label, and how often each label is said."""
        run = self.run
        self.model.eval()
        firsts = torch.tensor([run.processor.answer_ids(label)[0] for label in run.labels])
        said: Counter[str] = Counter()
        hits = 0
        for first in range(0, len(run.valid), 32):
            samples = run.valid[first : first + 32]
            inputs = run.collate([category_row(sample, run.cache) for sample in samples])
            lengths = (inputs["labels"] != -100).sum(1)
            starts = lengths.cumsum(0) - lengths  # the first answer row of each sample
            with run.accelerator.autocast():
                logits = self.model(**inputs.to(run.accelerator.device)).logits.float().cpu()
            words = [run.labels[choice] for choice in logits[starts][:, firsts].argmax(-1).tolist()]
            hits += sum(word == sample.label for word, sample in zip(words, samples, strict=True))
            said.update(words)
        shares = " ".join(f"{label} {said[label] / len(run.valid):.2f}" for label in run.labels)
        return f"valid accuracy {hits / len(run.valid):.3f}, said: {shares}"

    def save(self, done: int) -> None:
        bare = self.run.accelerator.unwrap_model(self.model)
        save_state(self.path, bare, self.optimizer, done)
        export_adapter(bare, self.run.output / "adapter")


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
    torch.manual_seed(run.arguments.seed)
    model = get_peft_model(run.model.requires_grad_(False), config)
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
