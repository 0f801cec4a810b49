"""Evaluates a checkpoint on a data set with the pipeline that users meet: WAR, UAR and F1 with 95 % intervals.

    python train/evaluate.py --checkpoint mini --dataset ferplus --root DIR --split valid --limit 1500
    python train/evaluate.py --checkpoint runs/dfew-{fold}/adapter --dataset dfew --root DIR --fold all
    python train/evaluate.py --dataset synthetic --root DRAWN --split test large_pose --explain --groups --figures OUT
    accelerate launch --multi_gpu --num_processes 2 train/evaluate.py ...   the same figures, sooner; also on CPUs

`--output report.json` also writes one row a sample to report.jsonl. Run again after an interruption, it goes on.
Two such files of rows: train/compare.py. What else can be done without the model: train/baselines.py.
"""

import argparse
import json
import random
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from accelerate import PartialState
from tqdm import tqdm

from emo_toolkit.checkpoints import load
from emo_toolkit.data import DATASETS, load_samples
from emo_toolkit.errors import EmoError
from emo_toolkit.labels import LABELS, canonical
from emo_toolkit.schema import EmoSample
from train.answers import FOLD, ORIGINS, Asked, Reader, answer_rows, read_rows, write_text
from train.findings import check, find, lines_of, values_of
from train.report_page import page

Job = tuple[int | None, EmoSample]  # fold, sample


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--checkpoint", default="mini", help=f"mini, a folder or a Hub id; {FOLD} in it is the number of the fold"
    )
    parser.add_argument("--dataset", default="ferplus", choices=sorted(DATASETS))
    parser.add_argument("--root", type=Path, required=True, help="folder of the data set")
    parser.add_argument("--split", nargs="+", default=["test"], help="one, or several to be scored together")
    parser.add_argument("--fold", type=fold_of, help='of a set with folds, such as dfew and mafw: 1 to 5, or "all"')
    parser.add_argument("--limit", type=int, help="only so many samples a fold, at random (the same ones every time)")
    parser.add_argument(
        "--options",
        type=labels_of,
        help='labels to choose from, such as "anger,fear,neutral", in place of all that the set may hold',
    )
    parser.add_argument("--estimate", action="store_true", help="put estimated age and gender into the prompt")
    parser.add_argument(
        "--explain",
        action="store_true",
        help="also ask what shows it, and score the answer's action units (drawn sets)",
    )
    parser.add_argument(
        "--groups",
        nargs="?",
        const="exact",
        choices=ORIGINS,
        help="scores by age, gender, race, pose, strength, factor of drawn faces; 'estimated': by the age and gender "
        "that a net estimates of real ones, with its errors (never race)",
    )
    parser.add_argument("--figures", type=Path, help="folder for report.html: all figures, tables and what they mean")
    parser.add_argument("--output", type=Path, help="report.json; rows go to report.jsonl beside it")
    return parser.parse_args()


def fold_of(word: str) -> int | str:
    """A number or "all"."""
    return word if word == "all" else int(word)


def labels_of(words: str) -> tuple[str, ...]:
    """ "anger,happy" -> ("anger", "happiness")."""
    labels = {word: canonical(word) for word in words.split(",")}
    if unknown := [word for word, label in labels.items() if not label]:
        raise argparse.ArgumentTypeError(f"'{unknown[0]}' is none of {', '.join(LABELS['manifest'])}")
    return tuple(dict.fromkeys(filter(None, labels.values())))


def load_jobs(arguments: argparse.Namespace) -> list[Job]:
    """The samples of every fold that is asked for, in the order in which they are asked.

    Raises:
        EmoError: for a set or split that is not there, or one without folds.
    """
    everything = range(1, DATASETS[arguments.dataset].folds + 1)
    if arguments.fold == "all" and not everything:
        raise EmoError(f"{arguments.dataset} has no folds; leave --fold out")
    jobs: list[Job] = []
    for fold in everything if arguments.fold == "all" else (arguments.fold,):
        splits = dict.fromkeys(arguments.split)
        samples = [
            sample for split in splits for sample in load_samples(arguments.dataset, arguments.root, split, fold=fold)
        ]
        random.Random(0).shuffle(samples)
        jobs += [(fold, sample) for sample in samples[: arguments.limit]]
    if not jobs:
        raise EmoError(f"--limit {arguments.limit} leaves no sample; give a number above 0")
    return jobs


def evaluate(arguments: argparse.Namespace) -> None:
    """Answers this process's share of the samples; the main one then joins all rows."""
    state = PartialState(cpu=not torch.cuda.is_available())
    asked = Asked(arguments.checkpoint, arguments.estimate, arguments.explain, arguments.groups, arguments.options)
    jobs = load_jobs(arguments)
    truths = {sample.label for _, sample in jobs}
    check(asked, arguments.dataset, truths, drawn=all(sample.truth for _, sample in jobs))
    part = arguments.dataset + (f"-fold{arguments.fold}" if arguments.fold else "")
    output = arguments.output or Path(f"report-{arguments.checkpoint.replace('/', '_')}-{part}.json")
    output.parent.mkdir(parents=True, exist_ok=True)
    mine = output.with_suffix(f".{state.process_index}of{state.num_processes}.partial.jsonl")
    earlier, pipeline = read_rows([mine]), None
    for fold in dict.fromkeys(fold for fold, _ in jobs):  # every process enters every fold, for the sake of the others
        here = asked.of_fold(fold)
        done = {row["id"] for row in earlier if here.answered_by(row, fold)}
        share = [sample for other, sample in jobs if other == fold][state.process_index :: state.num_processes]
        todo = [sample for sample in share if sample.id not in done]
        with state.main_process_first():
            if todo and (pipeline is None or pipeline.checkpoint.name != here.checkpoint):
                pipeline = Reader(load(here.checkpoint), pipeline.extractor if pipeline else None)
        if pipeline and todo:
            bar = tqdm(todo, unit="sample", disable=not state.is_main_process, desc=f"fold {fold}" if fold else None)
            answer_rows(pipeline, bar, here, rows_file=mine, fold=fold)
    state.wait_for_everyone()
    if state.is_main_process:
        finish(jobs, asked, output, state.num_processes, figures=arguments.figures)


def finish(jobs: Sequence[Job], asked: Asked, output: Path, processes: int, *, figures: Path | None = None) -> None:
    """Joins the rows of all processes, prints the figures and writes the files."""
    partials = [output.with_suffix(f".{rank}of{processes}.partial.jsonl") for rank in range(processes)]
    written = [(row.get("fold"), row) for row in read_rows(partials)]
    found = {(fold, row["id"]): row for fold, row in written if asked.of_fold(fold).answered_by(row, fold)}
    missing = [sample.id for fold, sample in jobs if (fold, sample.id) not in found]
    if missing:
        raise EmoError(f"{len(missing)} samples have no row, such as {missing[0]}; run the same line again")
    rows = [found[fold, sample.id] for fold, sample in jobs]
    findings = find(rows, asked, {sample.id: sample.truth for _, sample in jobs}, dataset=jobs[0][1].dataset)
    write_text(output, json.dumps(values_of(findings), indent=1))
    write_text(output.with_suffix(".jsonl"), "".join(json.dumps(row) + "\n" for row in rows))
    if figures:
        figures.mkdir(parents=True, exist_ok=True)
        write_text(figures / "report.html", page(findings))
    for partial in partials:
        partial.unlink(missing_ok=True)
    print("\n".join(lines_of(findings)))
    print(f"report: {output}" + (f", figures: {figures / 'report.html'}" if figures else ""))


def main() -> None:
    try:
        evaluate(parse_arguments())
    except (EmoError, OSError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
