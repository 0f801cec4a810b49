"""Facial priors and vision features of a data set on disk: safetensors shards, written once, read row by row.

A shard holds up to 512 samples of one length and, in its metadata, their ids and the key of what made them.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from ..errors import EmoError
from ..schema import FaceAttributes, FacialPriors

SHARD_ROWS = 512
TENSORS = ("embedding", "landmarks", "boxes", "found", "vision")


def write_shard(
    path: Path, ids: Sequence[str], priors: Sequence[FacialPriors], features: Sequence[np.ndarray], *, key: str
) -> None:
    """Writes one shard atomically: S samples of F frames each.

    Args:
        ids: S sample ids.
        priors: S facial priors; embeddings are stored as float16.
        features: S vision features (F, 1 + P, C), stored as float16.
        key: names analyser and vision tower; `PriorCache` refuses a shard with another key.
    """
    tensors = {
        "embedding": np.stack([prior.embedding for prior in priors]).astype(np.float16),
        "landmarks": np.stack([prior.landmarks for prior in priors]).astype(np.float32),
        "boxes": np.stack([prior.boxes for prior in priors]).astype(np.float32),
        "found": np.stack([prior.found for prior in priors]).astype(np.uint8),
        "vision": np.stack(features).astype(np.float16),
    }
    attributes = [
        {"age": p.attributes.age, "gender": p.attributes.gender, "origin": p.attributes.origin} for p in priors
    ]
    metadata = {"key": key, "ids": json.dumps(list(ids)), "attributes": json.dumps(attributes)}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.partial")
    try:
        save_file(tensors, partial, metadata=metadata)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


class PriorCache:
    """Read access by sample id. Rows are read from disk when asked for; the operating system caches them.

    Raises:
        EmoError: when a shard was made by another analyser or vision tower than `key` says.
    """

    def __init__(self, folder: str | Path, *, key: str) -> None:
        self.folder, self.key = Path(folder), key
        self._where: dict[str, tuple[int, int]] = {}
        self._shards: list = []
        self._attributes: dict[str, FaceAttributes] = {}
        self._found: set[str] = set()
        for path in sorted(self.folder.glob("*.safetensors")):
            self._add(path)

    def _add(self, path: Path) -> None:
        shard = safe_open(path, framework="np")
        metadata = shard.metadata() or {}
        if (maker := metadata.get("key", "something else")) != self.key:
            raise EmoError(
                f"{path} was made by '{maker}', but this run needs '{self.key}'; "
                "delete the folder and run train/extract_priors.py again"
            )
        ids, found = json.loads(metadata["ids"]), shard.get_tensor("found").all(axis=1)
        for row, (name, words) in enumerate(zip(ids, json.loads(metadata["attributes"]), strict=True)):
            if found[row]:
                self._found.add(name)
            self._where[name] = (len(self._shards), row)
            self._attributes[name] = FaceAttributes(**words)
        self._shards.append(shard)

    def found(self, name: str) -> bool:
        """Whether every frame of a sample has a usable face."""
        return name in self._found

    def __contains__(self, name: str) -> bool:
        return name in self._where

    def __len__(self) -> int:
        return len(self._where)

    def __getitem__(self, name: str) -> tuple[FacialPriors, np.ndarray]:
        """Facial priors and vision features (F, 1 + P, C) of one sample."""
        if name not in self._where:
            raise EmoError(f"{name} is not in the prior cache {self.folder}; run train/extract_priors.py for its set")
        number, row = self._where[name]
        shard = self._shards[number]
        read = {key: shard.get_slice(key)[row : row + 1][0] for key in TENSORS}
        priors = FacialPriors(
            embedding=read["embedding"],
            landmarks=read["landmarks"],
            boxes=read["boxes"],
            found=read["found"].astype(bool),
            attributes=self._attributes[name],
        )
        return priors, read["vision"]
