"""Two processes with half the batch each give what one process gives, whether they copy or shard the model."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from accelerate.commands.config.config_args import load_config_from_file
from safetensors.torch import load_file

import train
from train import finetune

CONFIGS = Path(train.__file__).parent / "accelerate"
DRIVER = Path(__file__).parent / "two_processes.py"
LAUNCH = (sys.executable, "-m", "accelerate.commands.launch", "--num_processes", "2", "--main_process_port", "0")


@pytest.fixture
def steady(recipe, tiny, tmp_path, monkeypatch):
    """The recipe's words for a run in which no chance depends on the process: no dropout."""
    folder = shutil.copytree(tiny, tmp_path / "steady")
    config = json.loads((folder / "config.json").read_text())
    config["fim_config"]["summary_dropout"] = 0.0
    (folder / "config.json").write_text(json.dumps(config))
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    return [
        *(str(recipe), f"checkpoint={folder}", "lora.dropout=0", "align.epochs=0.75", "lora.steps=3"),
        *("lora.clip_share=0.5", "lora.learning_rate=0.003", "save_every=1"),
    ]


def launched(config: str, part: str, words: list[str]) -> subprocess.Popen:
    environment = {name: value for name, value in os.environ.items() if name not in ("RANK", "WORLD_SIZE")}
    return subprocess.Popen(
        [*LAUNCH, "--config_file", CONFIGS / f"{config}.yaml", DRIVER, part, *words],
        env=environment | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def alike(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> None:
    """Same moments, which are sums of gradients, and same weights where AdamW divides by a gradient and not by the
    rounding of a sum whose terms cancel out."""
    assert one.keys() == two.keys()
    for key, value in one.items():
        kind, _, name = key.partition("/")
        size = one[f"exp_avg_sq/{name}"].sqrt()
        sure = size > max(1e-8, 1e-3 * size.max()) if kind == "weight" else torch.ones_like(value, dtype=bool)
        torch.testing.assert_close(two[key][sure], value[sure], atol=1e-5, rtol=1e-5, msg=key)


def history(folder: Path) -> list[tuple[str, int, float]]:
    return [
        (each["stage"], each["step"], each["loss"])
        for each in json.loads((folder / "manifest.json").read_text())["history"]
    ]


def as_one(one: Path, two: Path) -> None:
    """The states of both stages are alike, and every loss on the way was."""
    for stage in ("align.safetensors", "lora.safetensors"):
        alike(load_file(one / stage), load_file(two / stage))
    losses = history(one)
    assert len(losses) == 6
    assert history(two) == [(*where, pytest.approx(loss, abs=1e-5)) for *where, loss in losses]


def test_two_processes_are_as_one(steady, watched, tmp_path):
    """Whether they copy the model or shard it, though one of them is asked to stop on the way and they start again."""
    several = {name: launched(name, "both", [*steady, f"output={tmp_path / name}"]) for name in ("ddp_cpu2", "fsdp")}
    finetune.main([*steady, f"output={tmp_path / 'one'}"])
    said = {name: process.communicate(timeout=300)[0] for name, process in several.items()}
    for name, process in several.items():
        assert process.returncode == 0, said[name]
        assert "stopped after lora 1;" in said[name] and "done: " in said[name], said[name]
        as_one(tmp_path / "one", tmp_path / name)


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="DeepSpeed would want a GPU for each process")
@pytest.mark.parametrize("name", ["zero2", "zero3"])
def test_deepspeed_is_as_one_process(steady, watched, tmp_path, name):
    pytest.importorskip("deepspeed")
    words = [*steady, "lora.micro_batch_size=1", "lora.max_grad_norm=1000"]  # DeepSpeed clips its part apart
    finetune.main([*words, f"output={tmp_path / 'one'}"])
    for part in ("half", "rest"):
        process = launched(name, part, [*words, f"output={tmp_path / name}"])
        said = process.communicate(timeout=300)[0]
        assert process.returncode == 0, said
    as_one(tmp_path / "one", tmp_path / name)


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_accelerate_reads_every_config(path):
    config = load_config_from_file(str(path))
    kind = {"ddp_cpu2": "MULTI_GPU", "ddp": "MULTI_GPU", "fsdp": "FSDP", "zero2": "DEEPSPEED", "zero3": "DEEPSPEED"}
    assert config.distributed_type == kind[path.stem]
