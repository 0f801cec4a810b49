"""What a program sends that is not the page: any JSON to any event, without gradio_client's good manners."""

import json
import re
import socket
from pathlib import Path
from typing import Any

import httpx

ROOT = re.escape(str(Path(__file__).resolve().parents[2]))
# What no visitor may read; the pictures that the page itself shows are served from where they lie.
LEAK = re.compile(rf"Traceback|File \"|site-packages|\.py\b|{ROOT}(?!/emo_toolkit/assets/examples/)|root:")


class Stranger:
    """One connection a request, because the server closes those on which it failed."""

    def __init__(self, address: str) -> None:
        self.http = httpx.Client(base_url=address, timeout=120, limits=httpx.Limits(max_keepalive_connections=0))
        self.visits = 0

    def events(self) -> list[dict[str, Any]]:
        """The page's events that run on the server."""
        return [event for event in self.http.get("/config").json()["dependencies"] if event["backend_fn"]]

    def join(self, event: int, data: Any, session: str) -> httpx.Response:
        """Asks for a place in the queue. `data` may be JSON text, for what Python's JSON does not write."""
        values = data if isinstance(data, str) else json.dumps(data)
        body = f'{{"data": {values}, "fn_index": {event}, "session_hash": {json.dumps(session)}}}'
        return self.http.post("/gradio_api/queue/join", content=body, headers={"Content-Type": "application/json"})

    def announce(self, route: str, **headers: Any) -> int:
        """The status of a POST whose headers alone are sent."""
        place = self.http.base_url
        head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        with socket.create_connection((place.host, place.port), timeout=20) as line:
            line.sendall(f"POST {route} HTTP/1.1\r\nHost: {place.host}\r\n{head}\r\n".encode())
            return int(line.recv(1000).split()[1])

    def upload(self, path: Path) -> dict[str, Any]:
        """The file as an event takes it."""
        with path.open("rb") as file:
            (stored,) = self.http.post("/gradio_api/upload", files={"files": file}).json()
        return {"path": stored, "meta": {"_type": "gradio.FileData"}}

    def ask(self, event: int, data: Any, *, session: str | None = None) -> str:
        """All that comes back from one event until it ends, as text; in a session of its own when none is given."""
        self.visits += 1
        session = session or f"stranger-{id(self)}-{self.visits}"
        reply = self.join(event, data, session)
        if reply.status_code != 200:
            return reply.text
        said = ""
        with self.http.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as stream:
            for line in filter(None, stream.iter_lines()):
                said += line
                if '"process_completed"' in line or '"unexpected_error"' in line:
                    return said
        raise AssertionError(f"event {event} never ends: {said[-500:]}")
