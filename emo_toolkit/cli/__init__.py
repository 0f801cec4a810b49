"""`python -m emo_toolkit predict PATH...`: photos and clips in, a table or JSON out; `batch FOLDER --out rows.jsonl`.

`explain PATH --out DIR` and `effects PATH --out DIR` look inside one answer and write a page about it.
"""

import sys
from collections.abc import Sequence

from transformers.utils.logging import disable_progress_bar

from ..prompts import parse_attributes
from .batch import batch
from .effects import effects
from .explain import explain
from .parser import make_parser
from .predict import predict, to_json, to_table

COMMANDS = {"predict": predict, "batch": batch, "explain": explain, "effects": effects}

__all__ = ["main", "to_json", "to_table"]


def main(words: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit code."""
    arguments = make_parser().parse_args(words)
    disable_progress_bar()
    try:
        attributes = None if arguments.attributes in ("none", "estimate") else parse_attributes(arguments.attributes)
    except ValueError as error:
        print(f"--attributes: {error}", file=sys.stderr)
        return 2
    options = tuple(option.strip() for option in arguments.options.split(",") if option.strip())
    return COMMANDS[arguments.command](arguments, options, attributes)
