"""OUTPUT/manifest.json: what a run is made of, how far it is, and what it measured; written whole at each checkpoint.

A run that goes on in an OUTPUT must be the run that began it: values that would change the result are compared.
"""

import dataclasses
import hashlib
import json
import subprocess
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from datasets import Dataset

import emo_toolkit
from emo_toolkit.errors import EmoError
from train.arguments import RunArguments
from train.resume import replacing

FILE = "manifest.json"
PACKAGES = ("torch", "transformers", "peft", "accelerate", "datasets", "safetensors")
MAY_DIFFER = {  # values that do not change what a step does; folders may move as long as they hold the same rows
    *("cache", "output", "log_every", "save_every", "valid_samples", "tracker", "best_by", "estimate"),
    *("align.epochs", "lora.steps", "lora.micro_batch_size", "lora.gradient_checkpointing"),
}
SOURCE_MAY_DIFFER = {"root", "instructions", "valid_split"}
ROWS = "rows of "
SAID = ("source", "sample", "question", "answer", "label")  # columns by which rows are told apart


class Manifest:
    """The record of one OUTPUT.

    Args:
        arguments: every value of the run.
        train: all rows that it learns from; `valid`: those that it is measured on, by source.
        cache_key: of the prior cache.
        labels: all that the run knows.
        device: what it runs on, in words.

    Raises:
        EmoError: when OUTPUT belongs to a run with other values; names them.
    """

    def __init__(
        self,
        arguments: RunArguments,
        *,
        train: Dataset,
        valid: dict[str, Dataset],
        cache_key: str,
        labels: tuple[str, ...],
        device: str,
    ) -> None:
        self.path = Path(arguments.output) / FILE
        before = json.loads(self.path.read_text()) if self.path.is_file() else {}
        self.saved = 0  # steps of the stage that is running, at its last checkpoint
        self._began, self._earlier = time.perf_counter(), before.get("seconds", 0.0)
        values = json.loads(json.dumps(dataclasses.asdict(arguments)))  # tuples as the lists of a file
        self.content: dict[str, Any] = {
            "values": values,
            "sources": describe_rows(train, valid),
            "cache": json.loads(cache_key),
            "labels": list(labels),
            "versions": {"emo_toolkit": emo_toolkit.__version__} | {name: version(name) for name in PACKAGES},
            "commit": commit(),
            "device": device,
            "stages": before.get("stages", {}),
            "history": before.get("history", []),
            "best": before.get("best"),
            "adapter": before.get("adapter", {}),
        }
        if before:
            self._compare(before)

    def enter(self, stage: str, start: int) -> None:
        """A stage goes on after `start` steps; what was said of later ones is forgotten."""
        self.saved = start
        history = self.content["history"]
        self.content["history"] = [each for each in history if each["stage"] != stage or each["step"] <= start]

    def is_best(self, name: str, figures: dict[str, float]) -> bool:
        """Whether the figure `name` is measured and above all before it."""
        best = self.content["best"]
        return name in figures and (best is None or best["figure"] != name or figures[name] > best["value"])

    def record(self, stage: str, done: int, steps: int, loss: float, figures: dict[str, float], *, best: bool) -> None:
        """Writes the file after a checkpoint was written."""
        self.content["stages"][stage] = {"done": done, "steps": steps, "loss": loss}
        if figures:
            self.content["history"].append({"stage": stage, "step": done, "loss": loss, "figures": figures})
        if best:
            name = self.content["values"]["best_by"]
            self.content["best"] = {"figure": name, "value": figures[name], "step": done}
        folder = self.path.parent / "adapter"
        self.content["adapter"] = {path.name: digest(path) for path in sorted(folder.glob("adapter_*"))}
        self.content["seconds"] = round(self._earlier + time.perf_counter() - self._began, 1)
        with replacing(self.path) as partial:
            partial.write_text(json.dumps(self.content, indent=1))

    def _compare(self, before: dict[str, Any]) -> None:
        old, new = comparable(before), comparable(self.content)
        both = old.keys() & new.keys()  # a value that an older manifest does not know is not compared
        sources = {name for name in old.keys() ^ new.keys() if name.startswith(ROWS)}
        other = sorted(name for name in both | sources if old.get(name) != new.get(name))
        if other:
            named = "; ".join(f"{name}={old.get(name)}, not {new.get(name)}" for name in other)
            raise EmoError(f"{self.path.parent} holds a run with {named}. Set it so, or take another output=")


def comparable(content: dict[str, Any]) -> dict[str, Any]:
    """What must not change in the life of a run, by name."""
    kept = {}
    for name, value in flat(content["values"]).items():
        group, _, leaf = name.rpartition(".")
        if name not in MAY_DIFFER and not (group.startswith("sources.") and leaf in SOURCE_MAY_DIFFER):
            kept[name] = value
    rows = {f"{ROWS}{name}": each["train"] for name, each in content["sources"].items()}
    return kept | rows | {"cache key": content["cache"], "labels": content["labels"]}


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested groups as one: {"lora": {"steps": 1}} -> {"lora.steps": 1}."""
    found = {}
    for name, value in values.items():
        found |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return found


def describe_rows(train: Dataset, valid: dict[str, Dataset]) -> dict[str, Any]:
    """How many rows each source has, and a digest of those learnt from."""
    counts: dict[str, int] = {}
    digests: dict[str, Any] = {}
    for row in zip(*(train[column] for column in SAID), strict=True):
        counts[row[0]] = counts.get(row[0], 0) + 1
        digests.setdefault(row[0], hashlib.sha256()).update(json.dumps(row).encode())
    return {
        name: {
            "train": {"rows": count, "sha256": digests[name].hexdigest()},
            "valid": {"rows": len(valid[name]) if name in valid else 0},
        }
        for name, count in counts.items()
    }


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def commit() -> str:
    """The commit of this checkout, "-dirty" with changes of its own; "" where there is none."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        git = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return git.stdout.strip() if git.returncode == 0 else ""
