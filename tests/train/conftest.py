"""A made FERPlus of the astronaut's face with some noise, its priors, and a recipe for `tiny`: a run in seconds."""

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from accelerate.state import AcceleratorState
from ferplus_tree import row_of, votes_for, write_split
from PIL import Image

from emo_toolkit.labels import LABELS
from train import extract_priors, generate_instructions
from train.run import Run

COUNTS = {"train": 16, "valid": 6}


@pytest.fixture(scope="session")
def ferplus(astronaut: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Root of a FERPlus tree: 48 x 48 grey faces, labels in turn, and one row without a label."""
    root = tmp_path_factory.mktemp("ferplus")
    face = np.asarray(Image.open(astronaut).convert("L").crop((165, 60, 285, 180)).resize((48, 48)), float)
    rng = np.random.default_rng(0)
    for split, count in COUNTS.items():
        noisy = [(face + rng.normal(0, 6, face.shape)).clip(0, 255).astype(np.uint8) for _ in range(count)]
        rows = [row_of(f"fer{n:07d}.png", votes_for(LABELS["ferplus"][n % 8], 8 - n % 3)) for n in range(count)]
        write_split(
            root, split, [*rows, row_of("fer9999999.png", [0] * 8 + [10, 0])], list(map(Image.fromarray, noisy))
        )
    return root


@pytest.fixture(scope="session")
def cache(ferplus: Path, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The priors of both splits, as extract_priors.py writes them."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        for split in COUNTS:
            words = ("--root", ferplus, "--cache", folder, "--split", split, "--checkpoint", tiny)
            patch.setattr(sys, "argv", ["extract_priors.py", *map(str, words)])
            extract_priors.main()
    return folder


@pytest.fixture(scope="session")
def instructions(ferplus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Free questions about the train split, as generate_instructions.py writes them."""
    path = tmp_path_factory.mktemp("instructions") / "raters.json"
    with pytest.MonkeyPatch.context() as patch:
        words = ("--dataset", "ferplus", "--root", ferplus, "--writer", "raters", "--out", path)
        patch.setattr(sys, "argv", ["generate_instructions.py", *map(str, words)])
        generate_instructions.main()
    return path


@pytest.fixture
def recipe(ferplus: Path, instructions: Path, cache: Path, tiny: Path, tmp_path: Path) -> Path:
    """Eight steps of stage 1 and six of stage 2."""
    values = {
        "checkpoint": str(tiny),
        "sources": {"ferplus": {"root": str(ferplus), "instructions": [str(instructions)]}},
        "cache": str(cache),
        "output": str(tmp_path / "run"),
        "mixed_precision": "no",
        "save_every": 100,
        "log_every": 2,
        "estimate": False,
        "align": {"epochs": 2, "batch_size": 4, "learning_rate": 0.003},
        "lora": {"steps": 6, "batch_size": 4, "rank": 2, "dropout": 0.1, "clip_share": 0.3, "free_share": 0.3},
    }
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


@pytest.fixture(autouse=True)
def own_precision() -> Iterator[None]:
    """Accelerate keeps the first precision of a process; each test begins anew."""
    yield
    AcceleratorState._reset_state()


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    """A run takes over SIGTERM and SIGINT; the test session gets them back."""
    kept = {sign: signal.getsignal(sign) for sign in (signal.SIGTERM, signal.SIGINT)}
    yield
    for sign, handler in kept.items():
        signal.signal(sign, handler)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a run says, line by line."""
    lines: list[str] = []
    monkeypatch.setattr(Run, "say", lambda run, text: lines.append(text))
    return lines
