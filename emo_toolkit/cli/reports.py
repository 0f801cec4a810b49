"""One file and one question -> a folder with a page, its numbers and its figures, there as a whole or not at all."""

import argparse
import json
import math
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import EmoError
from ..pipeline import NO_FACE, EmoPipeline, Reading, make_prompt
from ..plots import export, export_pngs
from ..schema import EmoPrompt, FaceAttributes
from .progress import Bars, Steps
from .stopping import Stopped, stoppable

DIGITS = 5  # of a number in JSON; the model's own noise begins sooner


class Asked(NamedTuple):
    """The file that a report is about, and what is asked of it."""

    path: str
    pipeline: EmoPipeline
    reading: Reading
    prompt: EmoPrompt


Fill = Callable[[Asked, Path, Steps], str]  # writes a report's files into a folder, and says what it found


class LineRefused(EmoError):
    """The command line asks for what cannot be done; nothing was begun."""


def write_report(
    arguments: argparse.Namespace,
    options: tuple[str, ...],
    attributes: FaceAttributes | None,
    fill: Fill,
    *,
    fewest: int = 0,
) -> int:
    """Asks the model, lets `fill` write its files, and returns the exit code. A report needs `fewest` options."""
    steps = Steps()
    try:
        asked = make_prompt("image", arguments.question, options).options
        if len(asked) == 1 or len(asked) < fewest:
            raise LineRefused("Nothing to compare: give at least two answers, such as --options anger,fear,neutral")
        with stoppable(), new_folder(arguments.out) as folder:
            said = fill(_ask(arguments, options, attributes, steps), folder, steps)
    except EmoError as error:
        print(error, file=sys.stderr)
        return 2 if isinstance(error, LineRefused) else 1
    except OSError as error:
        print(f"{arguments.out} could not be written: {error.strerror or error}", file=sys.stderr)
        return 1
    except Stopped as stop:
        print("stopped; nothing was written", file=sys.stderr)
        return 128 + stop.signal
    print(said)
    return 0


def _ask(
    arguments: argparse.Namespace, options: tuple[str, ...], attributes: FaceAttributes | None, steps: Steps
) -> Asked:
    steps(f"loading {arguments.checkpoint}")
    pipeline = EmoPipeline.from_checkpoint(arguments.checkpoint, device=arguments.device, progress=Bars())
    steps(f"looking for a face in {arguments.path}")
    estimate = arguments.attributes == "estimate"
    try:
        reading = pipeline.read(arguments.path, face=arguments.face, estimate=estimate)
    except EmoError as error:
        raise EmoError(f"{arguments.path}: {error}") from error
    if reading.priors is None:
        raise EmoError(f"{arguments.path}: {NO_FACE.format(why=reading.missing)}")
    known = attributes or reading.priors.attributes
    prompt = make_prompt(reading.media.kind, arguments.question, options, known)
    return Asked(arguments.path, pipeline, reading, prompt)


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A folder to write into, which becomes `out` when all went well and vanishes otherwise.

    Raises:
        LineRefused: `out` is a file, holds something, or cannot be written.
    """
    try:
        there = out.is_dir()
        if out.exists() and not (there and not any(out.iterdir())):
            kind = "holds files already" if there else "is a file"
            raise LineRefused(f"{out} {kind}; name a new folder with --out")
        out = out.absolute()
        if not there:
            out.parent.mkdir(parents=True, exist_ok=True)
        partial = tempfile.TemporaryDirectory(prefix=".partial-", dir=out if there else out.parent)
    except OSError as error:
        raise LineRefused(f"{out} cannot be written ({error.strerror}); name another folder with --out") from error
    with partial as home:
        folder = Path(home, "report")
        folder.mkdir()
        yield folder
        for source, target in [(path, out / path.name) for path in folder.iterdir()] if there else [(folder, out)]:
            os.rename(source, target)


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """One line a key, numbers rounded to `DIGITS` digits, null for what is not known."""
    lines = [f"{json.dumps(name)}: {json.dumps(rounded(value), ensure_ascii=False)}" for name, value in values.items()]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8", errors="replace")


def rounded(value: Any) -> Any:
    """Plain JSON values of dicts, tuples, arrays and numbers."""
    if isinstance(value, dict):
        return {name: rounded(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(each) for each in value]
    if isinstance(value, np.ndarray | np.generic):
        return rounded(value.tolist())
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    return value


def write_figures(folder: Path, figures: Mapping[str, Any]) -> str | None:
    """Writes each figure as PNG, or as HTML where there is no browser to draw it; then returns why."""
    try:
        export_pngs(figures, folder)
    except EmoError as error:
        for name, figure in figures.items():
            export(figure, folder / f"{name}.html")
        return f"The figures are .html files, not .png: {error}"
    return None
