"""Audits every kind of map on a data set: do maps point at what answers come from, and at the regions that move?

    python train/audit_maps.py --dataset synthetic --root DRAWN --split test --limit 200 --randomise 10 --out MAPS.json
    python train/audit_maps.py --dataset ferplus --root DIR --split valid --limit 200 --out MAPS.json --figures OUT
    accelerate launch --multi_gpu --num_processes 2 train/audit_maps.py ...   the same figures, sooner; also on CPUs

Prints tables for a model card too. Run again after an interruption, it goes on. Effects of told words: train/audit.py.
"""

import argparse
import json
import sys
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from tqdm import tqdm

from emo_toolkit.checkpoints import load
from emo_toolkit.data import DATASETS
from emo_toolkit.errors import EmoError
from emo_toolkit.evaluation import to_json
from emo_toolkit.explain.map_scores import DRAWS, STEPS, score_maps
from emo_toolkit.explain.map_summaries import summarise_maps
from emo_toolkit.labels import LABELS
from emo_toolkit.pipeline import EmoPipeline
from emo_toolkit.schema import EmoPrompt, EmoSample
from emo_toolkit.synthetic.unit_regions import moving_regions
from train.answers import read_rows, write_text
from train.evaluate import load_jobs
from train.map_tables import lines_of, page

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
Row = dict[str, Any]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", default="mini", help="mini, a folder or a Hub id")
    parser.add_argument("--dataset", default="synthetic", choices=sorted(DATASETS))
    parser.add_argument("--root", type=Path, required=True, help="folder of the data set")
    parser.add_argument("--split", nargs="+", default=["test"], help="one, or several together")
    parser.add_argument("--limit", type=int, default=200, help="pictures, at random (the same ones every time)")
    parser.add_argument("--out", type=Path, required=True, help="report.json; rows go to report.jsonl beside it")
    parser.add_argument("--figures", type=Path, help="folder for figures.html: forest plot, tables, what they mean")
    parser.add_argument("--steps", type=int, default=STEPS, help="of a curve: 2 x (steps - 1) pictures a map")
    parser.add_argument(
        "--randomise", type=int, default=0, help=f"of so many also maps of {DRAWS} shuffled models each"
    )
    parser.add_argument(
        "--dtype",
        choices=DTYPES,
        help="of the model that reads masked pictures (maps keep the usual one): bfloat16 is faster on many CPUs",
    )
    parser.set_defaults(fold=None)
    return parser.parse_args()


def audit_maps(arguments: argparse.Namespace) -> None:
    """Judges this process's share of the pictures; the main one then joins all rows."""
    state = PartialState(cpu=not torch.cuda.is_available())
    samples = [sample for _, sample in load_jobs(arguments)]
    (output := arguments.out).parent.mkdir(parents=True, exist_ok=True)
    with state.main_process_first():
        pipeline = EmoPipeline.from_checkpoint(arguments.checkpoint)
        scorer = pipeline
        if arguments.dtype:
            scorer = EmoPipeline(load(arguments.checkpoint, dtype=DTYPES[arguments.dtype]), pipeline.extractor)
    wanted = [made_from(scorer, arguments, draws=number < arguments.randomise) for number in range(len(samples))]
    mine = output.with_suffix(f".{state.process_index}of{state.num_processes}.partial.jsonl")
    done = {(row["id"], json.dumps(row["made_from"])) for row in read_rows([mine])}
    share = list(zip(samples, wanted, strict=True))[state.process_index :: state.num_processes]
    todo = [(sample, made) for sample, made in share if (sample.id, json.dumps(made)) not in done]
    with mine.open("a", encoding="utf-8") as rows:
        rows.write("\n" if mine.stat().st_size else "")  # ends a row that an interruption cut short
        for sample, made in tqdm(todo, unit="picture", disable=not state.is_main_process):
            row = {"id": sample.id, "made_from": made, **judged(pipeline, sample, made, scorer=scorer)}
            rows.write(json.dumps(row) + "\n")
            rows.flush()
    state.wait_for_everyone()
    if state.is_main_process:
        finish(samples, wanted, output, state.num_processes, figures=arguments.figures)


def made_from(scorer: EmoPipeline, arguments: argparse.Namespace, *, draws: bool) -> Row:
    """What a row depends on beside its picture; the name of the folder changes with the weights of `mini`."""
    return {
        "checkpoint": arguments.checkpoint,
        "folder": scorer.checkpoint.folder.name,
        "dtype": str(scorer.model.dtype).removeprefix("torch."),
        "steps": arguments.steps,
        "draws": DRAWS if draws else 0,
    }


def judged(pipeline: EmoPipeline, sample: EmoSample, made: Row, *, scorer: EmoPipeline) -> Row:
    """What maps earn on one picture, or why nothing can be said; and how long that took."""
    wall, processor = time.perf_counter(), time.process_time()
    try:
        reading = pipeline.read(sample.path, box=sample.box)
        prompt = EmoPrompt(reading.media.kind, options=LABELS[sample.dataset])
        seed = zlib.crc32(sample.id.encode())
        row = score_maps(pipeline, reading, prompt, scorer=scorer, steps=made["steps"], draws=made["draws"], seed=seed)
        json.dumps(row, allow_nan=False)  # a ValueError
    except (EmoError, OSError, ValueError) as error:
        return {"failed": str(error)}
    row["seconds"] = round(time.perf_counter() - wall, 2)
    row["processor_seconds"] = round(time.process_time() - processor, 2)
    return row


def finish(
    samples: Sequence[EmoSample], wanted: Sequence[Row], output: Path, processes: int, *, figures: Path | None = None
) -> None:
    """Joins the rows of all processes, prints the tables and writes the files."""
    partials = [output.with_suffix(f".{rank}of{processes}.partial.jsonl") for rank in range(processes)]
    found = {(row["id"], json.dumps(row["made_from"])): row for row in read_rows(partials)}
    rows = [found[sample.id, json.dumps(made)] for sample, made in zip(samples, wanted, strict=True)]
    failures = [f"{row['id']}: {row['failed']}" for row in rows if "failed" in row]
    if len(failures) == len(rows):
        raise EmoError(f"no picture could be judged; {failures[0]}")
    drawn = all(sample.truth for sample in samples) and len(samples) > 1
    audit = summarise_maps(rows, moving=[moving_regions(sample.truth) for sample in samples] if drawn else None)
    title = f"{wanted[0]['checkpoint']}, {samples[0].dataset} {' and '.join(dict.fromkeys(s.split for s in samples))}"
    report = {"title": title, "made_from": wanted[-1], **to_json(audit)}
    write_text(output, json.dumps(report, indent=1))
    write_text(output.with_suffix(".jsonl"), "".join(json.dumps(row) + "\n" for row in rows))
    if figures:
        figures.mkdir(parents=True, exist_ok=True)
        write_text(figures / "figures.html", page(title, audit))
    for partial in partials:
        partial.unlink(missing_ok=True)
    print("\n".join([*lines_of(title, audit), *failures]))
    print(f"report: {output}" + (f", figures: {figures / 'figures.html'}" if figures else ""))


def main() -> None:
    try:
        audit_maps(parse_arguments())
    except (EmoError, OSError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
