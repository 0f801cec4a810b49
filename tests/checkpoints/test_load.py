"""Loading opens safetensors and nothing else: a pickle in a checkpoint's folder is never run."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from emo_toolkit.checkpoints import load
from emo_toolkit.errors import CheckpointError


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, crater: Path) -> None:
        self.crater = crater

    def __reduce__(self) -> tuple[Callable, tuple]:
        return os.mkdir, (str(self.crater),)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.bin"])
def test_a_pickled_model_is_refused(name: str, tiny: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny, tmp_path / "model")
    for file in folder.glob("*.safetensors"):
        file.unlink()
    torch.save({"lm_head.weight": Bomb(tmp_path / "crater")}, folder / name)
    with pytest.raises(CheckpointError, match="is not a whole EMO-LLaMA checkpoint"):
        load(str(folder), device="cpu")
    assert not (tmp_path / "crater").exists()


def test_a_pickled_adapter_is_refused(tiny: Path, tmp_path: Path) -> None:
    folder = tmp_path / "adapter"
    folder.mkdir()
    config = {"base_model_name_or_path": str(tiny), "peft_type": "LORA", "r": 2, "target_modules": ["q_proj"]}
    (folder / "adapter_config.json").write_text(str(config).replace("'", '"'))
    torch.save({"q": Bomb(tmp_path / "crater")}, folder / "adapter_model.bin")
    with pytest.raises(CheckpointError, match="adapter_model.safetensors is missing"):
        load(str(folder), device="cpu")
    assert not (tmp_path / "crater").exists()
