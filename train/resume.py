"""Resumable training state as one safetensors file: trainable weights, AdamW moments and the step, written atomically.

No pickle, and no random state: every step's randomness is a function of the seed and the step.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from emo_toolkit.errors import EmoError
from train.learner import Learner


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name to write to; afterwards it is `path`, or nothing has changed if the writing failed."""
    partial = path.with_name(f"{path.name}.partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield partial
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def save_state(path: Path, tensors: dict[str, torch.Tensor], step: int) -> None:
    """Writes what `Learner.state` gave after `step` finished steps; an interrupted write leaves the older file."""
    with replacing(path) as partial:
        save_file(tensors, partial, metadata={"step": json.dumps(step)})


def load_state(path: Path, learner: Learner) -> int:
    """Puts a saved state back and returns the number of finished steps; 0 when there is no file. A file of one
    process can go on in several, and the other way round.

    Raises:
        EmoError: for a broken file, or one of another model.
    """
    if not path.is_file():
        return 0
    try:
        saved = safe_open(path, framework="pt")
    except SafetensorError as error:
        raise EmoError(f"{path} is broken ({error}); delete it to start its stage anew") from error
    with saved:
        names = set(saved.keys())
        missing = {f"weight/{name}" for name in learner.names} - names
        if missing:
            raise EmoError(f"{path} is of another model: it lacks {sorted(missing)[0]} and {len(missing) - 1} more")
        learner.load(lambda name: saved.get_tensor(name) if name in names else None)
        return int(json.loads(saved.metadata()["step"]))
