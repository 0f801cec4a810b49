"""The rows of a run as one Hugging Face `datasets` table: category items, and free ones from instruction files.

sources of a recipe -> load_samples, load_dataset("json" or "parquet") -> one row a question, ready to be drawn.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from datasets import Dataset, Features, List, Value, concatenate_datasets, load_dataset
from datasets.exceptions import DatasetGenerationError

from emo_toolkit.data import PriorCache, category_item, load_samples
from emo_toolkit.data.llava import instructions_of
from emo_toolkit.errors import EmoError
from emo_toolkit.labels import LABELS, age_group
from emo_toolkit.schema import EmoSample, FaceAttributes
from train.arguments import SourceArguments

TEXT = Value("string")
FEATURES = Features(
    {
        "sample": TEXT,  # its key in the prior cache
        "source": TEXT,
        "kind": TEXT,
        "frames": Value("int32"),
        "label": TEXT,
        "votes": List(Value("float32")),  # shares of the raters, or 1 for the label; over the labels of the run
        "question": TEXT,  # "" for the category question
        "options": List(TEXT),
        "answer": TEXT,
        "age": TEXT,  # "" where unknown
        "gender": TEXT,
        "race": TEXT,
    }
)
SEVERAL = 100_000  # rows from which several processes read a file of instructions
CATEGORY_LETTERS = 190  # of a category question, about; free ones say theirs


def labels_of(sources: Iterable[SourceArguments]) -> tuple[str, ...]:
    """Every label of the sources, once, in the order of the first that has it.

    Raises:
        EmoError: for an unknown data set.
    """
    names = [source.dataset for source in sources]
    if unknown := [name for name in names if name not in LABELS]:
        raise EmoError(f"unknown data set '{unknown[0]}'; choose one of {', '.join(LABELS)}")
    return tuple(dict.fromkeys(label for name in names for label in LABELS[name]))


def build_table(
    name: str, source: SourceArguments, split: str, cache: PriorCache, labels: tuple[str, ...]
) -> tuple[Dataset, int]:
    """The rows of one split whose samples are cached and have a face, and how many samples the split has.

    Args:
        name: the source's name in the recipe.
        labels: what `votes` runs over.

    Raises:
        EmoError: naming the file or folder that cannot be read, or when nothing of the split is cached.
    """
    everything = load_samples(source.dataset, source.root, split, fold=source.fold or None)
    usable = {sample.id: sample for sample in everything if cache.found(sample.id)}
    if not usable:
        raise EmoError(f"no {split} sample of {name} is in {cache.folder}; run train/extract_priors.py first")
    common = {key: _common(sample, name, cache, labels) for key, sample in usable.items()}
    tables = []
    if source.category or split != source.split:
        rows = ({**common[key], **_item(category_item(sample))} for key, sample in usable.items())
        tables.append(Dataset.from_list(list(rows), features=FEATURES))
    for path in source.instructions if split == source.split else ():
        tables.append(_read_instructions(Path(path), common, source.turns))
    if not tables:
        raise EmoError(f"sources.{name} has neither category items nor instructions")
    return concatenate_datasets(tables), len(everything)


def attributes_of(row: dict[str, Any]) -> FaceAttributes:
    """The attribute words of a row."""
    words = {key: row[key] or None for key in ("age", "gender", "race")}
    return FaceAttributes(**words, origin="given" if any(words.values()) else "none")


def lengths_of(table: Dataset, tokens_per_frame: int) -> list[int]:
    """About how many tokens each row has, to put rows of like length into one batch."""
    columns = zip(table["frames"], table["question"], table["answer"], strict=True)
    return [
        frames * tokens_per_frame + (len(question) or CATEGORY_LETTERS) // 4 + len(answer) // 4
        for frames, question, answer in columns
    ]


def _common(sample: EmoSample, name: str, cache: PriorCache, labels: tuple[str, ...]) -> dict[str, Any]:
    votes = [sample.votes.get(label, 0.0) if sample.votes else float(label == sample.label) for label in labels]
    words = sample_attributes(sample, cache)
    return {
        "sample": sample.id,
        "source": name,
        "kind": sample.kind,
        "frames": cache.frames(sample.id),
        "label": sample.label,
        "votes": [vote / sum(votes) for vote in votes],
        **{key: getattr(words, key) or "" for key in ("age", "gender", "race")},
    }


def sample_attributes(sample: EmoSample, cache: PriorCache) -> FaceAttributes:
    """What a rendered face was drawn with, else what the analyser estimated."""
    if sample.truth is None:
        return cache.attributes(sample.id)
    return FaceAttributes(age_group(sample.truth.age), sample.truth.gender, sample.truth.race, origin="given")


def _item(instruction: Any) -> dict[str, Any]:
    prompt = instruction.prompt
    return {"question": prompt.question or "", "options": list(prompt.options), "answer": instruction.answer}


def _read_instructions(path: Path, common: dict[str, dict[str, Any]], first: int) -> Dataset:
    """One row a turn, of the samples in `common`; of each conversation the `first` turns, or all when it is 0."""
    kind = {".json": "json", ".jsonl": "json", ".parquet": "parquet"}.get(path.suffix)
    if kind is None or not path.is_file():
        raise EmoError(f"{path} is not there as .json, .jsonl or .parquet; train/generate_instructions.py writes it")
    try:
        rows = load_dataset(kind, data_files=str(path), split="train")
    except (DatasetGenerationError, ValueError, OSError) as error:
        raise EmoError(
            f"{path} cannot be read as rows of LLaVA {path.suffix[1:]}: {error.__cause__ or error}"
        ) from error

    def turns(batch: dict[str, list]) -> Iterator[dict[str, Any]]:
        for values in zip(*batch.values(), strict=True):
            row = dict(zip(batch, values, strict=True))
            if row.get("id") in common:
                yield from ({**common[row["id"]], **_item(item)} for item in instructions_of(row)[: first or None])

    def flatten(batch: dict[str, list]) -> dict[str, list]:
        found = list(turns(batch))
        return {column: [row[column] for row in found] for column in FEATURES}

    table = rows.map(
        flatten,
        batched=True,
        remove_columns=rows.column_names,
        features=FEATURES,
        num_proc=os.cpu_count() if len(rows) >= SEVERAL else None,
        load_from_cache_file=False,  # which samples are cached may have changed; the read itself is cached
    )
    if not len(table):
        raise EmoError(f"{path} says nothing about the cached samples; were both made from the same split?")
    return table
