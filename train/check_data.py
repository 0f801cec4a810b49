"""Reads a whole data set before a run is paid for: what is wrong with it, and its classes beside the published counts.

    python train/check_data.py --dataset dfew --root /data/DFEW [--split train] [--fold 1]
    python train/check_data.py --dataset manifest --root mine.csv --problems wrong.csv

Without --split and --fold all of them are checked, and each file is read once. Exit code: 0, or 1 when something is
wrong. A count that differs is pointed out but is not wrong by itself, since a part of a set may be what is wanted.
"""

import argparse
import csv
import os
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from tqdm import tqdm

from emo_toolkit.data import DATASETS, load_samples
from emo_toolkit.data.checks import PUBLISHED, Problem, check_files, check_rows
from emo_toolkit.errors import EmoError
from emo_toolkit.labels import LABELS
from emo_toolkit.schema import EmoSample

MOST_PRINTED = 20  # problems of each kind


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", required=True, choices=sorted(DATASETS))
    parser.add_argument("--root", type=Path, required=True, help="folder of the data set, or a manifest")
    parser.add_argument("--split", help="only this one")
    parser.add_argument("--fold", type=int, help="only this one")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes (one a core)")
    parser.add_argument("--problems", type=Path, help="a CSV file for all problems; the first are printed")
    return parser.parse_args()


def parts(arguments: argparse.Namespace) -> Iterator[tuple[int | None, list[str]]]:
    """Each fold to check, None for a set without, and its splits."""
    _, splits, folds = DATASETS[arguments.dataset]
    splits = ("all",) if "all" in splits else splits  # of a manifest
    for fold in [arguments.fold] if arguments.fold or not folds else range(1, folds + 1):
        yield fold, [arguments.split] if arguments.split else list(splits)


def load_part(arguments: argparse.Namespace, fold: int | None, splits: list[str]) -> tuple[list, list[Problem]]:
    """The samples of a fold's splits with their rows checked; a list that cannot be read is a problem of its own."""
    samples, problems = [], []
    for split in splits:
        try:
            part = load_samples(arguments.dataset, arguments.root, split, fold=fold)
        except EmoError as error:
            problems.append(Problem("unreadable list", "", str(arguments.root), "", str(error)))
            continue
        print("\n".join(count_table(part, arguments.dataset, split, fold)))
        samples += part
    return samples, problems + check_rows(samples)


def count_table(samples: list[EmoSample], dataset: str, split: str, fold: int | None) -> list[str]:
    """Lines of a table: how many samples each class has here and in print."""
    labels, published = LABELS[dataset], PUBLISHED.get((dataset, split, fold), ())
    here = Counter(sample.label for sample in samples)
    expected = dict(zip(labels, published, strict=True)) if len(published) > 1 else {}
    rows = [(label, here[label], expected.get(label)) for label in labels]
    rows.append(("all", len(samples), sum(published) or None))
    title = f"{dataset} {split}" + (f", fold {fold}" if fold else "")
    lines = [f"\n{title:<24}{'here':>10}{'published':>12}"]
    for label, count, known in rows:
        remark = "  differs" if known not in (None, count) else ""
        lines.append(f"  {label:<22}{count:>10,}{'-' if known is None else format(known, ','):>12}{remark}")
    return lines


def problem_table(problems: list[Problem]) -> list[str]:
    """Lines of a table: every kind of problem with its number, and the first ones of each."""
    lines = [f"\n{'wrong':<24}{'number':>10}"]
    for kind, count in Counter(problem.kind for problem in problems).most_common():
        lines.append(f"  {kind:<22}{count:>10,}")
        shown = [problem for problem in problems if problem.kind == kind][:MOST_PRINTED]
        lines += [f"    {problem.row or '-'}: {problem.path} {problem.text}" for problem in shown]
        if count > len(shown):
            lines.append(f"    and {count - len(shown):,} more; --problems FILE.csv writes them all")
    return lines


def main() -> int:
    arguments = parse_arguments()
    problems: list[Problem] = []
    files: dict[str, EmoSample] = {}  # the folds share them
    for fold, splits in parts(arguments):
        samples, found = load_part(arguments, fold, splits)
        problems += found
        for sample in samples:
            files.setdefault(sample.path, sample)
    checked = check_files(list(files.values()), workers=arguments.workers)
    try:
        problems += filter(None, tqdm(checked, total=len(files), unit="file"))
    except KeyboardInterrupt:
        sys.exit("stopped")
    except BrokenProcessPool:
        sys.exit("a process that read files was ended, by a damaged file or for want of memory; try --workers 1")
    if arguments.problems:
        with arguments.problems.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([Problem._fields, *problems])
    print("\n".join(problem_table(problems)) if problems else f"\nnothing is wrong with {len(files):,} files")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
