"""Evaluates a checkpoint on a data set with the pipeline that users meet: WAR and UAR with 95 % intervals.

    python train/evaluate.py --checkpoint mini --dataset ferplus --root DIR --split valid --limit 1500
    accelerate launch --multi_gpu --num_processes 2 train/evaluate.py ...   the same figures, sooner; also on CPUs

`--output report.json` also writes one row a sample to report.jsonl. Run again after an interruption, it goes on.
"""

import argparse
import json
import os
import random
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import torch
from accelerate import PartialState
from tqdm import tqdm

from emo_toolkit.data import DATASETS, load_samples
from emo_toolkit.evaluation import evaluate, to_json
from emo_toolkit.labels import LABELS
from emo_toolkit.pipeline import EmoPipeline
from emo_toolkit.schema import EmoSample


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", default="mini", help="mini, a folder or a Hub id")
    parser.add_argument("--dataset", default="ferplus", choices=sorted(DATASETS))
    parser.add_argument("--root", type=Path, required=True, help="folder of the data set")
    parser.add_argument("--split", default="test")
    parser.add_argument("--fold", type=int, help="of a set with folds, such as dfew and mafw")
    parser.add_argument("--limit", type=int, help="only so many samples, drawn at random (the same ones every time)")
    parser.add_argument("--estimate", action="store_true", help="put estimated age and gender into the prompt")
    parser.add_argument("--output", type=Path, help="report.json; rows go to report.jsonl beside it")
    return parser.parse_args()


def answer_rows(pipeline: EmoPipeline, samples: Iterable[EmoSample], *, estimate: bool, rows_file: Path) -> None:
    """Appends one JSON row a sample; a row that is already there is not asked again."""
    with rows_file.open("a", encoding="utf-8") as rows:
        rows.write("\n")  # ends a row that an interruption cut short
        for sample in samples:
            prediction = pipeline.predict(
                sample.path, options=LABELS[sample.dataset], box=sample.box, estimate=estimate
            )
            row = {"id": sample.id, "truth": sample.label, "estimate": estimate, **asdict(prediction)}
            del row["prompt"], row["path"]
            rows.write(json.dumps(row) + "\n")
            rows.flush()


def main() -> None:
    arguments = parse_arguments()
    state = PartialState(cpu=not torch.cuda.is_available())
    samples = load_samples(arguments.dataset, arguments.root, arguments.split, fold=arguments.fold)
    random.Random(0).shuffle(samples)
    samples = samples[: arguments.limit]
    part = arguments.dataset + (f"-fold{arguments.fold}" if arguments.fold else "")
    output = arguments.output or Path(f"report-{arguments.checkpoint.replace('/', '_')}-{part}.json")
    output.parent.mkdir(parents=True, exist_ok=True)
    mine = output.with_suffix(f".{state.process_index}of{state.num_processes}.partial.jsonl")
    asked = (arguments.checkpoint, arguments.estimate)
    done = {row["id"] for row in read_rows([mine]) if (row["checkpoint"], row.get("estimate")) == asked}
    with state.main_process_first():
        pipeline = EmoPipeline.from_checkpoint(arguments.checkpoint)
    share = [sample for sample in samples[state.process_index :: state.num_processes] if sample.id not in done]
    bar = tqdm(share, unit="sample", disable=not state.is_main_process)
    answer_rows(pipeline, bar, estimate=arguments.estimate, rows_file=mine)
    state.wait_for_everyone()
    if state.is_main_process:
        finish(arguments, samples, output, state.num_processes)


def finish(arguments: argparse.Namespace, samples: list[EmoSample], output: Path, processes: int) -> None:
    """Joins the rows of all processes, prints the figures and writes both files."""
    partials = [output.with_suffix(f".{rank}of{processes}.partial.jsonl") for rank in range(processes)]
    by_id = {row["id"]: row for row in read_rows(partials)}
    rows = [by_id[sample.id] for sample in samples]
    report = evaluate(
        [row["truth"] for row in rows],
        [row["label"] for row in rows],
        labels=LABELS[arguments.dataset],
        dataset=arguments.dataset,
        split=arguments.split,
        no_face=sum(row["status"] == "no_face" for row in rows),
    )
    asked = {"checkpoint": arguments.checkpoint, "estimate": arguments.estimate, "fold": arguments.fold}
    values = asked | to_json(report)
    write_whole(output, json.dumps(values, indent=1))
    write_whole(output.with_suffix(".jsonl"), "".join(json.dumps(row) + "\n" for row in rows))
    for partial in partials:
        partial.unlink()
    (low, high), (below, above) = report.war_interval, report.uar_interval
    print(f"{arguments.checkpoint} on {arguments.dataset} {arguments.split}, n = {report.n}")
    print(f"WAR {report.war:.4f}  [{low:.4f}, {high:.4f}]   UAR {report.uar:.4f}  [{below:.4f}, {above:.4f}]")
    print("recall  " + "  ".join(f"{label} {value:.2f}" for label, value in report.recalls.items()))
    print(f"{report.no_face} without a usable face, {report.unparsed} without a label (all counted as wrong)")
    print(f"report: {output}")


def read_rows(paths: Iterable[Path]) -> list[dict]:
    """Rows of JSONL files; a last line cut short by an interruption is dropped."""
    rows = []
    for path in paths:
        for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError:
                continue
    return rows


def write_whole(path: Path, text: str) -> None:
    """Writes a file under another name first, so that it is never half there."""
    partial = path.with_suffix(path.suffix + ".partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


if __name__ == "__main__":
    main()
