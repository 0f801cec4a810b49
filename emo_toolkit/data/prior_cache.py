"""Facial priors and vision features of a data set on disk: safetensors shards, written once, read row by row.

A shard holds up to 512 samples, photos and clips of any length, and in its metadata their ids and the key of what
made them. The frames of all its samples stand one after the other; `starts` says where each sample begins.
"""

import json
import os
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from ..errors import EmoError
from ..schema import FaceAttributes, FacialPriors

SHARD_ROWS = 512
TENSORS = ("embedding", "landmarks", "boxes", "found", "vision")
WORDS = ("age", "gender", "race", "origin")  # of the attributes


def write_shard(
    path: Path, ids: Sequence[str], priors: Sequence[FacialPriors], features: Sequence[np.ndarray], *, key: str
) -> None:
    """Writes one shard atomically: S samples, each with frames of its own number.

    Args:
        ids: S sample ids.
        priors: S facial priors; embeddings are stored as float16.
        features: S vision features (F, 1 + P, C), stored as float16.
        key: names analyser and vision tower; `PriorCache` refuses a shard with another key.
    """
    tensors = {
        "embedding": np.concatenate([prior.embedding for prior in priors]).astype(np.float16),
        "landmarks": np.concatenate([prior.landmarks for prior in priors]).astype(np.float32),
        "boxes": np.concatenate([prior.boxes for prior in priors]).astype(np.float32),
        "found": np.concatenate([prior.found for prior in priors]).astype(np.uint8),
        "vision": np.concatenate(features).astype(np.float16),
        "starts": np.cumsum([0, *(len(prior.found) for prior in priors)]),
    }
    attributes = [{name: getattr(prior.attributes, name) for name in WORDS} for prior in priors]
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
        self._where: dict[str, tuple[int, int, int]] = {}  # shard, first frame, frame behind the last
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
        starts, found = shard.get_tensor("starts").tolist(), shard.get_tensor("found")
        rows = zip(json.loads(metadata["ids"]), pairwise(starts), json.loads(metadata["attributes"]), strict=True)
        for name, (first, end), words in rows:
            if found[first:end].all():
                self._found.add(name)
            self._where[name] = (len(self._shards), first, end)
            self._attributes[name] = FaceAttributes(**words)
        self._shards.append(shard)

    def found(self, name: str) -> bool:
        """Whether every frame of a sample has a usable face."""
        return name in self._found

    def frames(self, name: str) -> int:
        """How many frames a sample has."""
        _, first, end = self._where[name]
        return end - first

    def attributes(self, name: str) -> FaceAttributes:
        """What the analyser estimated of a sample's age and gender."""
        return self._attributes[name]

    def __contains__(self, name: str) -> bool:
        return name in self._where

    def __len__(self) -> int:
        return len(self._where)

    def __getitem__(self, name: str) -> tuple[FacialPriors, np.ndarray]:
        """Facial priors and vision features (F, 1 + P, C) of one sample."""
        if name not in self._where:
            raise EmoError(f"{name} is not in the prior cache {self.folder}; run train/extract_priors.py for its set")
        number, first, end = self._where[name]
        shard = self._shards[number]
        read = {key: shard.get_slice(key)[first:end] for key in TENSORS}
        priors = FacialPriors(
            embedding=read["embedding"],
            landmarks=read["landmarks"],
            boxes=read["boxes"],
            found=read["found"].astype(bool),
            attributes=self._attributes[name],
        )
        return priors, read["vision"]
