"""The words of the command line and what each of them means."""

import argparse
from pathlib import Path

from ..explain.judging import ALL, METHODS
from ..labels import AGE_GROUPS, GENDERS, RACES

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

REPORT_CODES = """\
exit code: 0 when DIR is there; 1 when the file was not answered (no face, a damaged file, a full disk); 2 for a wrong
command line, such as a DIR that holds files already. DIR appears whole or not at all."""
EXPLAIN_EXAMPLES = f"""\
examples:
  python -m emo_toolkit explain photo.jpg --out report
  python -m emo_toolkit explain clip.mp4 --out report --quick
  python -m emo_toolkit explain photo.jpg --out report --method all
  python -m emo_toolkit explain photo.jpg --out report --question "Which one?" --options anger,fear

DIR:
  explain.html   one page: every figure, what it shows, how to read it, and what the tests say of it
  explain.json   every number; its first key says what the others mean
  figures/       every figure as PNG (as HTML where there is no browser of Chrome's family), maps on the source picture

maps: from the answer's words to the face; global and local branch of Face Info Mining; what its tokens were gathered
from. Beside each one a verdict: parts of the face are hidden in the order of the map, and the answer is watched.
Without --quick the weights are shuffled too, to see whether the map is about what the model learned. A photo
takes mini about a minute on two cores, half of that with --quick; a clip about as many times more as it has frames.

methods (a view without it is shown raw):
  raw         mean over layers and heads           gradient   times the gradient toward the answer
  heads       the heads that look hardest          relative   over the map under a neutral question
  rollout     with what stays in its place         sinkless   without what is looked at whatever is asked

{ATTRIBUTE_WORDS}

{REPORT_CODES}
{NOTICE}
"""
EFFECTS_EXAMPLES = f"""\
examples:
  python -m emo_toolkit effects photo.jpg --out report
  python -m emo_toolkit effects clip.mp4 --out report --options happiness,sadness,neutral
  python -m emo_toolkit effects photo.jpg --out report --attributes "age=30-39,gender=female"

The pixels stay; the model is told every age, gender and race, alone and in all 150 combinations, and beside that
sentences and questions that mean nothing. An effect counts only above what nothing does (the noise floor). Then each
prior is taken away: landmarks, face embedding, Face Info Mining, and the sentence of --attributes.

DIR:
  effects.html   one page: every figure, what it shows, how to read it
  effects.json   every number; its first key says what the others mean
  figures/       every figure as PNG (as HTML where there is no browser of Chrome's family)

{ATTRIBUTE_WORDS}

{REPORT_CODES}
{NOTICE}
"""


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
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
    explain = _add_report(
        commands, "explain", "where an answer looked, and whether that can be trusted", EXPLAIN_EXAMPLES
    )
    explain.add_argument("--method", choices=(*METHODS, ALL), default="raw", help="of the maps (default: raw)")
    explain.add_argument("--quick", action="store_true", help="fewer pictures in the tests, no shuffled weights")
    _add_report(commands, "effects", "what words of age, gender and race, and each prior, do to it", EFFECTS_EXAMPLES)
    return parser


def _add_report(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, what: str, examples: str
) -> argparse.ArgumentParser:
    report = commands.add_parser(
        name,
        help=what,
        description=f"A page about one photo or clip: {what}.",
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    report.add_argument("path", metavar="PATH", help="photo or clip")
    report.add_argument("--out", type=Path, metavar="DIR", required=True, help="a new folder")
    _add_question(report)
    return report


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
