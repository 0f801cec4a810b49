"""Files read in a process of their own: the same frames, the same words, and whatever becomes of it, the next file."""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from threading import Timer

import pytest
from media_clips import barcodes, clip, scan_bomb
from PIL import Image

from emo_toolkit.errors import MediaError
from emo_toolkit.media import load_media
from emo_toolkit.photos import DEFAULT_LIMITS, MediaLimits
from emo_toolkit.quarantine import CRASHED, FILES_A_CELL, MAX_PIXELS, MEMORY, TOO_LONG, Cell, Quarantine
from emo_toolkit.schema import Media

LINUX = pytest.mark.skipif(not Path("/proc/self/limits").exists(), reason="looks into /proc")


@pytest.fixture(scope="module")
def quarantine() -> Iterator[Quarantine]:
    shared = Quarantine()
    yield shared
    shared.close()


def read(quarantine: Quarantine, path: Path, limits: MediaLimits = DEFAULT_LIMITS) -> Media:
    return quarantine.load_media(path, num_frames=16, limits=limits)


def idle(quarantine: Quarantine) -> Cell:
    """The process that takes the next file."""
    return quarantine._idle[-1]


@pytest.mark.parametrize("name", ["vfr.mp4", "live.webm", "odd.webm", "turned.mp4", "one.mp4"])
def test_a_clip_is_the_same(quarantine: Quarantine, name: str) -> None:
    here, there = load_media(clip(name)), read(quarantine, clip(name))
    assert replace(here, frames=()) == replace(there, frames=())
    assert [frame.tobytes() for frame in here.frames] == [frame.tobytes() for frame in there.frames]


def test_a_photo_is_the_same(quarantine: Quarantine, astronaut: Path, tmp_path: Path) -> None:
    strange = tmp_path / "смех \udcff.png"  # a name that is no UTF-8
    Image.open(astronaut).convert("LA").save(str(strange), "PNG")
    for path in (astronaut, strange):
        here, there = load_media(path), read(quarantine, path)
        assert replace(here, frames=()) == replace(there, frames=())
        assert here.frames[0].tobytes() == there.frames[0].tobytes()


def test_errors_say_the_same_and_cost_the_process(quarantine: Quarantine, tmp_path: Path, astronaut: Path) -> None:
    junk, bomb = tmp_path / "junk.mp4", tmp_path / "bomb.jpg"
    junk.write_bytes(b"junk" * 999)
    bomb.write_bytes(scan_bomb())
    used = []
    for path, limits, words in (
        (tmp_path / "none.png", DEFAULT_LIMITS, "none.png' does not exist"),
        (junk, DEFAULT_LIMITS, "unknown kind"),
        (astronaut, MediaLimits(max_pixels=99), "the cap is 9.9e-05"),
        (bomb, MediaLimits(max_decode_seconds=0.1), "reading the file takes"),
    ):
        with pytest.raises(MediaError) as caught:
            read(quarantine, path, limits)
        assert words in str(caught.value)
        assert idle(quarantine).process.pid not in used and read(quarantine, astronaut).kind == "image"
        used.append(idle(quarantine).process.pid)


def test_a_decoder_that_hangs_is_ended(astronaut: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emo_toolkit.quarantine.GRACE_SECONDS", 0.5)
    quarantine = Quarantine(1)
    read(quarantine, astronaut)
    hung = idle(quarantine).process
    hung.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(MediaError) as caught:
        read(quarantine, astronaut, MediaLimits(max_decode_seconds=0.5))
    assert str(caught.value) == TOO_LONG and 0.9 < time.monotonic() - began < 20
    assert hung.returncode == -signal.SIGKILL
    assert read(quarantine, astronaut).kind == "image"
    quarantine.close()


def test_a_decoder_that_crashes_costs_one_file(astronaut: Path) -> None:
    quarantine = Quarantine(1)
    read(quarantine, astronaut)
    process = idle(quarantine).process
    process.send_signal(signal.SIGSTOP)  # so that the crash comes after the request
    Timer(0.3, lambda: [process.send_signal(sign) for sign in (signal.SIGSEGV, signal.SIGCONT)]).start()
    with pytest.raises(MediaError) as caught:
        read(quarantine, astronaut)
    assert str(caught.value) == CRASHED and process.returncode == -signal.SIGSEGV
    assert read(quarantine, astronaut).kind == "image"
    idle(quarantine).process.kill()  # while nothing is read, as the system does when memory is short
    idle(quarantine).process.wait()
    assert read(quarantine, astronaut).kind == "image"
    quarantine.close()


@LINUX
def test_a_process_has_caps(tmp_path: Path, astronaut: Path) -> None:
    quarantine = Quarantine(1)
    read(quarantine, astronaut)
    pid = idle(quarantine).process.pid
    caps = [resource.prlimit(pid, kind) for kind in (resource.RLIMIT_AS, resource.RLIMIT_CORE, resource.RLIMIT_FSIZE)]
    assert caps == [(MEMORY, MEMORY), (0, 0), (MAX_PIXELS, MAX_PIXELS)]
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    assert int(status["VmRSS"].split()[0]) < 100_000  # kB: no torch in there
    size = int(status["VmSize"].split()[0]) * 1024
    resource.prlimit(pid, resource.RLIMIT_AS, (size + 20_000_000, MEMORY))
    Image.new("RGB", (4000, 4000)).save(tmp_path / "large.png")
    with pytest.raises(MediaError, match="more memory than it may take"):
        read(quarantine, tmp_path / "large.png")
    assert read(quarantine, tmp_path / "large.png").size == (4000, 4000)  # in the next process
    quarantine.close()


def test_a_process_does_not_grow_old(quarantine: Quarantine, astronaut: Path) -> None:
    read(quarantine, astronaut)
    old = idle(quarantine)
    old.files = FILES_A_CELL - 1
    read(quarantine, astronaut)
    assert idle(quarantine) is not old
    assert read(quarantine, astronaut).kind == "image"
    old.close()


def test_many_at_once_take_turns(quarantine: Quarantine, tmp_path: Path) -> None:
    (tmp_path / "junk.mp4").write_bytes(b"junk" * 999)
    paths = [clip("three.mp4"), tmp_path / "junk.mp4", clip("one.mp4"), clip("turned.mp4")] * 4

    def visit(path: Path) -> list[int] | str:
        try:
            return barcodes(read(quarantine, path))
        except MediaError as error:
            return str(error)[:20]

    with ThreadPoolExecutor(8) as visitors:
        seen = list(visitors.map(visit, paths))
    assert seen[0] == [0, 1, 2] and seen[1] == "the file is damaged," and seen[2] == [0] and len(seen[3]) == 16
    assert seen == seen[:4] * 4
    assert len(quarantine._idle) <= quarantine.size


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_reads_by_itself(quarantine: Quarantine, astronaut: Path) -> None:
    read(quarantine, astronaut)
    mine = idle(quarantine).process.pid
    pipe, end = get_context("fork").Pipe()

    def elsewhere() -> None:
        end.send((read(quarantine, clip("three.mp4")).kind, idle(quarantine).process.pid))

    child = get_context("fork").Process(target=elsewhere)
    child.start()
    kind, other = pipe.recv()
    child.join()
    assert kind == "video" and other != mine
    assert read(quarantine, astronaut).kind == "image" and idle(quarantine).process.pid == mine


@LINUX
def test_nothing_stays_behind_however_the_parent_ends(astronaut: Path) -> None:
    line = (
        "import os, sys; from emo_toolkit.photos import DEFAULT_LIMITS; from emo_toolkit.quarantine import Quarantine;"
        "q = Quarantine(); q.load_media(sys.argv[1], num_frames=1, limits=DEFAULT_LIMITS);"
        "print(q._idle[-1].process.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    shown = subprocess.run([sys.executable, "-c", line, str(astronaut)], capture_output=True, text=True)
    worker, end = Path(f"/proc/{int(shown.stdout)}"), time.monotonic() + 20
    while worker.exists() and "\nState:\tZ" not in (worker / "status").read_text() and time.monotonic() < end:
        time.sleep(0.05)
    assert not worker.exists() or "\nState:\tZ" in (worker / "status").read_text()
