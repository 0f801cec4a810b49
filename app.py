"""Serves the page: `emo_toolkit.ui` over one checkpoint, loaded once.

    python app.py [--checkpoint mini] [--host 127.0.0.1] [--port 7860] [--share] [--research]

A hosted Space runs the same line; only the handlers of `emo_toolkit/ui/desk.py` hold its GPU.
"""

import spaces  # noqa: F401, first, because it prepares torch for ZeroGPU

# isort: split
import argparse
import sys
from collections.abc import Sequence

from emo_toolkit.errors import EmoError
from emo_toolkit.pipeline import EmoPipeline
from emo_toolkit.ui import DISCLAIMER, LAUNCH, TITLE, build_page


def main(words: Sequence[str] | None = None) -> None:
    """Loads the checkpoint once and serves the page until it is stopped."""
    parser = argparse.ArgumentParser(description=f"Serves the page of the {TITLE}. {DISCLAIMER}.")
    parser.add_argument("--checkpoint", default="mini", help="mini, a folder or a Hub id (default: mini)")
    parser.add_argument("--host", help="default: GRADIO_SERVER_NAME, or else 127.0.0.1: this machine only")
    parser.add_argument("--port", type=int, help="default: GRADIO_SERVER_PORT, or else the first free one from 7860")
    parser.add_argument("--share", action="store_true", help="a public address through Gradio's servers, for 72 hours")
    arguments = parser.parse_args(words)
    try:
        pipeline = EmoPipeline.from_checkpoint(arguments.checkpoint, progress=show_progress)
    except EmoError as error:
        parser.exit(1, f"{error}\n")
    page = build_page(pipeline)
    page.launch(server_name=arguments.host, server_port=arguments.port, share=arguments.share, **LAUNCH)


def show_progress(what: str, done: int, total: int) -> None:
    """How much of a checkpoint's part is there, on one line of standard error."""
    sys.stderr.write(f"\r{what}: {done / max(total, 1):4.0%}" + "\n" * (done >= total))


if __name__ == "__main__":
    main()
