"""Abuse over plain HTTP: each request ends in a refusal or a sentence; then the next visitor is served."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client, handle_file
from raw_requests import LEAK, Stranger

from emo_toolkit.pipeline import EmoPipeline
from emo_toolkit.ui import LIMITS
from emo_toolkit.ui.gate import UPLOAD_IT

API = "/gradio_api/"
MARK = {"_type": "gradio.FileData"}
OTHER_WISHES = [None, 0, "", "none", "", "", ""]  # of `read_face`, behind the photo
OTHER_FILES = [
    {"path": __file__},
    {"path": "/etc/passwd", "meta": {"_type": "other"}},
    {"path": "http://127.0.0.1:9/face.png", "meta": MARK},
    {"path": "HTTPS://example.org/face.png", "meta": MARK},
    {"image": [{"path": "http://127.0.0.1:9/face.png", "meta": MARK}]},
]
HOSTILE = {  # in the place of every value that an event takes
    "nothing": "null",
    "no number": "NaN",
    "great": str(10**300),
    "long text": json.dumps("q" * 20_000),
    "list": json.dumps(list(range(10_000))),
    "deep": "[" * 90 + "]" * 90,
    "server's file": json.dumps({"path": "/etc/passwd", "meta": MARK}),
}


@pytest.fixture(scope="module")
def stranger(address: str) -> Stranger:
    return Stranger(address)


@pytest.fixture(scope="module", autouse=True)
def next_visitor(client: Client, talker: EmoPipeline, astronaut: Path) -> Iterator[None]:
    """After all of it: somebody with a photo gets the right answer."""
    yield
    record = client.predict(photo=handle_file(str(astronaut)), api_name="/read_face")
    assert record["status"] == "ok"
    assert record["scores"] == pytest.approx(talker.predict(astronaut, max_new_tokens=0).scores, abs=1e-5)


def place_of(stranger: Stranger, name: str) -> int:
    return next(event["id"] for event in stranger.events() if event["api_name"] == name)


@pytest.mark.parametrize(
    "body",
    [
        b"{nope",
        b"[1, 2]",
        b'"text"',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"data": []}',
        b'{"data": [], "fn_index": 0}',
        b'{"data": "text", "fn_index": 0, "session_hash": "a"}',
        b'{"data": [], "fn_index": "many", "session_hash": "a"}',
        b'{"data": [], "fn_index": 0, "session_hash": {}}',
        b'{"data": [], "fn_index": 99999, "session_hash": "a"}',
        b'{"data": [], "fn_index": -1, "session_hash": "a"}',
        b'{"data": ["' + b"q" * 2_000_000 + b'"], "fn_index": 0, "session_hash": "a"}',
    ],
    ids=lambda body: body[:40].decode(errors="replace"),
)
def test_malformed_requests_are_refused(stranger: Stranger, body: bytes) -> None:
    reply = stranger.http.post(f"{API}queue/join", content=body, headers={"Content-Type": "application/json"})
    assert reply.status_code in (400, 413, 422, 500) and not LEAK.search(reply.text)


def test_too_few_too_many_and_wrong_values_get_an_answer(stranger: Stranger) -> None:
    event = place_of(stranger, "read_face")
    for values in ([], [None] * 50, [{"a": 1}, [], "x", 5, {}, [], {}, None]):
        said = stranger.ask(event, values)
        assert "process_completed" in said and not LEAK.search(said)


def test_only_uploads_are_opened(stranger: Stranger) -> None:
    event = place_of(stranger, "read_face")
    for file in OTHER_FILES:
        for values in ([file, *OTHER_WISHES], [None, None, 0, file, "none", "", "", ""]):
            assert UPLOAD_IT in stranger.ask(event, values), file
    said = stranger.ask(event, [{"url": "data:image/png;base64,AAAA", "meta": MARK}, *OTHER_WISHES])
    assert "nothing to read" in said
    said = stranger.ask(event, [{"path": __file__, "meta": MARK}, *OTHER_WISHES])
    assert '"success": false' in said.replace('":f', '": f') and not LEAK.search(said)


def test_no_route_leads_out_of_the_page(stranger: Stranger) -> None:
    for route in (
        f"{API}file=/etc/passwd",
        f"{API}file={__file__}",
        f"{API}file=../../../../etc/passwd",
        f"{API}file=..%2f..%2f..%2f..%2fetc%2fpasswd",
        f"{API}file=http://127.0.0.1:9/",
        f"{API}file=%48TTPS://example.org/",
        f"{API}file/http://127.0.0.1:9/",
        f"{API}proxy=http://127.0.0.1:9/",
        f"{API}deep_link?session_hash=stranger",
        f"{API}custom_component/a/b/c/..%2f..%2f..%2fetc%2fpasswd",
        f"{API}runs",
        "/static/..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/assets/..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/monitoring",
        "/monitoring/summary",
    ):
        reply = stranger.http.get(route)
        assert 400 <= reply.status_code < 500 and "root:" not in reply.text, route


def test_no_route_goes_past_the_queue_or_runs_other_programs(stranger: Stranger) -> None:
    for route, body in (
        ("run/read_face", {"json": {"data": [None] * 8}}),
        ("api/read_face", {"json": {"data": [None] * 8}}),
        ("process_recording", {"files": {"video": b"x"}}),
        ("vibe-edit", {"json": {"prompt": "x"}}),
        ("component_server", {"json": {"session_hash": "a", "component_id": 1, "fn_name": "x", "data": None}}),
    ):
        reply = stranger.http.post(API + route, **body)
        assert 400 <= reply.status_code < 500 and not LEAK.search(reply.text), route


def test_uploads_are_capped_and_stay_in_their_folder(stranger: Stranger) -> None:
    http, route, form = stranger.http, f"{API}upload", "multipart/form-data; boundary=x"
    assert stranger.announce(route, Content_Length=2 * LIMITS.max_bytes, Content_Type=form) == 413
    assert stranger.announce(route, Transfer_Encoding="chunked", Content_Type=form) == 411
    assert stranger.announce(f"{API}queue/join", Content_Length=2_000_000) == 413
    for files in (None, {"files": ("../../../../../../evil.png", b"x")}):
        reply = http.post(route, files=files)
        assert reply.status_code == 400 or ".." not in reply.text
    for name in (b"\0.png", b"n" * 5000, b'a"; filename="b'):
        body = b'--x\r\nContent-Disposition: form-data; name="files"; filename="' + name + b'"\r\n\r\nx\r\n--x--\r\n'
        reply = http.post(route, content=body, headers={"Content-Type": form})
        assert not LEAK.search(reply.text)


@pytest.mark.parametrize("kind", HOSTILE)
def test_every_event_survives_any_value(address: str, stranger: Stranger, kind: str) -> None:
    def visit(event: dict[str, Any]) -> str:
        return Stranger(address).ask(event["id"], f"[{', '.join([HOSTILE[kind]] * len(event['inputs']))}]")

    events = stranger.events()
    assert len(events) >= 4
    with ThreadPoolExecutor(4) as visitors:
        said = dict(zip([event["api_name"] for event in events], visitors.map(visit, events), strict=True))
    assert {name: text[-300:] for name, text in said.items() if LEAK.search(text)} == {}


@pytest.mark.parametrize("kind", ["great", "list"])
def test_every_event_survives_them_when_a_face_was_read(stranger: Stranger, astronaut: Path, kind: str) -> None:
    photo, session = stranger.upload(astronaut), f"with a face and {kind}"
    assert '"status":"ok"' in stranger.ask(place_of(stranger, "show"), [photo, *OTHER_WISHES], session=session)
    for event in stranger.events():
        values = f"[{', '.join([HOSTILE[kind]] * len(event['inputs']))}]"
        assert not LEAK.search(stranger.ask(event["id"], values, session=session)), event["api_name"]


def test_a_full_queue_says_so(stranger: Stranger, noise: Path) -> None:
    event, values = place_of(stranger, "read_face"), [stranger.upload(noise), *OTHER_WISHES]
    with ThreadPoolExecutor(8) as crowd:
        replies = list(crowd.map(lambda number: stranger.join(event, values, f"crowd-{number}"), range(60)))
    assert {reply.status_code for reply in replies} == {200, 503}
    refused = [reply.text for reply in replies if reply.status_code == 503]
    assert all("Queue is full" in text for text in refused)
    for number, reply in enumerate(replies):  # whoever has a place is served
        if reply.status_code == 200:
            with stranger.http.stream("GET", f"{API}queue/data", params={"session_hash": f"crowd-{number}"}) as stream:
                assert any('"process_completed"' in line for line in stream.iter_lines())
