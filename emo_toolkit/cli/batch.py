"""`batch`: a folder or a manifest in, a row a file out; stopped cleanly, resumed by the same line."""

import argparse
import sys

from ..batch import BatchRefused, BatchRequest, launched, leads, run_batch
from ..errors import EmoError
from ..schema import FaceAttributes
from .progress import Bars, Pace, counts
from .stopping import Stopped, stoppable


def batch(arguments: argparse.Namespace, options: tuple[str, ...], attributes: FaceAttributes | None) -> int:
    """Runs a batch and returns the exit code."""
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
    with stoppable(), Pace() as pace:
        try:
            tally = run_batch(
                request, restart=arguments.restart, device=arguments.device, report=pace, progress=Bars()
            )
        except EmoError as error:
            code, words = 2 if isinstance(error, BatchRefused) else 3, str(error)
        except Stopped as stop:
            code, words = 128 + stop.signal, f"stopped; to go on run {again} again, finished rows are kept"
        else:
            code, words = int(tally.error > 0 and not launched()), f"{arguments.out}: {counts(tally)}"
    if leads() or code in (2, 3):
        print(words, file=sys.stderr)
    return code
