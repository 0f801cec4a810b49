"""One sample -> Gemini, through Google's package google-genai -> an Entry: paced, retried, and judged.

The key comes from the environment and goes nowhere but into the request. GOOGLE_GEMINI_BASE_URL, which the package
reads, names another server that speaks the same protocol.
"""

import os
import random
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from emo_toolkit.errors import EmoError, MediaError
from emo_toolkit.schema import EmoSample
from train.journal import INVALID, REFUSED, UNANSWERED, UNREADABLE, WRITTEN, Entry
from train.teacher import SCHEMA, SYSTEM, Declined, InvalidAnswer, read_turns, request_picture, request_text

KEYS = ("GEMINI_API_KEY", "GOOGLE_API_KEY")  # names of environment variables
TRIES = 6  # of one sample in one run
FIRST_WAIT = 1.0  # s after the first failure; doubles after each
LONGEST_BACKOFF = 60.0  # s
LONGEST_ASKED = 600.0  # s that a server may ask a run to wait; beyond that the run ends
AGAIN = (408, 429, 500, 502, 503, 504)  # worth another try
HOPELESS = (401, 403, 404)  # a key or a model that no request can do without
STOP, CUT_OFF = "STOP", "MAX_TOKENS"  # how an answer ended; every other way is a refusal


class Stopping(Exception):
    """The run is ending: this sample stays unasked."""


class Pacer:
    """Spreads the requests of all threads evenly over time; every wait ends at once when `stop` is set.

    Args:
        per_minute: requests.
        stop: set when the run is ending.
    """

    def __init__(self, per_minute: float, stop: threading.Event) -> None:
        self.gap, self.stop = 60 / per_minute, stop
        self._next, self._lock = time.monotonic(), threading.Lock()

    def turn(self) -> None:
        """Waits for the next place; raises Stopping."""
        with self._lock:
            place = max(time.monotonic(), self._next)
            self._next = place + self.gap
        self.pause(place - time.monotonic())

    def hold(self, seconds: float) -> None:
        """Keeps all threads from asking for some seconds."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)

    def pause(self, seconds: float) -> None:
        """Waits; raises Stopping."""
        if self.stop.wait(max(0.0, seconds)):
            raise Stopping


class Gemini:
    """Asks one model; `ask` may be called by several threads.

    Args:
        model: its name in the service, such as "gemini-3.8-flash".
        pacer: when to ask.
        timeout: s for one request.
        max_output_tokens: of an answer with the thoughts of the model.

    Raises:
        EmoError: no key in the environment, or google-genai is not installed.
    """

    def __init__(self, model: str, pacer: Pacer, *, timeout: float, max_output_tokens: int) -> None:
        self.model, self.pacer = model, pacer
        self._key = next(filter(None, map(os.environ.get, KEYS)), "")
        if not self._key:
            raise EmoError(f"no key: set {' or '.join(KEYS)}; keys are made at https://aistudio.google.com/apikey")
        try:
            from google import genai
        except ImportError as error:
            raise EmoError("--writer gemini needs Google's package: pip install google-genai") from error
        self._part = genai.types.Part.from_bytes
        self._client = genai.Client(vertexai=False, api_key=self._key, http_options={"timeout": round(timeout * 1000)})
        self._config = {
            "system_instruction": SYSTEM,
            "response_mime_type": "application/json",
            "response_json_schema": SCHEMA,
            "max_output_tokens": max_output_tokens,
        }

    def ask(self, sample: EmoSample) -> Entry:
        """What comes of a sample; a request that fails is repeated, later and later.

        Raises:
            Stopping: the run is ending.
            EmoError: the key, the model or the quota does not allow any request.
        """
        try:
            picture = request_picture(sample)
        except MediaError as error:
            return Entry(sample.id, UNREADABLE, f"{sample.row or sample.path}: {error}")
        reason = ""
        for number in range(TRIES):
            self.pacer.turn()
            try:
                return judge(self._send(picture, request_text(sample)), sample)
            except Exception as error:  # the package speaks through several HTTP clients, each with errors of its own
                reason = self._describe(error)
                code, wait = getattr(error, "code", None), asked_wait(error)
                if code in HOPELESS or "API_KEY_INVALID" in str(error):
                    raise EmoError(f"the service refuses all requests ({reason}); check key and --model") from None
                if wait > LONGEST_ASKED:
                    raise EmoError(f"the service asks to wait {wait:.0f} s ({reason}); start again later") from None
                if code is not None and code not in AGAIN:
                    break
            if number + 1 < TRIES:
                wait = wait or min(LONGEST_BACKOFF, FIRST_WAIT * 2**number) * random.uniform(0.5, 1)
                if code == 429:
                    self.pacer.hold(wait)
                self.pacer.pause(wait * random.uniform(1, 1.1))
        return Entry(sample.id, UNANSWERED, reason)

    def _send(self, picture: bytes, text: str) -> Any:
        contents = [self._part(data=picture, mime_type="image/jpeg"), text]
        return self._client.models.generate_content(model=self.model, contents=contents, config=self._config)

    def _describe(self, error: Exception) -> str:
        words = [getattr(error, name, None) for name in ("code", "status", "message")]
        text = " ".join(str(word) for word in words if word) or f"{type(error).__name__} {error}"
        return text.replace(self._key, "[key]")[:300]


def judge(response: Any, sample: EmoSample) -> Entry:
    """A response of the service as an entry: written, refused or invalid."""
    usage = response.usage_metadata
    spent = (usage.prompt_token_count, usage.candidates_token_count, usage.thoughts_token_count) if usage else ()
    prompt, *answer = (count or 0 for count in spent or (0, 0))
    tokens = (prompt, sum(answer))
    blocked = response.prompt_feedback and response.prompt_feedback.block_reason
    if blocked or not response.candidates:
        return Entry(sample.id, REFUSED, f"blocked: {blocked.value if blocked else 'no answer'}", tokens=tokens)
    ended = response.candidates[0].finish_reason
    if ended and ended.value == CUT_OFF:
        return Entry(sample.id, INVALID, f"cut off after {tokens[1]} tokens; raise --max-output-tokens", tokens=tokens)
    if ended and ended.value != STOP:
        return Entry(sample.id, REFUSED, f"blocked: {ended.value}", tokens=tokens)
    try:
        return Entry(sample.id, WRITTEN, turns=read_turns(response.text or "", sample), tokens=tokens)
    except Declined as error:
        return Entry(sample.id, REFUSED, str(error), tokens=tokens)
    except InvalidAnswer as error:
        return Entry(sample.id, INVALID, str(error), tokens=tokens)


def asked_wait(error: Exception) -> float:
    """Seconds that a server asks to wait, by its header Retry-After or by google.rpc.RetryInfo; 0 when it does not."""
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    details = getattr(error, "details", None)
    return max(_header_seconds(headers), _detail_seconds(details))


def _header_seconds(headers: Mapping[str, str]) -> float:
    """Of "17" or "Wed, 21 Oct 2026 07:28:00 GMT"."""
    text = headers.get("retry-after") or ""
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return 0.0


def _detail_seconds(details: Any) -> float:
    """Of {"error": {"details": [{"@type": ".../google.rpc.RetryInfo", "retryDelay": "17s"}]}}."""
    try:
        found = [part["retryDelay"] for part in details["error"]["details"] if "retryDelay" in part]
        return max((float(delay.removesuffix("s")) for delay in found), default=0.0)
    except (KeyError, TypeError, ValueError, AttributeError):
        return 0.0
