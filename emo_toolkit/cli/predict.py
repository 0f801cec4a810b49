"""`predict`: paths in, a table or JSON out."""

import argparse
import io
import json
import sys
from dataclasses import asdict

from tqdm import tqdm

from ..errors import EmoError
from ..pipeline import EmoPipeline
from ..schema import EmoPrediction, FaceAttributes
from .parser import NOTICE
from .progress import Bars


def predict(arguments: argparse.Namespace, options: tuple[str, ...], attributes: FaceAttributes | None) -> int:
    """Answers every path and returns the exit code."""
    try:
        pipeline = EmoPipeline.from_checkpoint(arguments.checkpoint, device=arguments.device, progress=Bars())
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
