"""`python -m emo_toolkit predict PATH...`: photos and clips in, a table or JSON out.

Every path gets an object of its own; one bad file never stops the others.
"""

import argparse
import io
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

from tqdm import tqdm
from transformers.utils.logging import disable_progress_bar

from .errors import EmoError
from .labels import AGE_GROUPS, GENDERS, RACES
from .pipeline import EmoPipeline
from .prompts import parse_attributes
from .schema import EmoPrediction

NOTICE = "independent reconstruction of EMO-LLaMA; perceived expression, not felt emotion"
EXAMPLES = f"""\
examples:
  python -m emo_toolkit predict photo.jpg clip.mp4
  python -m emo_toolkit predict photo.jpg --question "Does the expression look clear or mixed?"
  python -m emo_toolkit predict photo.jpg --options happiness,sadness,neutral --format json
  python -m emo_toolkit predict photo.jpg --attributes "age=30-39,gender=female"

attribute words:
  age     {", ".join(AGE_GROUPS)}
  gender  {", ".join(GENDERS)}
  race    {", ".join(RACES)}  (only as given by you; it is never estimated)

exit code: 0 when every path was answered, 1 when one was not, 2 for a wrong command line
{NOTICE}
"""


def main(words: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit code."""
    arguments = _parser().parse_args(words)
    disable_progress_bar()
    try:
        attributes = None if arguments.attributes in ("none", "estimate") else parse_attributes(arguments.attributes)
    except ValueError as error:
        print(f"--attributes: {error}", file=sys.stderr)
        return 2
    try:
        pipeline = EmoPipeline.from_checkpoint(arguments.checkpoint, device=arguments.device, progress=_Bars())
    except EmoError as error:
        print(error, file=sys.stderr)
        return 1
    options = tuple(option.strip() for option in arguments.options.split(",") if option.strip())
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
    predict.add_argument("--checkpoint", default="mini", help="mini, a folder or a Hub id (default: mini)")
    predict.add_argument("--question", help="a free question (default: the category question)")
    predict.add_argument(
        "--options", default="", help="comma-separated answers to score (default: the eight FERPlus labels)"
    )
    predict.add_argument(
        "--attributes",
        default="none",
        help='"none", "estimate" (age and gender from the face) or words such as "age=30-39,gender=female"',
    )
    predict.add_argument("--face", type=int, help="which face, 0 = the largest (default: the largest)")
    predict.add_argument("--device", help="cuda, mps or cpu (default: the best there is)")
    predict.add_argument("--format", choices=("table", "json"), default="table")
    return parser


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
