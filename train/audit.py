"""Audits a checkpoint: what looks and words of age, gender and race do to it. Writes audit.json and audit.html.

    python train/audit.py --identities 100 --out AUDIT
    python train/audit.py --identities 0 --out AUDIT --faces ferplus --root DIR --split valid --limit 200

Drawn twins (pixels differ, nothing is told) go through the whole pipeline; on the pictures of a data set the words are
varied and the pixels stay. Run again after an interruption, it goes on: rows of another checkpoint are left alone.
"""

import argparse
import json
import random
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from emo_toolkit.checkpoints import load
from emo_toolkit.data import DATASETS, load_samples
from emo_toolkit.errors import EmoError
from emo_toolkit.evaluation import to_json
from emo_toolkit.explain.attributes import MOST_QUESTIONS, attribute_effects
from emo_toolkit.explain.summaries import measures_of, summarise_effects
from emo_toolkit.explain.twins import read_twins, summarise_twins, unseen_people
from emo_toolkit.labels import LABELS
from emo_toolkit.pipeline import EmoPipeline
from emo_toolkit.schema import EmoPrompt, EmoSample, TwinReading
from emo_toolkit.synthetic import FaceRenderer
from train.answers import read_rows, write_text
from train.audit_maps import DTYPES
from train.audit_page import page

Row = dict[str, Any]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", default="mini", help="mini, a folder or a Hub id")
    parser.add_argument("--out", type=Path, required=True, help="folder for rows, audit.json and audit.html")
    parser.add_argument("--identities", type=int, default=40, help="drawn persons, 24 twins each; 0 leaves them out")
    parser.add_argument("--faces", choices=sorted(DATASETS), help="also tell attributes on pictures of this data set")
    parser.add_argument("--root", type=Path, help="folder of the data set")
    parser.add_argument("--split", default="test")
    parser.add_argument("--limit", type=int, default=200, help="pictures, at random (the same ones every time)")
    parser.add_argument("--questions", type=int, default=4, help=f"wordings of the question, 2 to {MOST_QUESTIONS}")
    parser.add_argument("--dtype", choices=DTYPES, help="of the model; bfloat16 is faster on many CPUs")
    return parser.parse_args()


def audit(arguments: argparse.Namespace) -> None:
    """Reads what is missing, then writes both files."""
    if arguments.faces and not arguments.root:
        raise EmoError(f"--faces {arguments.faces} needs --root, the folder of the data set")
    arguments.out.mkdir(parents=True, exist_ok=True)
    pipeline = EmoPipeline(load(arguments.checkpoint, dtype=arguments.dtype and DTYPES[arguments.dtype]))
    source = {"checkpoint": arguments.checkpoint, "dtype": str(pipeline.model.dtype).removeprefix("torch.")}
    findings: Row = {**source, "twins": None, "words": None}
    if arguments.identities:
        renderer = FaceRenderer()
        people = {str(spec.identity.id): spec for spec in unseen_people(arguments.identities)}
        rows = collect(
            arguments.out / "twins.jsonl",
            people,
            lambda name: twins_row(read_twins(pipeline, people[name], renderer=renderer)),
            made_from=source,
        )
        findings["twins"] = summarise_twins([twins_of(row) for row in rows])
    if arguments.faces:
        samples = {sample.id: sample for sample in load_samples(arguments.faces, arguments.root, arguments.split)}
        names = sorted(samples)
        random.Random(0).shuffle(names)
        rows = collect(
            arguments.out / f"words-{arguments.faces}-{arguments.split}.jsonl",
            names[: arguments.limit],
            lambda name: words_row(pipeline, samples[name], questions=arguments.questions),
            made_from={**source, "questions": arguments.questions},
        )
        findings["words"] = summarise_effects([row["measures"] for row in rows if row["measures"]])
        findings["faces"] = f"{arguments.faces} {arguments.split}"
    write_text(arguments.out / "audit.json", json.dumps(values_of(findings), indent=1))
    write_text(arguments.out / "audit.html", page(findings))
    print(f"report: {arguments.out / 'audit.html'}")


def collect(file: Path, names: Iterable[str], make: Callable[[str], Row], *, made_from: Row) -> list[Row]:
    """The row of every name, in order: those in the file from the same values, the others made now and appended."""
    names = list(names)
    same = [row for row in read_rows([file]) if row.get("made_from") == made_from]
    found = {row["name"]: row for row in same}
    with file.open("a", encoding="utf-8") as lines:
        lines.write("\n" if file.stat().st_size else "")  # ends a row that an interruption cut short
        for name in tqdm([name for name in names if name not in found], unit="face", desc=file.stem):
            found[name] = {"name": name, "made_from": made_from, **make(name)}
            lines.write(json.dumps(found[name], allow_nan=False) + "\n")
            lines.flush()
    return [found[name] for name in names]


def twins_row(reading: TwinReading) -> Row:
    """A reading as JSON; a twin without a face has null for its log-odds."""
    odds = [None if np.isnan(row[0]) else row.tolist() for row in reading.log_odds]
    return asdict(reading) | {"log_odds": odds}


def twins_of(row: Row) -> TwinReading:
    """The reading of a row."""
    lost = [np.nan] * len(row["labels"])
    odds = np.array([lost if each is None else each for each in row["log_odds"]])
    twins = tuple((age, gender, race) for age, gender, race in row["twins"])
    return TwinReading(row["identity"], row["label"], tuple(row["labels"]), twins, odds)


def words_row(pipeline: EmoPipeline, sample: EmoSample, *, questions: int) -> Row:
    """What telling attributes does to one picture; no measures where no face is found or the file is bad."""
    try:
        reading = pipeline.read(sample.path, box=sample.box)
    except EmoError as error:
        return {"measures": None, "message": str(error)}
    if reading.priors is None:
        return {"measures": None, "message": reading.missing}
    prompt = EmoPrompt(reading.media.kind, options=LABELS[sample.dataset])
    return {"measures": measures_of(attribute_effects(pipeline, reading, prompt, questions=questions, grid=False))}


def values_of(findings: Row) -> Row:
    """The report file; null where nobody in a group had a face."""
    values = {name: to_json(value) if is_dataclass(value) else value for name, value in findings.items()}
    return json.loads(json.dumps(values), parse_constant=lambda _: None)


def main() -> None:
    try:
        audit(parse_arguments())
    except (EmoError, OSError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
