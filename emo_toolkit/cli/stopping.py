"""Ctrl-C and SIGTERM -> `Stopped`, so that a command ends cleanly."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


class Stopped(BaseException):
    """Ctrl-C or SIGTERM came; not an Exception, so that nothing takes it for the fault of a file."""

    def __init__(self, number: int, _: object) -> None:
        self.signal = number


@contextmanager
def stoppable() -> Iterator[None]:
    """Turns the first Ctrl-C or SIGTERM into `Stopped`; the second one ends the process at once."""

    def stop(number: int, frame: object) -> None:
        for sign in before:
            signal.signal(sign, signal.SIG_DFL)
        raise Stopped(number, frame)

    before = {sign: signal.signal(sign, stop) for sign in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for sign, handler in before.items():
            signal.signal(sign, handler)
