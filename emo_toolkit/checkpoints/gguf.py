"""A GGUF v3 file, the format of llama.cpp -> its metadata and its tensors as float32 arrays.

Header -> metadata and tensor directory -> items as stored -> numbers. Only the three kinds that SmolLM2 needs.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import CheckpointError

MAGIC, VERSION = b"GGUF", 3
STRING, ARRAY = 8, 9
U4, U8 = np.dtype("<u4"), np.dtype("<u8")
SCALARS = {0: "u1", 1: "i1", 2: "<u2", 3: "<i2", 4: U4, 5: "<i4", 6: "<f4", 7: "?", 10: U8, 11: "<i8", 12: "<f8"}
BLOCK = 32  # weights in one quantised item
KINDS = {  # id in the file -> one item as it is stored
    0: np.dtype("<f4"),
    3: np.dtype([("scale", "<f2"), ("low", "<f2"), ("codes", "u1", BLOCK // 2)]),  # Q4_1: two codes in a byte
    8: np.dtype([("scale", "<f2"), ("codes", "i1", BLOCK)]),  # Q8_0
}


class TensorEntry(NamedTuple):
    """A line of the directory: shape with rows first, id of the kind, offset into the data in bytes."""

    shape: tuple[int, ...]
    kind: int
    offset: int

    @property
    def end(self) -> int:
        """Offset of the first byte behind the tensor."""
        stored = KINDS[self.kind]
        per_item = BLOCK if stored.names else 1
        return self.offset + math.prod(self.shape) // per_item * stored.itemsize


@dataclass(frozen=True)
class GgufFile:
    """An opened file; a tensor is read when it is asked for."""

    path: Path
    metadata: dict[str, Any]
    tensors: dict[str, TensorEntry]
    data: np.ndarray  # uint8, mapped from the file

    def value(self, key: str) -> Any:
        """A metadata value: a string, a number, a list of strings or an array of numbers."""
        if key not in self.metadata:
            raise CheckpointError(f"{self.path} lacks the value {key}")
        return self.metadata[key]

    def tensor(self, name: str) -> np.ndarray:
        """A tensor as float32 in its shape. Quantised weights are scale * code, plus low where there is one."""
        if name not in self.tensors:
            raise CheckpointError(f"{self.path} lacks the tensor {name}")
        entry = self.tensors[name]
        items = self.data[entry.offset : entry.end].view(KINDS[entry.kind])
        if not items.dtype.names:
            return items.astype(np.float32).reshape(entry.shape)
        codes, shifted = items["codes"], "low" in items.dtype.names
        if shifted:
            codes = np.concatenate([codes & 15, codes >> 4], axis=1)  # (items, 32): the low halves come first
        weights = codes.astype(np.float32)
        weights *= items["scale"].astype(np.float32)[:, None]
        if shifted:
            weights += items["low"].astype(np.float32)[:, None]
        return weights.reshape(entry.shape)


def read_gguf(path: Path) -> GgufFile:
    """Opens a GGUF file and checks that every tensor of its directory lies inside it.

    Raises:
        CheckpointError: not GGUF v3, cut short, or a tensor of a kind other than F32, Q4_1 and Q8_0.
    """
    try:
        content = np.asarray(np.memmap(path, dtype=np.uint8, mode="r"))
    except (OSError, ValueError) as error:  # ValueError: an empty file cannot be mapped
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    reader = _Reader(path, content)
    if reader.take(len(MAGIC)) != MAGIC or reader.number(U4) != VERSION:
        raise CheckpointError(f"{path} is not a GGUF v{VERSION} file")
    tensor_count, value_count = reader.number(U8), reader.number(U8)
    metadata = {reader.string(): reader.value() for _ in range(value_count)}
    tensors = {reader.string(): reader.entry() for _ in range(tensor_count)}
    alignment = metadata.get("general.alignment", 32)
    data = content[math.ceil(reader.position / alignment) * alignment :]
    for name, entry in tensors.items():
        if entry.kind not in KINDS:
            raise CheckpointError(f"{path}: {name} is of kind {entry.kind}; only F32, Q4_1 and Q8_0 are read")
        if entry.end > len(data):
            raise CheckpointError(f"{path} is cut short: {name} ends at byte {entry.end} of {len(data)}")
    return GgufFile(path, metadata, tensors, data)


class _Reader:
    """Walks through the header; a step over the end is a CheckpointError."""

    def __init__(self, path: Path, content: np.ndarray) -> None:
        self.path, self.content, self.position = path, memoryview(content), 0

    def take(self, size: int) -> memoryview:
        start, self.position = self.position, self.position + size
        if self.position > len(self.content):
            raise CheckpointError(f"{self.path} is cut short at byte {len(self.content)}")
        return self.content[start : self.position]

    def number(self, kind: np.dtype) -> Any:
        return np.frombuffer(self.take(kind.itemsize), kind)[0].item()

    def string(self) -> str:
        try:
            return str(self.take(self.number(U8)), "utf-8")
        except UnicodeDecodeError as error:
            raise CheckpointError(f"{self.path} holds a broken string before byte {self.position}") from error

    def value(self) -> Any:
        kind = self.number(U4)
        if kind == STRING:
            return self.string()
        if kind != ARRAY:
            return self.number(self.scalar(kind))
        kind, count = self.number(U4), self.number(U8)
        if kind == STRING:
            return [self.string() for _ in range(count)]
        scalar = self.scalar(kind)
        return np.frombuffer(self.take(count * scalar.itemsize), scalar)

    def scalar(self, kind: int) -> np.dtype:
        if kind not in SCALARS:
            raise CheckpointError(f"{self.path} holds a value of the unknown kind {kind} before byte {self.position}")
        return np.dtype(SCALARS[kind])

    def entry(self) -> TensorEntry:
        shape = tuple(self.number(U8) for _ in range(self.number(U4)))
        return TensorEntry(shape[::-1], self.number(U4), self.number(U8))
