"""How weights learn: the rates of a run, and one norm over all of them."""

import pytest
import torch
from accelerate import Accelerator
from torch import nn

from train.learner import Learner, rate_factor, trainable


def test_rates_rise_and_fall():
    factors = [rate_factor(step, 100, 0.1) for step in range(100)]
    assert factors[0] == pytest.approx(0.1) and factors[9] == factors[10] == 1.0
    assert factors[55] == pytest.approx(0.55, abs=0.01) and factors[99] == pytest.approx(0.1, abs=0.01)
    assert all(later <= earlier for earlier, later in zip(factors[10:], factors[11:], strict=False))
    assert rate_factor(200, 100, 0.1) == pytest.approx(0.1)  # a run that goes on past its end


@pytest.mark.parametrize("largest", [0.0, 0.5, 1e6])
def test_all_weights_are_clipped_together(largest):
    torch.manual_seed(0)
    module, twin = (nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2)) for _ in range(2))
    twin.load_state_dict(module.state_dict())
    learner = Learner(
        Accelerator(cpu=True),
        trainable(module),
        lambda name: {"lr": 0.1 if name.endswith("bias") else 0.01, "weight_decay": 0.0},
        max_grad_norm=largest,
    )
    assert sorted(group["lr"] for group in learner.optimizer.param_groups) == [0.01, 0.1]
    kept = {}
    learner.optimizer.register_step_pre_hook(lambda *_: kept.update(grads(module)))
    inputs = torch.randn(8, 4)
    learner.backward(module(inputs).square().mean() * 50)
    (twin(inputs).square().mean() * 50).backward()
    learner.step(0.5)
    if largest:
        torch.nn.utils.clip_grad_norm_(twin.parameters(), largest)
    for name, value in grads(twin).items():
        torch.testing.assert_close(kept[name], value)
    assert sorted(group["lr"] for group in learner.optimizer.param_groups) == [0.005, 0.05]


def grads(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.grad.clone() for name, value in module.named_parameters()}
