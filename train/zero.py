"""DeepSpeed ZeRO for the language model: gradients and moments of its LoRA are shared out, with ZeRO-3 all weights.

The modules of ours stay with `Learner`: DeepSpeed cannot broadcast the scalar gates of Face Info Mining.
"""

from collections.abc import Callable

import torch
from accelerate import Accelerator, DeepSpeedPlugin
from torch import nn

from emo_toolkit.model import EmoLlamaForConditionalGeneration
from train.learner import Learner, grouped, set_rates, trainable


class ZeroLearner(Learner):
    """A `Learner` whose language model belongs to a DeepSpeed engine. Gradients of the two are clipped apart.

    Args:
        model: the model that learns; `base` is inside it, and its language model becomes the engine.
        rows: of one pass through the model, in each process; DeepSpeed wants to know.
    """

    def __init__(
        self,
        accelerator: Accelerator,
        model: nn.Module,
        options: Callable[[str], dict[str, float]],
        *,
        base: EmoLlamaForConditionalGeneration,
        rows: int,
        max_grad_norm: float,
    ) -> None:
        import deepspeed  # nobody has to install it

        language_model = base.language_model
        inside = {id(value) for value in language_model.parameters()}
        everything = trainable(model)
        self.inner = {name: value for name, value in everything.items() if id(value) in inside}
        outer = {name: value for name, value in everything.items() if id(value) not in inside}
        super().__init__(accelerator, outer, options, max_grad_norm=max_grad_norm)
        # The word embeddings are read from outside and stay whole: DeepSpeed must not see them.
        language_model.__dict__["embed_tokens"] = language_model._modules.pop("embed_tokens")
        optimizer = torch.optim.AdamW(grouped(self.inner, options))
        config = DeepSpeedPlugin().deepspeed_config  # from the environment that `accelerate launch` set
        config |= {
            "train_batch_size": rows * accelerator.num_processes,
            "train_micro_batch_size_per_gpu": rows,
            "gradient_accumulation_steps": 1,
            "gradient_clipping": max_grad_norm,
            "bf16": {"enabled": accelerator.mixed_precision == "bf16"},
            "fp16": {"enabled": False},
            "zero_allow_untested_optimizer": True,
        }
        self.names = list(everything)
        self.engine = deepspeed.initialize(model=language_model, optimizer=optimizer, config=config)[0]
        base.language_model = self.engine
        self.tools = deepspeed.utils

    def backward(self, loss: torch.Tensor, *, last: bool = True) -> None:
        self.engine.set_gradient_accumulation_boundary(last)
        self.engine.backward(loss)

    def step(self, factor: float) -> None:
        super().step(factor)
        set_rates(self.engine.optimizer, factor)
        self.engine.step()

    def state(self) -> dict[str, torch.Tensor]:
        found = super().state()
        steps = [values["step"] for values in self.engine.optimizer.state.values()]
        for name, value in self.inner.items():
            whole = {"weight": self.tools.safe_get_full_fp32_param(value)}
            if steps:
                for key in ("exp_avg", "exp_avg_sq"):
                    whole[key] = self.tools.safe_get_full_optimizer_state(value, key)
                whole["step"] = torch.as_tensor(steps[0])
            if self.accelerator.is_main_process:
                found |= {f"{key}/{name}": part.to("cpu", copy=True).contiguous() for key, part in whole.items()}
        return found

    def load(self, saved: Callable[[str], torch.Tensor | None]) -> None:
        super().load(saved)
        for name, value in self.inner.items():
            self.tools.safe_set_full_fp32_param(value, saved(f"weight/{name}"))
        self._stand()
        for name, value in self.inner.items():
            for key in ("exp_avg", "exp_avg_sq"):
                self.tools.safe_set_full_optimizer_state(value, saved(f"{key}/{name}"), key)
        for values in self.engine.optimizer.state.values():
            values["step"] = saved(f"step/{name}").clone()

    def _stand(self) -> None:
        """A step along no gradient at rate 0: it takes the weights that were set into the model, and makes moments,
        which can then be set too."""
        embeddings = self.engine.module.get_input_embeddings().weight
        nothing = embeddings.new_zeros((1, 1, embeddings.shape[1]), requires_grad=True)
        self.backward(0.0 * self.engine(inputs_embeds=nothing).last_hidden_state.sum())
        set_rates(self.engine.optimizer, 0.0)
        self.engine.step()
