"""The estimate before the first step: bytes as they are, activations and operations as they are measured."""

import sys

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from emo_toolkit.model import EmoLlamaForConditionalGeneration
from train import estimate, finetune
from train.arguments import parse_run
from train.run import Run
from train.skeleton import Batch, Skeleton
from train.stages import AlignStage, LoraStage

SMALL = Batch(rows=4, tokens=300, frames=64, patches=257, guide=48, answers=80)


def held(parameters) -> int:
    return sum(value.nbytes for value in parameters if not value.requires_grad and not value.is_meta)


@pytest.mark.parametrize("precision", ["no", "bf16"])
def test_bytes_are_exact(recipe, watched, precision):
    run = Run(parse_run([str(recipe), f"mixed_precision={precision}"]))
    skeleton = Skeleton(run.model.config, run.arguments)
    stage = AlignStage(run)
    assert held(stage.aligner.parameters()) == skeleton.frozen - skeleton.originals
    assert sum(value.numel() for value in stage.learner.parameters.values()) == skeleton.ours
    stage = LoraStage(run)
    assert held(stage.model.parameters()) == skeleton.frozen
    assert sum(value.numel() for value in stage.learner.parameters.values()) == skeleton.ours + skeleton.lora
    assert sum(value.nbytes for value in stage.learner.parameters.values()) == 4 * (skeleton.ours + skeleton.lora)
    stage.step(0)
    moments = [each[key] for each in stage.optimizer.state.values() for key in ("exp_avg", "exp_avg_sq")]
    used = sum(value.numel() for value in stage.optimizer.state)
    assert sum(value.nbytes for value in moments) == 8 * used and used > 0.9 * (skeleton.ours + skeleton.lora)


@pytest.mark.parametrize("precision", ["no", "bf16"])
def test_activations_and_operations_are_as_measured(recipe, watched, precision):
    run = Run(parse_run([str(recipe), f"mixed_precision={precision}", "lora.dropout=0"]))
    stage = LoraStage(run)
    [(inputs, _, _)] = stage.batches(0)
    storages = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage()
        return tensor

    stage.model.train()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), run.autocast():
        forward = FlopCounterMode(display=False)
        with forward:
            loss = stage.model(**inputs).loss
    weights = {value.untyped_storage().data_ptr() for value in stage.model.parameters()}
    measured = sum(each.nbytes() for place, each in storages.items() if place not in weights)
    backward = FlopCounterMode(display=False)
    with backward:
        loss.backward()
    skeleton, batch = Skeleton(run.model.config, run.arguments), Batch.of(inputs)
    cost = skeleton.frames(batch) + skeleton.text(batch, checkpointing=False)
    assert cost.activations == pytest.approx(measured, rel=0.5)
    assert cost.forward == pytest.approx(forward.get_total_flops(), rel=0.1)
    assert cost.backward == pytest.approx(backward.get_total_flops(), rel=0.1)
    less = skeleton.text(batch, checkpointing=True)
    more = skeleton.text(batch, checkpointing=False)
    assert less.activations < more.activations and less.backward > more.backward and less.forward == more.forward


def test_7b_without_its_weights(recipe):
    words = (
        "mixed_precision=bf16",
        "lora.gradient_checkpointing=true",
        "lora.rank=128",
        "lora.modules_to_save=[qformer]",
    )
    arguments = parse_run([str(recipe), *words])
    config, side = estimate.shape_of("7b")
    assert side == 224
    sizes = {"align": SMALL, "lora": SMALL, "align_steps": 10, "speed": 1e14}
    plans = {
        kind: estimate.make_plans(config, arguments, processes=8, kind=kind, **sizes)[1]
        for kind in ("copies", "fsdp", "zero2", "zero3")
    }
    with torch.device("meta"):
        model = EmoLlamaForConditionalGeneration(config)
    weights = {name: sum(value.numel() for value in part.parameters()) for name, part in model.named_children()}
    read = sum(weights.values()) - weights["vision_tower"]  # its features come from a cache
    assert plans["copies"].frozen == 2 * read + 2 * weights["qformer"]  # bfloat16, but float32 for what learns
    lora = 319_815_680  # of rank 128 on all seven matrices of 32 layers
    assert plans["copies"].learning == 4 * (lora + weights["qformer"])
    assert plans["fsdp"].memory < plans["zero3"].memory < plans["zero2"].memory < plans["copies"].memory
    assert plans["zero3"].frozen == plans["fsdp"].frozen < plans["zero2"].frozen == plans["copies"].frozen
    small = estimate.make_plans(config, parse_run([str(recipe), *words, "quantization=4bit"]), **sizes)[1]
    spared = plans["copies"].frozen - small.frozen  # of 6.48 billion weights, 16 bits each become 4.127
    assert spared == pytest.approx(6_476_005_376 * (16 - 4.127) / 8, rel=1e-3)


def test_the_table_warns_where_memory_is_short(recipe, tiny, monkeypatch, capsys):
    words = ["estimate.py", str(recipe), "lora.rank=4", "--frames", "8", "--memory", "0.000001", "--tflops", "1"]
    monkeypatch.setattr(sys, "argv", words)
    estimate.main()
    said = capsys.readouterr().out
    assert "memory of a process" in said and "WARNING: 0." in said and "train/accelerate/fsdp.yaml" in said
    monkeypatch.setattr(sys, "argv", [*words[:-4], "--memory", "100", "--tflops", "1"])
    estimate.main()
    assert "WARNING" not in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["estimate.py", str(recipe), "--config", "nowhere/at/all"])
    with pytest.raises(SystemExit, match="'nowhere/at/all' is not 'mini', not a folder"):
        estimate.main()


def test_a_run_can_stop_after_its_estimate(recipe, watched, tmp_path):
    finetune.main([str(recipe), "--estimate"])
    assert "minutes, about" in watched[-1] and not (tmp_path / "run").exists()
