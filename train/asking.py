"""Samples -> a teacher -> a journal, several at a time, within a limit of cost. Stops cleanly and goes on.

However a run ends, what was answered is written down, and requests on their way are waited for, as they are paid for.
"""

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from types import FrameType

from tqdm import tqdm

from emo_toolkit.errors import EmoError
from emo_toolkit.schema import EmoSample
from train.gemini import Stopping
from train.journal import ANSWERED, UNANSWERED, Entry, Journal
from train.teacher import SYSTEM, request_text

# For the estimate, from ai.google.dev/gemini-api/docs (media-resolution, tokens); what is paid is counted exactly.
PICTURE_TOKENS = 1120  # of a picture in full resolution; older models count fewer
LETTERS_PER_TOKEN = 4  # of English
ANSWER_TOKENS = 250  # one or two turns as JSON, without the thoughts of a thinking model
MOST_IN_A_ROW = 10  # samples without an answer, after which the service counts as out of reach
PRICE_PAGE = "https://ai.google.dev/gemini-api/docs/pricing"


class Stopped(Exception):
    """A signal asked the run to stop; its number is the argument."""


@dataclass(frozen=True)
class Budget:
    """Prices in USD per million tokens, and the USD that all runs over one journal may spend together."""

    price_in: float
    price_out: float
    most: float
    max_output_tokens: int

    def cost(self, tokens_in: float, tokens_out: float) -> float:
        """USD."""
        return (tokens_in * self.price_in + tokens_out * self.price_out) / 1e6


def estimate(samples: Sequence[EmoSample], budget: Budget, *, spent: float, per_minute: float) -> list[str]:
    """Lines about what asking takes, from the length of the texts and named values; no file is opened.

    Args:
        samples: at least one.
        budget: prices and limit.
        spent: USD of earlier runs.
        per_minute: requests.
    """
    count, tokens, most = len(samples), sum(map(request_tokens, samples)), budget.max_output_tokens
    expected, dearest = (budget.cost(tokens, answer * count) for answer in (ANSWER_TOKENS, most))
    return [
        f"to ask about: {count:,} samples ({', '.join(sorted({sample.kind for sample in samples}))})",
        f"a request: about {tokens / count:,.0f} tokens in and {ANSWER_TOKENS} out, {most:,} out at most",
        f"prices: ${budget.price_in:g} in, ${budget.price_out:g} out per million tokens; check {PRICE_PAGE}",
        f"cost: about ${expected:,.2f}; ${dearest:,.2f} if every answer is as long as it may be",
        f"limit: ${budget.most:,.2f}, of which ${spent:,.2f} is spent",
        f"time: at least {count / per_minute:,.0f} min",
    ]


def request_tokens(sample: EmoSample) -> float:
    """Tokens that the request about a sample has, about."""
    return PICTURE_TOKENS + (len(SYSTEM) + len(request_text(sample))) / LETTERS_PER_TOKEN


class Asking:
    """One run over a journal.

    Args:
        ask: what one thread does with a sample; raises Stopping once `stop` is set, and EmoError to end the run.
        journal: where entries go.
        budget: prices and limit.
        stop: set by this class when the run is ending.
        in_flight: requests at a time.
    """

    def __init__(
        self,
        ask: Callable[[EmoSample], Entry],
        journal: Journal,
        budget: Budget,
        stop: threading.Event,
        *,
        in_flight: int,
    ) -> None:
        self.ask, self.journal, self.budget, self.stop, self.in_flight = ask, journal, budget, stop, in_flight
        self._signal = 0
        self._in_a_row = 0
        self._failure: Exception | None = None

    @property
    def spent(self) -> float:
        """USD of all runs over the journal."""
        return self.budget.cost(*self.journal.tokens)

    def run(self, samples: Sequence[EmoSample]) -> bool:
        """Asks about each sample; False when the cost limit ended it before.

        Raises:
            Stopped: by SIGINT or SIGTERM. A second signal ends the process at once.
            EmoError: the service cannot be used.
            OSError: the journal cannot be written.
        """
        kept = {sign: signal.signal(sign, self._heed) for sign in (signal.SIGINT, signal.SIGTERM)}
        try:
            with ThreadPoolExecutor(self.in_flight) as pool:
                within = self._ask_all(samples, pool)
        finally:
            for sign, handler in kept.items():
                signal.signal(sign, handler)
        if self._signal:
            raise Stopped(self._signal)
        if self._failure:
            raise self._failure
        return within

    def _ask_all(self, samples: Sequence[EmoSample], pool: ThreadPoolExecutor) -> bool:
        waiting: set[Future] = set()
        queue = deque(samples)
        with tqdm(total=len(samples), unit="sample", smoothing=0.05) as bar:
            while True:
                while queue and self._may_ask(queue[0], len(waiting)):
                    waiting.add(pool.submit(self.ask, queue.popleft()))
                if not waiting:
                    return not queue
                done, waiting = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
                for future in done:
                    self._take(future)
                    bar.update()
                bar.set_postfix_str(f"${self.spent:.2f}", refresh=False)
                if self._signal:
                    bar.set_description_str("stopping, requests on their way are waited for; again: at once")

    def _may_ask(self, sample: EmoSample, in_flight: int) -> bool:
        """Whether the limits hold even if this and all requests on their way get the longest answer."""
        dearest = self.budget.cost(request_tokens(sample), self.budget.max_output_tokens)
        within = self.spent + (in_flight + 1) * dearest <= self.budget.most
        return within and in_flight < self.in_flight and not self.stop.is_set()

    def _take(self, future: Future) -> None:
        try:
            entry = future.result()
            self.journal.append(entry)
        except Stopping:
            return
        except Exception as error:  # raised again when the requests on their way have come back
            self._end(error)
            return
        if entry.outcome in ANSWERED:
            self._in_a_row = 0
        elif entry.outcome == UNANSWERED:
            self._in_a_row += 1
            if self._in_a_row == MOST_IN_A_ROW:
                self._end(EmoError(f"{MOST_IN_A_ROW} samples in a row got no answer; the last: {entry.reason}"))

    def _end(self, error: Exception) -> None:
        self._failure = self._failure or error
        self.stop.set()

    def _heed(self, number: int, _: FrameType | None) -> None:
        if self._signal:
            os._exit(128 + number)
        self._signal = number
        self.stop.set()
