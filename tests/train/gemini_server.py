"""A local server that speaks Gemini's REST protocol: POST /v1beta/models/NAME:generateContent -> canned replies."""

import base64
import json
import re
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

USAGE = {"promptTokenCount": 1000, "candidatesTokenCount": 150, "thoughtsTokenCount": 50, "totalTokenCount": 1200}


@dataclass(frozen=True)
class Reply:
    """What the server does with one request."""

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0  # s


def answer(text: str, *, finish: str = "STOP") -> Reply:
    """A response with one candidate."""
    content = {"role": "model", "parts": [{"text": "thinking aloud", "thought": True}, {"text": text}]}
    return Reply({"candidates": [{"content": content, "finishReason": finish, "index": 0}], "usageMetadata": USAGE})


def conversation(label: str, turns: int = 2) -> str:
    """JSON that the schema allows."""
    pairs = [
        ("What is the facial expression of the person?", f"The person looks full of {label}: the brows are raised."),
        ("Why does the person look so?", "The picture does not tell why."),
    ]
    return json.dumps({"turns": [{"question": asked, "answer": said} for asked, said in pairs[:turns]]})


def failure(status: int, word: str, *, headers: dict[str, str] | None = None, details: list | None = None) -> Reply:
    """An error as Google's services write it."""
    error = {"code": status, "status": word, "message": f"{word} happened", "details": details or []}
    return Reply({"error": error}, status, headers or {})


class GeminiServer:
    """Serves until `close`. `replies[name]` are used up one a request; then every request gets an answer.

    The name of a sample is its description, which the tests write into the manifest. `seen` are the requests.
    """

    def __init__(self) -> None:
        self.replies: dict[str, list[Reply]] = defaultdict(list)
        self.seen: list[dict[str, Any]] = []
        self.delay = 0.0  # s, of every answer
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"owner": self}))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def asked(self) -> Counter[str]:
        """How often each sample was asked about."""
        return Counter(request["name"] for request in self.seen)

    def reply(self, path: str, key: str | None, body: dict[str, Any]) -> Reply:
        """Notes the request and chooses the reply."""
        picture, text = body["contents"][0]["parts"]
        inline = {name.replace("_", "").lower(): value for name, value in picture["inlineData"].items()}  # either way
        kind, data = inline["mimetype"], inline["data"]
        name, label = re.search(r': "(.+)"$', text["text"])[1], re.match(r"Expression: (\w+)\.", text["text"])[1]
        request = {"name": name, "label": label, "path": path, "key": key, "text": text["text"], "time": time.time()}
        request |= {"type": kind, "picture": base64.urlsafe_b64decode(data), "body": body}
        with self._lock:
            self.seen.append(request)
            if self.replies[name]:
                return self.replies[name].pop(0)
        time.sleep(self.delay)
        return answer(conversation(label))


class _Handler(BaseHTTPRequestHandler):
    owner: GeminiServer
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        reply = self.owner.reply(self.path, self.headers["x-goog-api-key"], body)
        time.sleep(reply.delay)
        data = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        try:
            self.send_response(reply.status)
            for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        except OSError:  # the client has gone
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass
