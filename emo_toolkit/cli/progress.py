"""Progress on standard error."""

import sys
import time

from tqdm import tqdm

from ..batch import Tally, launched

QUIET_SECONDS = 30.0  # between two lines of progress where nobody watches


class Pace:
    """A batch's progress on standard error: a bar for a person, a line now and then for a log."""

    def __init__(self) -> None:
        self._bar: tqdm | None = None
        self._began = self._told = time.monotonic()

    def __enter__(self) -> "Pace":
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
            print(f"{counts(tally)}, {rate:.2f} files/s", file=sys.stderr, flush=True)
            self._told = now


class Bars:
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


class Steps:
    """What is being done, a line on standard error for each step, after the seconds since the first."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def __call__(self, what: str) -> None:
        print(f"{self.seconds:6.1f} s  {what}", file=sys.stderr, flush=True)

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self._began


def counts(tally: Tally) -> str:
    """How many files are done, in words."""
    counts = f"{tally.ok:,} ok, {tally.no_face:,} without a face, {tally.error:,} errors"
    return f"{tally.done:,} of {tally.total:,} files, {counts}" + (f" ({tally.kept:,} before)" if tally.kept else "")
