"""What visitors leave behind is forgotten: also what gradio would keep, for an hour or until it stops.

Gradio itself deletes uploads and results (`delete_cache`) and expired State of open tabs; this does the rest.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import gradio as gr
import gradio.mcp


class ForgetfulPage(gr.Blocks):
    """A page that drops what it remembers of a visit, and files that agents sent, once they are `keep_seconds` old.

    A visit is the State and the last values of all components, such as question and answer; its age counts from its
    last event. Sweeps are as far apart as `keep_seconds`.
    """

    def __init__(self, *, keep_seconds: float, **settings: Any) -> None:
        super().__init__(**settings, delete_cache=(keep_seconds, keep_seconds))
        self.keep_seconds = keep_seconds

    def launch(self, *, app_kwargs: dict[str, Any] | None = None, **settings: Any) -> tuple[Any, str, str]:
        return super().launch(**settings, app_kwargs={**(app_kwargs or {}), "lifespan": self.sweeping})

    @asynccontextmanager
    async def sweeping(self, app: Any) -> AsyncIterator[None]:
        """While the server runs. Files that agents send as text get a folder that is emptied, and removed at last."""
        with TemporaryDirectory(prefix="emo_toolkit_") as folder:
            gradio.mcp.DEFAULT_TEMP_DIR = folder
            task = asyncio.create_task(self._sweep_regularly(app, Path(folder)))
            try:
                yield
            finally:
                task.cancel()

    async def _sweep_regularly(self, app: Any, folder: Path) -> None:
        while True:
            await asyncio.sleep(self.keep_seconds)
            forget_visits(app.state_holder, self.keep_seconds)
            forget_files(folder, self.keep_seconds)


def forget_visits(holder: Any, seconds: float) -> None:
    """Drops the sessions that no event has used for so long, whether or not their tab is open."""
    limit = datetime.now() - timedelta(seconds=seconds)
    with holder.lock:
        for session in [session for session, used in holder.time_last_used.items() if used < limit]:
            holder.session_data.pop(session, None)
            del holder.time_last_used[session]


def forget_files(folder: Path, seconds: float) -> None:
    for path in folder.rglob("*"):
        if path.is_file() and time.time() - path.stat().st_mtime > seconds:
            path.unlink(missing_ok=True)
