"""Request -> the page, or a refusal of what Gradio would take in without a bound.

`Gate` stands before all routes; `uploads_only` keeps the server from opening what a visitor merely names.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import gradio as gr

MIB = 2**20
ROUTES = "/gradio_api/"
# Routes that nothing here uses: ffmpeg on an upload, a visit on disk, functions of components, fetching of addresses.
CLOSED = (
    "process_recording",
    "deep_link",
    "component_server",
    "proxy=",
    "file=http:",
    "file=https:",
    "file/http:",
    "file/https:",
)
ADDRESS = ("http:", "https:")
MARK = {"_type": "gradio.FileData"}  # with it, Gradio makes sure that the file was uploaded
UPLOAD_IT = "Only uploads are read: save the picture or clip on your machine, then upload it."
Scope = dict[str, Any]
Channel = Callable[..., Awaitable[Any]]


class Gate:
    """ASGI middleware: refuses closed routes, and bodies that are too large or do not say how large they are.

    Args:
        app: what stands behind.
        max_upload: bytes of one uploaded file.
    """

    def __init__(self, app: Callable[[Scope, Channel, Channel], Awaitable[None]], *, max_upload: int) -> None:
        self.app = app
        self.caps = {"upload": max_upload + MIB, "mcp/": 16 * MIB, "": MIB}  # an MCP call may hold a photo as text

    async def __call__(self, scope: Scope, receive: Channel, send: Channel) -> None:
        """Answers by itself or hands on."""
        status, words = self.refusal(scope) if scope["type"] == "http" else (0, "")
        if not status:
            await self.app(scope, receive, send)
            return
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": words.encode()})

    def refusal(self, scope: Scope) -> tuple[int, str]:
        """HTTP status and sentence for a request that is not let in, or (0, "")."""
        _, _, route = scope["path"].lower().partition(ROUTES)
        if route.startswith(CLOSED):
            return 404, "There is nothing here."
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"0")
        if b"transfer-encoding" in headers or not length.isdigit():
            return 411, "Say in Content-Length how many bytes you send."
        cap = next(cap for name, cap in self.caps.items() if route.startswith(name))
        if int(length) > cap:
            return 413, f"That is too much at once: the cap is {cap / 1e6:.0f} MB."
        return 0, ""


def uploads_only(page: gr.Blocks) -> None:
    """Files are what visitors upload. Gradio itself would fetch an address in a file's place, however large it is, and
    would read any file of the server whose path comes without the mark of an upload."""
    hand_on = page.preprocess_data

    async def check(event: Any, inputs: list[Any], *rest: Any, **options: Any) -> list[Any]:
        if names_other_file(inputs):
            raise gr.Error(UPLOAD_IT, title="That did not work", print_exception=False)
        return await hand_on(event, inputs, *rest, **options)

    page.preprocess_data = check


def names_other_file(values: Any) -> bool:
    """Whether a path that Gradio would not check stands anywhere in what a visitor sends."""
    waiting = [values]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            path = value.get("path")
            if path is not None and (str(path).lower().startswith(ADDRESS) or value.get("meta") != MARK):
                return True
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
    return False
