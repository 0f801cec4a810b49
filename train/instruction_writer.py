"""Labelled samples -> LLaVA JSON: rows of each writer, in the order of the set, in one file that appears whole.

Offline writers: FERID's category question, sentences about raters' votes, and the exact truth of drawn faces.
"""

import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from emo_toolkit.data import Instruction, action_unit_items, category_item, rater_item
from emo_toolkit.data.llava import llava_row
from emo_toolkit.data.synthetic_writer import write_whole
from emo_toolkit.errors import EmoError
from emo_toolkit.schema import EmoSample
from train.journal import WRITTEN, Journal
from train.teacher import as_instructions

CATEGORY, RATERS, ACTION_UNITS, GEMINI = WRITERS = ("category", "raters", "action_units", "gemini")


def choose(loaded: Iterable[EmoSample], limit: int | None) -> tuple[list[EmoSample], list[EmoSample]]:
    """At most `limit` samples, in the order of the set and in the order of asking.

    The latter is random and always the same: what a stopped run asked about is a fair part, and a higher limit adds
    to it. Of samples that share an id, the first counts.
    """
    by_id: dict[str, EmoSample] = {}
    for sample in loaded:
        by_id.setdefault(sample.id, sample)
    mixed = sorted(by_id)
    random.Random(0).shuffle(mixed)
    chosen = dict.fromkeys(mixed[:limit])
    return [sample for name, sample in by_id.items() if name in chosen], [by_id[name] for name in chosen]


def check_writers(writers: Sequence[str], samples: Sequence[EmoSample]) -> None:
    """Raises EmoError when a writer needs what the samples do not have."""
    if RATERS in writers and any(sample.votes is None for sample in samples):
        raise EmoError("--writer raters needs the votes of human raters; of the sets here only ferplus has them")
    if ACTION_UNITS in writers and any(sample.truth is None for sample in samples):
        raise EmoError("--writer action_units needs drawn faces: --dataset synthetic or synthetic_clips")


def offline_items(writer: str, sample: EmoSample, seed: int) -> tuple[Instruction, ...]:
    """What an offline writer says of a sample; its words depend on the seed and the sample's id alone."""
    rng = random.Random(f"{seed} {writer} {sample.id}")
    if writer == RATERS:
        return (rater_item(sample, rng),)
    if writer == ACTION_UNITS:
        return action_unit_items(sample, rng)
    return (category_item(sample),)


def rows(
    samples: Sequence[EmoSample], writers: Sequence[str], journal: Journal | None, *, root: Path, seed: int
) -> Iterator[dict[str, Any]]:
    """LLaVA rows, writer by writer, each with a column that names its writer; of the teacher those that it wrote."""
    for writer in (name for name in WRITERS if name in writers):
        if writer != GEMINI:
            written = ((sample, offline_items(writer, sample, seed)) for sample in samples)
        else:
            by_id = {sample.id: sample for sample in samples}
            entries = journal.entries(list(by_id), WRITTEN) if journal else ()
            written = ((by_id[entry.id], as_instructions(entry.turns, by_id[entry.id].kind)) for entry in entries)
        for sample, items in written:
            yield llava_row(sample, items, root=root) | {"writer": writer}


def write_rows(path: Path, found: Iterable[dict[str, Any]]) -> Counter[str]:
    """Writes a JSON list, a row a line, whole or not at all; returns the number of rows of each writer."""
    counts: Counter[str] = Counter()

    def write(partial: Path) -> None:
        with partial.open("w", encoding="utf-8") as file:
            file.write("[")
            for row in found:
                file.write((",\n" if counts else "\n") + json.dumps(row, ensure_ascii=False))
                counts[row["writer"]] += 1
            file.write("\n]\n")

    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, write)
    return counts
