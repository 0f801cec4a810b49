"""Checkpoint files <-> tensors one at a time: `.safetensors` and, with weights_only, the pickled kinds; shards out.

Only the converters read pickled files; everything they write is safetensors.
"""

import contextlib
import json
import os
import pickle
import shutil
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import torch
from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from emo_toolkit.errors import CheckpointError

SHARD_BYTES = 2 * 10**9  # what is held in memory while writing
INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
SINGLES = ("model*.safetensors", "pytorch_model*.bin")


def load_pickled(path: Path) -> Mapping[str, object]:
    """What a `.bin` or `.pt` file holds; its tensors stay on the disk until they are used.

    Raises:
        CheckpointError: the file is broken, holds no dictionary, or asks to run code.
    """
    try:
        held = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        reason = str(error).strip().splitlines()[0]
        raise CheckpointError(f"{path} holds more than tensors and is not opened: {reason}") from error
    except (RuntimeError, EOFError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    if not isinstance(held, Mapping):
        raise CheckpointError(f"{path} holds a {type(held).__name__}, not named tensors")
    return held


class TensorFolder:
    """Every tensor of a checkpoint folder by name, read when asked for.

    With an index the files are those that it names, else all `model*.safetensors`, else all `pytorch_model*.bin`.

    Raises:
        CheckpointError: no file, a missing or broken one, a name that two files hold, or the index's promise unkept.
    """

    def __init__(self, folder: Path) -> None:
        self._files: dict[Path, Mapping[str, object]] = {}
        self._home: dict[str, Path] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        paths, promised = _files_of(folder)
        for path in paths:
            for name, shape in self._open(path):
                if name in self._home:
                    raise CheckpointError(
                        f"{name} is in {self._home[name].name} and in {path.name}: which one counts?"
                    )
                self._home[name], self.shapes[name] = path, shape
        if lost := sorted(promised - set(self._home)):
            raise CheckpointError(f"{folder} lacks {lost[0]} and {len(lost) - 1} more that its index promises")

    def _open(self, path: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
        if path.suffix != ".safetensors":
            self._files[path] = held = load_pickled(path)
            for name, tensor in held.items():
                if not isinstance(tensor, torch.Tensor):
                    raise CheckpointError(f"{name} in {path} is a {type(tensor).__name__}, not a tensor")
                yield name, tuple(tensor.shape)
            return
        try:
            with safe_open(path, framework="pt") as file:
                names = file.keys()
                yield from ((name, tuple(file.get_slice(name).get_shape())) for name in names)
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"{path} cannot be read: {error}") from error

    def read(self, name: str) -> torch.Tensor:
        """One tensor."""
        path = self._home[name]
        if path in self._files:
            return self._files[path][name]
        with safe_open(path, framework="pt") as file:
            return file.get_tensor(name)


def _files_of(folder: Path) -> tuple[list[Path], set[str]]:
    """The files of a folder, and the names that its index promises (none without one)."""
    for index in INDEXES:
        if (folder / index).is_file():
            promised = json.loads((folder / index).read_text())["weight_map"]
            paths = [folder / name for name in sorted(set(promised.values()))]
            if missing := [path.name for path in paths if not path.is_file()]:
                raise CheckpointError(f"{folder} lacks {', '.join(missing)}, which {index} names: fetch it again")
            return paths, set(promised)
    for pattern in SINGLES:
        if paths := sorted(folder.glob(pattern)):
            return paths, set()
    raise CheckpointError(f"{folder} holds neither {' nor '.join(SINGLES)}")


def write_shards(folder: Path, tensors: Iterable[tuple[str, torch.Tensor]], *, limit: int = SHARD_BYTES) -> int:
    """Writes safetensors shards of at most `limit` bytes (a larger tensor has a shard of its own) and their index.

    Returns:
        How many shards there are.
    """
    shards: list[list[str]] = []
    held: dict[str, torch.Tensor] = {}
    size = total = 0

    def flush() -> None:
        save_file(held, folder / f"shard-{len(shards)}", metadata={"format": "pt"})
        shards.append(list(held))
        held.clear()

    for name, tensor in tensors:
        if held and size + tensor.nbytes > limit:
            flush()
            size = 0
        held[name] = tensor
        size, total = size + tensor.nbytes, total + tensor.nbytes
    flush()
    places = {}
    for number, names in enumerate(shards):
        file = f"model-{number + 1:05d}-of-{len(shards):05d}.safetensors"
        os.replace(folder / f"shard-{number}", folder / file)
        places |= dict.fromkeys(names, file)
    index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(places.items()))}
    (folder / INDEXES[0]).write_text(json.dumps(index, indent=1))
    return len(shards)


@contextlib.contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """A folder to write into that appears as `out` only when the block ends well; a stopped run leaves no `out`.

    Raises:
        CheckpointError: `out` exists already, another process is writing it, or the disk gives way.
    """
    partial = out.with_name(f"{out.name}.partial")
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(f"{out}.lock", blocking=False):
            if out.exists():
                raise CheckpointError(f"{out} exists already: give another --out, or delete it")
            shutil.rmtree(partial, ignore_errors=True)  # left by a run that was killed
            partial.mkdir()
            try:
                yield partial
                os.replace(partial, out)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
    except Timeout:
        raise CheckpointError(f"{out} is being written by another process") from None
    except OSError as error:
        raise CheckpointError(f"{out} could not be written: {error}") from error
