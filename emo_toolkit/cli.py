"""`python -m emo_toolkit predict PATH...`: photos and clips in, a table or JSON out; `batch FOLDER --out rows.jsonl`.

Every path gets an object of its own; one bad file never stops the others.
"""

import argparse
import io
import json
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from tqdm import tqdm
from transformers.utils.logging import disable_progress_bar

from .batch import BatchRefused, BatchRequest, Tally, launched, leads, run_batch
from .errors import EmoError
from .labels import AGE_GROUPS, GENDERS, RACES
from .pipeline import EmoPipeline
from .prompts import parse_attributes
from .schema import EmoPrediction, FaceAttributes

NOTICE = "independent reconstruction of EMO-LLaMA; perceived expression, not felt emotion"
ATTRIBUTE_WORDS = f"""\
attribute words:
  age     {", ".join(AGE_GROUPS)}
  gender  {", ".join(GENDERS)}
  race    {", ".join(RACES)}  (only as given by you; it is never estimated)"""
EXAMPLES = f"""\
examples:
  python -m emo_toolkit predict photo.jpg clip.mp4
  python -m emo_toolkit predict photo.jpg --question "Does the expression look clear or mixed?"
  python -m emo_toolkit predict photo.jpg --options happiness,sadness,neutral --format json
  python -m emo_toolkit predict photo.jpg --attributes "age=30-39,gender=female"

{ATTRIBUTE_WORDS}

exit code: 0 when every path was answered, 1 when one was not, 2 for a wrong command line
{NOTICE}
"""
BATCH_EXAMPLES = f"""\
examples:
  python -m emo_toolkit batch photos/ --out rows.jsonl
  python -m emo_toolkit batch list.csv --out rows.parquet --answer --attributes estimate
  accelerate launch --multi_gpu --num_processes 4 -m emo_toolkit batch photos/ --out rows.parquet

input:
  a folder, walked to its end: every name that ends like a photo or a clip, without names that start with a dot
  a manifest: CSV with a column "path", or JSONL with "path"; paths are relative to it, and its other columns go into
  the row ("manifest_label" where we have a "label" ourselves)

rows, one a file, in the order of the input:
  path kind status (ok, no_face, error) label score_LABEL... text (--answer) attribute_{{age,gender,race,origin}}
  faces (frames with a usable face) frames seconds checkpoint message

stopped? Run the same line again: every finished row is kept, in OUT.run/ beside OUT, and OUT appears whole at the end.
A finished run returns at once. The list of files is made once; --restart reads the folder anew and throws rows away.
Several machines: --out must lie on a disk that all of them see, and the input under one path.

{ATTRIBUTE_WORDS}

exit code: 0 finished; 1 finished, and some files have status error (0 under accelerate launch, where a code is a
crash); 2 refused, nothing was begun; 3 stopped, such as by a full disk; 130 by Ctrl-C, 143 by SIGTERM
{NOTICE}
"""
QUIET_SECONDS = 30.0  # between two lines of progress where nobody watches


def main(words: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit code."""
    arguments = _parser().parse_args(words)
    disable_progress_bar()
    try:
        attributes = None if arguments.attributes in ("none", "estimate") else parse_attributes(arguments.attributes)
    except ValueError as error:
        print(f"--attributes: {error}", file=sys.stderr)
        return 2
    options = tuple(option.strip() for option in arguments.options.split(",") if option.strip())
    return (_batch if arguments.command == "batch" else _predict)(arguments, options, attributes)


def _predict(arguments: argparse.Namespace, options: tuple[str, ...], attributes: FaceAttributes | None) -> int:
    try:
        pipeline = EmoPipeline.from_checkpoint(arguments.checkpoint, device=arguments.device, progress=_Bars())
    except EmoError as error:
        print(error, file=sys.stderr)
        return 1
    predictions = []
    for path in tqdm(arguments.paths, unit="file", file=sys.stderr, disable=len(arguments.paths) < 2):
        prediction = pipeline.predict(
            path,
            question=arguments.question,
            options=options,
            attributes=attributes,
            estimate=arguments.attributes == "estimate",
            face=arguments.face,
        )
        predictions.append(prediction)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a file name may hold what the terminal cannot show
    if arguments.format == "json":
        print(json.dumps([to_json(prediction) for prediction in predictions], indent=1))
    else:
        print("\n\n".join(map(to_table, predictions)))
        print(f"\n({NOTICE})")
    return 0 if all(prediction.status == "ok" for prediction in predictions) else 1


def _batch(arguments: argparse.Namespace, options: tuple[str, ...], attributes: FaceAttributes | None) -> int:
    request = BatchRequest(
        arguments.source,
        arguments.out,
        checkpoint=arguments.checkpoint,
        question=arguments.question,
        options=options,
        attributes=attributes,
        estimate=arguments.attributes == "estimate",
        face=arguments.face,
        answer=arguments.answer,
    )
    again = "the same line without --restart" if arguments.restart else "the same line"
    with _stoppable(), _Pace() as pace:
        try:
            tally = run_batch(
                request, restart=arguments.restart, device=arguments.device, report=pace, progress=_Bars()
            )
        except EmoError as error:
            code, words = 2 if isinstance(error, BatchRefused) else 3, str(error)
        except _Stopped as stop:
            code, words = 128 + stop.signal, f"stopped; to go on run {again} again, finished rows are kept"
        else:
            code, words = int(tally.error > 0 and not launched()), f"{arguments.out}: {_counts(tally)}"
    if leads() or code in (2, 3):
        print(words, file=sys.stderr)
    return code


def to_json(prediction: EmoPrediction) -> dict:
    """One path's object; `scores` holds probabilities that sum to 1, `frames` times in seconds and boxes in pixels."""
    values = asdict(prediction)
    values["attributes"] = {name: values["attributes"][name] for name in ("age", "gender", "race", "origin")}
    return values


def to_table(prediction: EmoPrediction) -> str:
    """One path's answer for a terminal."""
    lines = [prediction.path]
    if prediction.status != "ok":
        return "\n".join([*lines, f"  {prediction.status}: {prediction.message}"])
    ranked = sorted(prediction.scores.items(), key=lambda item: -item[1])
    lines += [f"  {label:<16} {chance:6.1%}  {'█' * round(30 * chance)}" for label, chance in ranked]
    used = sum(frame.found for frame in prediction.frames)
    known = [prediction.attributes.age, prediction.attributes.gender, prediction.attributes.race]
    lines.append(f"  answer      {prediction.text}")
    if any(known):
        lines.append(f"  attributes  {', '.join(filter(None, known))} ({prediction.attributes.origin})")
    lines.append(f"  frames      {used} of {len(prediction.frames)} with a usable face, {prediction.seconds:.1f} s")
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m emo_toolkit",
        description="EMO-LLaMA for faces in photos and clips.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    predict = commands.add_parser(
        "predict",
        help="label distribution and text for each path",
        description="Label distribution and text for each photo or clip.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    predict.add_argument("paths", nargs="+", metavar="PATH", help="photo or clip")
    _add_question(predict)
    predict.add_argument("--format", choices=("table", "json"), default="table")
    _add_batch(commands)
    return parser


def _add_batch(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    batch = commands.add_parser(
        "batch",
        help="a row for each file of a folder or a manifest; resumable, in many processes",
        description="One row for each photo or clip of a folder or a manifest. Stop it any time: it goes on.",
        epilog=BATCH_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    batch.add_argument("source", type=Path, metavar="FOLDER_OR_MANIFEST", help="folder, list.csv or list.jsonl")
    batch.add_argument("--out", type=Path, required=True, help="rows.jsonl or rows.parquet")
    _add_question(batch)
    batch.add_argument("--answer", action="store_true", help="also write the text (a free question always has one)")
    batch.add_argument("--restart", action="store_true", help="throw away the rows of an earlier run")


def _add_question(command: argparse.ArgumentParser) -> None:
    command.add_argument("--checkpoint", default="mini", help="mini, a folder or a Hub id (default: mini)")
    command.add_argument("--question", help="a free question (default: the category question)")
    command.add_argument(
        "--options", default="", help="comma-separated answers to score (default: the eight FERPlus labels)"
    )
    command.add_argument(
        "--attributes",
        default="none",
        help='"none", "estimate" (age and gender from the face) or words such as "age=30-39,gender=female"',
    )
    command.add_argument("--face", type=int, help="which face, 0 = the largest (default: the largest)")
    command.add_argument("--device", help="cuda, mps or cpu (default: the best there is)")


def _counts(tally: Tally) -> str:
    counts = f"{tally.ok:,} ok, {tally.no_face:,} without a face, {tally.error:,} errors"
    return f"{tally.done:,} of {tally.total:,} files, {counts}" + (f" ({tally.kept:,} before)" if tally.kept else "")


class _Stopped(BaseException):
    """Ctrl-C or SIGTERM came; not an Exception, so that nothing takes it for the fault of a file."""

    def __init__(self, number: int, _: object) -> None:
        self.signal = number


@contextmanager
def _stoppable() -> Iterator[None]:
    """Turns the first Ctrl-C or SIGTERM into `_Stopped`; the second one ends the process at once."""

    def stop(number: int, frame: object) -> None:
        for sign in before:
            signal.signal(sign, signal.SIG_DFL)
        raise _Stopped(number, frame)

    before = {sign: signal.signal(sign, stop) for sign in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for sign, handler in before.items():
            signal.signal(sign, handler)


class _Pace:
    """A batch's progress on standard error: a bar for a person, a line now and then for a log."""

    def __init__(self) -> None:
        self._bar: tqdm | None = None
        self._began = self._told = time.monotonic()

    def __enter__(self) -> "_Pace":
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def __call__(self, tally: Tally) -> None:
        now = time.monotonic()
        if self._bar is None:
            name = "process 0's share" if launched() else None
            watched = {"file": sys.stderr, "disable": not sys.stderr.isatty()}
            self._bar = tqdm(total=tally.total, initial=tally.kept, unit="file", desc=name, **watched)
            self._began = self._told = now
        self._bar.set_postfix_str(f"{tally.ok} ok, {tally.no_face} no face, {tally.error} errors", refresh=False)
        self._bar.update(tally.done - self._bar.n)
        if self._bar.disable and now - self._told > QUIET_SECONDS:
            rate = (tally.done - tally.kept) / (now - self._began)
            print(f"{_counts(tally)}, {rate:.2f} files/s", file=sys.stderr, flush=True)
            self._told = now


class _Bars:
    """A progress bar on standard error for each part that is fetched."""

    def __init__(self) -> None:
        self._bars: dict[str, tqdm] = {}

    def __call__(self, what: str, done: int, total: int) -> None:
        if what not in self._bars:
            unit = {"unit": "B", "unit_scale": True} if total > 1000 else {}
            self._bars[what] = tqdm(total=total, desc=what, file=sys.stderr, **unit)
        bar = self._bars[what]
        bar.update(done - bar.n)
        if done >= total:
            bar.close()
