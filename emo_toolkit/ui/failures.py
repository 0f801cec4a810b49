"""What goes wrong, in plain words, in one place for all views.

an exception of ours, of the GPU's host, or one that nobody expected -> EmoError or gr.Error with a sentence
"""

import logging
import re
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import wraps
from inspect import isgeneratorfunction
from pathlib import Path
from typing import Any

import gradio as gr

from ..errors import EmoError

TITLE = "That did not work"
ANY = "Something went wrong on this side, not with what you did. Try again; if it stays so, please report it."
AT_HOME = "On a machine of your own the toolkit needs no GPU and no quota."
HOST = {  # title of an error that `spaces` raises -> what it means here
    "ZeroGPU quota exceeded": f"The GPU time that the host gives you for a day is used up.{{wait}} Signed-in visitors "
    f"have more. {AT_HOME}",
    "ZeroGPU pending credits exceeded": "Several of your requests are still running. Wait for them, then try again.",
    "ZeroGPU illegal duration": "This takes more GPU time than the host gives for one request. Use a shorter clip.",
    "ZeroGPU queue timeout": f"All GPUs of the host are busy, and none came free in time. Try again soon. {AT_HOME}",
    "ZeroGPU worker error": "The host stopped the GPU before the answer was there. Try again, with a shorter clip.",
    "ZeroGPU client error": f"The host gave no GPU just now. Reload the page and try again. {AT_HOME}",
}
WAIT = re.compile(r"Try again in ([\d:]+)")
logger = logging.getLogger(__name__)


def from_host(error: gr.Error) -> EmoError:
    """What an error that came out of a GPU function means; those of `spaces` are told by their title."""
    sentence = HOST.get(error.title)
    if sentence is None:
        return EmoError(str(error.message))
    wait = WAIT.search(str(error.message))
    return EmoError(sentence.format(wait=f" It comes back in {wait[1]} (hours, minutes, seconds)." if wait else ""))


def toast(error: Exception) -> gr.Error:
    """The error as the page and the programs of visitors see it. What nobody expected goes to the log by type and
    place; its message stays out of both, because it may hold a file's name or a visitor's words."""
    if isinstance(error, gr.Error):
        return error
    if isinstance(error, EmoError):
        message = str(error)[:1].upper() + str(error)[1:]
    else:
        places = [f"{Path(at.filename).name}:{at.lineno}" for at in traceback.extract_tb(error.__traceback__)]
        logger.error("%s at %s", type(error).__name__, " < ".join(reversed(places)))
        message = ANY
    return gr.Error(message, title=TITLE, print_exception=False)


@contextmanager
def in_plain_words() -> Iterator[None]:
    """Around the body of an event handler: whatever it raises reaches the visitor as a sentence."""
    try:
        yield
    except Exception as error:
        raise toast(error) from error


@contextmanager
def host_in_plain_words() -> Iterator[None]:
    """Around a call of a GPU function: only EmoErrors come out."""
    try:
        yield
    except gr.Error as error:
        raise from_host(error) from error


def within(guard: Callable[[], AbstractContextManager[None]], task: Callable[..., Any]) -> Callable[..., Any]:
    """The task, a function or a generator, run inside a context of its own."""

    @wraps(task)
    def stream(*args: Any, **kwargs: Any) -> Iterator[Any]:
        with guard():
            yield from task(*args, **kwargs)

    @wraps(task)
    def call(*args: Any, **kwargs: Any) -> Any:
        with guard():
            return task(*args, **kwargs)

    return stream if isgeneratorfunction(task) else call
