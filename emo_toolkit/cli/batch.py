"""`batch`: a folder or a manifest in, a row a file out; stopped cleanly, resumed by the same line."""

import argparse
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ..batch import BatchRefused, BatchRequest, launched, leads, run_batch
from ..errors import EmoError
from ..schema import FaceAttributes
from .progress import Bars, Pace, counts


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
    with _stoppable(), Pace() as pace:
        try:
            tally = run_batch(
                request, restart=arguments.restart, device=arguments.device, report=pace, progress=Bars()
            )
        except EmoError as error:
            code, words = 2 if isinstance(error, BatchRefused) else 3, str(error)
        except _Stopped as stop:
            code, words = 128 + stop.signal, f"stopped; to go on run {again} again, finished rows are kept"
        else:
            code, words = int(tally.error > 0 and not launched()), f"{arguments.out}: {counts(tally)}"
    if leads() or code in (2, 3):
        print(words, file=sys.stderr)
    return code


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
