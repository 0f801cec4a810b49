"""Serves the page: `emo_toolkit.ui` over one checkpoint, loaded once.

    python app.py [--checkpoint mini] [--host 127.0.0.1] [--port 7860] [--share] [--classroom] [--research]

A hosted Space runs the same line; only the handlers of `emo_toolkit/ui/desk.py` hold its GPU.
"""

import spaces  # noqa: F401, first, because it prepares torch for ZeroGPU

# isort: split
import argparse
import os
import sys
from collections.abc import Sequence
from ipaddress import ip_address

from emo_toolkit.errors import EmoError
from emo_toolkit.pipeline import EmoPipeline
from emo_toolkit.ui import DISCLAIMER, LAUNCH, TITLE, build_page

ALONE = "--research may estimate race words, which the law forbids where others are served, so it is refused {where}. "
AT_HOME = "Run it on your own machine, at 127.0.0.1 and without --share, or leave --research away."


def main(words: Sequence[str] | None = None) -> None:
    """Loads the checkpoint once and serves the page until it is stopped."""
    parser = argparse.ArgumentParser(description=f"Serves the page of the {TITLE}. {DISCLAIMER}.")
    parser.add_argument(
        "--checkpoint",
        default=os.environ.get("EMO_TOOLKIT_CHECKPOINT", "mini"),
        help="mini, a folder or a Hub id (default: EMO_TOOLKIT_CHECKPOINT, or else mini)",
    )
    parser.add_argument("--host", help="default: GRADIO_SERVER_NAME, or else 127.0.0.1: this machine only")
    parser.add_argument("--port", type=int, help="default: GRADIO_SERVER_PORT, or else the first free one from 7860")
    parser.add_argument("--share", action="store_true", help="a public address through Gradio's servers, for 72 hours")
    parser.add_argument(
        "--research",
        action="store_true",
        help="only on this machine: an analyser that knows race words may estimate them (mini's knows none)",
    )
    parser.add_argument(
        "--classroom",
        action="store_true",
        help="for lessons: the shipped examples and drawn faces only; no upload and no camera, also for programs",
    )
    arguments = parser.parse_args(words)
    try:
        if arguments.research:
            check_alone(arguments.host or os.environ.get("GRADIO_SERVER_NAME") or "127.0.0.1", share=arguments.share)
        pipeline = EmoPipeline.from_checkpoint(arguments.checkpoint, progress=show_progress)
    except EmoError as error:
        parser.exit(1, f"{error}\n")
    page = build_page(pipeline, research=arguments.research, classroom=arguments.classroom)
    page.launch(server_name=arguments.host, server_port=arguments.port, share=arguments.share, **LAUNCH)


def check_alone(host: str, *, share: bool) -> None:
    """Raises EmoError where anybody else than this machine's user could be served."""
    if "SPACE_ID" in os.environ:
        raise EmoError(ALONE.format(where="on a hosted Space") + AT_HOME)
    if share:
        raise EmoError(ALONE.format(where="together with --share") + AT_HOME)
    if not is_loopback(host):
        raise EmoError(ALONE.format(where=f"at {host}, which other machines can reach") + AT_HOME)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the host; a name other than localhost counts as reachable."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def show_progress(what: str, done: int, total: int) -> None:
    """How much of a checkpoint's part is there, on one line of standard error."""
    sys.stderr.write(f"\r{what}: {done / max(total, 1):4.0%}" + "\n" * (done >= total))


if __name__ == "__main__":
    main()
