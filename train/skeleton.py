"""A model without weights: how many bytes it takes, and what a batch costs, found by running it on tensors of no data.

config -> meta tensors with LoRA -> fake tensors -> what autograd keeps, and the operations of both directions.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from peft import LoraConfig, get_peft_model
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode
from transformers import BatchFeature

from emo_toolkit.model import EmoLlamaConfig, EmoLlamaForConditionalGeneration
from train.arguments import RunArguments

NF4_BYTES = 0.5 + 1 / 64 + 4 / (64 * 256)  # of a weight: its code, and its share of two levels of scales
DEPTH = 2  # layers of the language model that are built; the others are like them
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Batch:
    """Sizes of a batch that goes through the model at once: `tokens` of each row, `patches` of each frame with CLS,
    words of the `guide`; `frames` and tokens of the `answers` of all rows."""

    rows: int
    tokens: int
    frames: int
    patches: int
    guide: int
    answers: int

    @classmethod
    def of(cls, inputs: BatchFeature) -> "Batch":
        """The sizes of a collated batch."""
        rows, tokens = inputs["input_ids"].shape
        frames, answers = int(inputs["frame_mask"].sum()), int((inputs["labels"] != -100).sum())
        patches, guide = inputs["vision_features"].shape[2], inputs["guide_input_ids"].shape[1]
        return cls(rows, tokens, frames, patches, guide, answers)


@dataclass(frozen=True)
class Cost:
    """Bytes that autograd keeps for the way back, and operations of the two ways."""

    activations: float = 0.0
    forward: float = 0.0
    backward: float = 0.0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(*(a + b for a, b in zip(vars(self).values(), vars(other).values(), strict=True)))

    def __mul__(self, times: float) -> "Cost":
        return Cost(*(times * value for value in vars(self).values()))


class Skeleton:
    """A model of stage 2 without weights, with `DEPTH` layers; counts are those of the whole model.

    Attributes:
        ours, lora: how many weights learn: of the modules of stage 1, of the LoRA matrices.
        frozen: bytes that do not learn, without the vision tower, which is not run.
        originals: bytes of `frozen` that only stage 2 has: what PEFT keeps beside the copies that learn.
        layers: bytes of `frozen` in the language model's layers; depth: how many layers there are.
        bytes_each: of a weight of the base model.
    """

    def __init__(self, config: EmoLlamaConfig, arguments: RunArguments) -> None:
        config = copy.deepcopy(config)
        self.config, self.depth = config, config.text_config.num_hidden_layers
        config.text_config.num_hidden_layers = min(DEPTH, self.depth)
        config.vision_config.num_hidden_layers = 1
        self.dtype = DTYPES.get(arguments.mixed_precision, torch.float32)
        self.bytes_each = self.dtype.itemsize
        values = arguments.lora
        with torch.device("meta"):
            self.base = EmoLlamaForConditionalGeneration(config).to(self.dtype).requires_grad_(False)
            for name in values.modules_to_save:
                self.base.get_submodule(name).float()
            lora = LoraConfig(
                r=values.rank,
                target_modules=values.target_modules,
                modules_to_save=list(values.modules_to_save),
                task_type="CAUSAL_LM",
            )
            self.model = get_peft_model(self.base, lora)
        self._count(quantised=arguments.quantization == "4bit")
        self._mode = FakeTensorMode()
        self._fill()

    def _count(self, *, quantised: bool) -> None:
        per_layer = self.depth / len(self.base.language_model.layers)
        self.ours = self.lora = self.frozen = self.originals = self.layers = 0.0
        for name, value in self.model.named_parameters():
            inside = ".language_model.layers." in name
            times = per_layer if inside else 1
            if "lora_" in name:
                self.lora += times * value.numel()
            elif value.requires_grad:
                self.ours += value.numel()
            elif ".vision_tower." not in name:
                each = NF4_BYTES if quantised and inside and value.ndim == 2 else value.element_size()
                self.frozen += times * value.numel() * each
                self.layers += inside * times * value.numel() * each
                self.originals += (".original_module." in name) * value.numel() * each

    def _fill(self) -> None:
        """Fake tensors in the place of meta ones: they can be computed with in mixed precision."""
        with self._mode:
            for module in self.model.modules():
                for places in (module._parameters, module._buffers):
                    for name, value in places.items():
                        if value is not None:
                            fake = torch.zeros(value.shape, dtype=value.dtype)
                            learns = value.requires_grad
                            places[name] = nn.Parameter(fake, learns) if isinstance(value, nn.Parameter) else fake

    def frames(self, batch: Batch) -> Cost:
        """Frame tokens of a batch, from cached features."""
        fim, count = self.config.fim_config, batch.frames

        def run() -> torch.Tensor:
            return self.base.get_frame_tokens(
                torch.zeros(count, batch.patches, fim.hidden_size),
                torch.zeros(count, fim.num_prior_tokens, fim.prior_size),
                torch.zeros(count, fim.num_landmarks, 2),
                torch.ones(count, dtype=torch.bool),
                torch.ones(count, batch.guide, dtype=torch.long),
                torch.ones(count, batch.guide, dtype=torch.long),
            )[0].sum()

        return self._trace(run)

    def text(self, batch: Batch, *, checkpointing: bool) -> Cost:
        """The language model and the loss. With checkpointing only the input of each layer is kept, one layer is made
        again at a time, and all go forward twice."""
        built = len(self.base.language_model.layers)
        costs = [self._text(batch, layers) for layers in (built - 1, built)]
        layer = costs[1] + costs[0] * -1
        ends = costs[1] + layer * -built
        if not checkpointing:
            return ends + layer * self.depth
        kept = batch.rows * batch.tokens * self.config.text_config.hidden_size * self.bytes_each
        again = Cost(kept, layer.forward, layer.forward + layer.backward)
        return ends + again * self.depth + Cost(layer.activations)

    def _text(self, batch: Batch, layers: int) -> Cost:
        width = self.config.text_config.hidden_size

        def run() -> torch.Tensor:
            self.base.language_model.config.num_hidden_layers = layers
            embeds = torch.zeros(batch.rows, batch.tokens, width, dtype=self.dtype, requires_grad=True)
            hidden = self.base.language_model(inputs_embeds=embeds, use_cache=False).last_hidden_state
            logits = self.base.lm_head(hidden.flatten(0, 1)[: batch.answers])
            said = torch.zeros(len(logits), dtype=torch.long)
            return nn.functional.cross_entropy(logits.float(), said, reduction="sum")

        return self._trace(run)

    def _trace(self, run: Callable[[], torch.Tensor]) -> Cost:
        kept: dict[int, torch.UntypedStorage] = {}

        def keep(tensor: torch.Tensor) -> torch.Tensor:
            storage = tensor.untyped_storage()
            kept[id(storage)] = storage
            return tensor

        forward, backward = FlopCounterMode(display=False), FlopCounterMode(display=False)
        autocast = torch.autocast("cpu", self.dtype, enabled=self.dtype != torch.float32)
        weights = {id(value.untyped_storage()) for value in self.model.parameters()}
        with self._mode:
            with forward, autocast, torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
                loss = run()
            with backward:
                if loss.requires_grad:  # not where nothing of ours learns
                    loss.backward()
        held = sum(storage.nbytes() for key, storage in kept.items() if key not in weights)
        return Cost(held, forward.get_total_flops(), backward.get_total_flops())
