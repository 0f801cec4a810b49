"""Upload -> Media, decoded in a process of its own: a hostile file can hang, crash or fill that one, not the app.

It answers in JSON, and leaves the pixels in a file in memory; nothing is unpickled. Run by `python -m`.
"""

import gc
import json
import math
import os
import signal
import struct
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from threading import BoundedSemaphore, Timer
from typing import IO, Any

from PIL import Image

from .errors import MediaError
from .media import MAX_SIDE, load_media
from .photos import MediaLimits
from .schema import Media

try:
    import resource
except ImportError:  # Windows: no cap on memory there, only on time
    resource = None

FILES_A_CELL = 100  # then a new process takes over, so that nothing piles up in one
MEMORY = 2 * 2**30  # bytes of address space of a process; a 4K clip in 10 bits needs a third of it
GRACE_SECONDS = 5.0  # beyond `max_decode_seconds`, which the process itself heeds between two reads
MAX_PIXELS = 2**29  # bytes of all frames of a file
MAX_HEADER = 2**20  # bytes of JSON
HEADER = struct.Struct(">I")  # number of bytes of JSON that follow
CRASHED = "the file made its decoder crash, so it is not read; save it anew in another program and try again"
TOO_LONG = "reading the file takes too long; cut it, make it smaller or save it anew, and try again"
# Small: one thread of arithmetic, and two pools of memory for all threads of a video decoder.
FRUGAL = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}


class Quarantine:
    """Reads files in processes that are thrown away when a file was bad. Safe to share between threads.

    Args:
        size: how many files are read at the same time; further callers wait.
    """

    def __init__(self, size: int = 2) -> None:
        self.size = size
        self._owner, self._free, self._idle = os.getpid(), BoundedSemaphore(size), deque()

    def load_media(self, path: str | Path, *, num_frames: int, limits: MediaLimits) -> Media:
        """As `media.load_media`, and also within a limit on wall time and memory.

        Raises:
            MediaError: The file is missing, damaged, of another kind, or beyond a cap; it hangs or crashes a decoder.
        """
        request = {"path": os.path.abspath(path), "num_frames": num_frames, "limits": asdict(limits)}
        with self._cell() as cell:
            return cell.read(request)

    @contextmanager
    def _cell(self) -> Iterator["Cell"]:
        if self._owner != os.getpid():  # forked: the other process goes on talking to the cells that it has
            self._owner, self._free, self._idle = os.getpid(), BoundedSemaphore(self.size), deque()
        with self._free:
            cell = self._idle.pop() if self._idle else Cell()
            if cell.process.poll() is not None:  # ended from outside while it waited
                cell.close()
                cell = Cell()
            try:
                yield cell
            except BaseException:
                cell.close()
                cell = Cell()  # starts while nobody waits for it
                raise
            finally:
                self._idle.append(cell if cell.files < FILES_A_CELL else Cell())

    def close(self) -> None:
        """Ends the processes that nobody waits for; they also end by themselves when this process does."""
        while self._idle:
            self._idle.pop().close()


class Cell:
    """One decoder process, the pipes to it, and the file in which it leaves frames: a pipe would have both processes
    wait for each other a hundred times for one photo."""

    def __init__(self) -> None:
        package = Path(__file__).parent
        paths = filter(None, [str(package.parent), os.environ.get("PYTHONPATH")])
        self.files, self.greeted, self.frames = 0, False, nameless_file()
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", f"{package.name}.{Path(__file__).stem}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.frames,
            env={**os.environ, **FRUGAL, "PYTHONPATH": os.pathsep.join(paths)},
        )

    def read(self, request: dict[str, Any]) -> Media:
        """Sends one request and builds the Media from the reply, both within the limit on time.

        Raises:
            MediaError: the decoder says so, or it hangs or crashes.
        """
        self.files += 1
        limits, late = MediaLimits(**request["limits"]), []
        timer = Timer(limits.max_decode_seconds + GRACE_SECONDS, lambda: (late.append(True), self.process.kill()))
        try:
            timer.start()
            if not self.greeted:
                self.greeted = receive(self.process.stdout) == {"ready": True}
            send(self.process.stdin, request)
            reply = receive(self.process.stdout)
            if "error" in reply:
                raise MediaError(reply["error"])
            return self._media(reply, request["num_frames"], limits)
        except (OSError, EOFError) as error:
            if not self.greeted:
                self.frames.seek(0)
                raise RuntimeError(
                    f"the decoder does not start: {self.frames.read().decode(errors='replace')}"
                ) from error
            raise MediaError(TOO_LONG if late else CRASHED) from error
        finally:
            timer.cancel()

    def _media(self, reply: dict[str, Any], num_frames: int, limits: MediaLimits) -> Media:
        """The frames of a reply; a decoder that was taken over cannot make them larger than the caps."""
        width, height = reply["size"]
        is_photo, times = reply["kind"] == "image", tuple(map(float, reply["times"]))
        cap = limits.max_pixels if is_photo else MAX_SIDE**2
        if not (0 < width * height <= cap and 0 < len(times) <= (1 if is_photo else num_frames)):
            raise EOFError(f"{len(times)} frames of {width} x {height}")
        size, data = (width, height), self.frames
        data.seek(0)
        frames = tuple(Image.frombytes("RGB", size, exactly(data, 3 * width * height)) for _ in times)
        data.truncate(0)
        return Media(frames, times, kind=reply["kind"], size=size, duration=reply["duration"])

    def close(self) -> None:
        """Ends the process, whatever it is doing."""
        self.process.kill()
        self.process.wait()
        for file in (self.process.stdin, self.process.stdout, self.frames):
            with suppress(OSError):  # what was not yet sent
                file.close()


def nameless_file() -> IO[bytes]:
    """In memory where the system has such, or else on disk; it goes with the last process that has it open."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("frames"), "w+b", buffering=0)
    return tempfile.TemporaryFile(buffering=0)


def send(stream: IO[bytes], message: dict[str, Any]) -> None:
    """Writes one message."""
    text = json.dumps(message).encode()
    stream.write(HEADER.pack(len(text)) + text)
    stream.flush()


def receive(stream: IO[bytes]) -> dict[str, Any]:
    """Reads one message.

    Raises:
        EOFError: the other side is gone, or the message is none.
    """
    (length,) = HEADER.unpack(exactly(stream, HEADER.size))
    if length > MAX_HEADER:
        raise EOFError(f"a message of {length} bytes")
    try:
        return dict(json.loads(exactly(stream, length)))
    except (ValueError, TypeError) as error:
        raise EOFError("no message") from error


def exactly(stream: IO[bytes], count: int) -> bytes:
    """The next `count` bytes; EOFError when there are fewer."""
    data = stream.read(count)
    if len(data) < count:
        raise EOFError(f"{len(data)} bytes of {count}")
    return data


def serve(source: IO[bytes], sink: IO[bytes], frames: IO[bytes]) -> None:
    """The process's side: answers requests until the other side is gone."""
    send(sink, {"ready": True})
    with suppress(EOFError):
        while True:
            answer(receive(source), sink, frames)
            gc.collect()  # a video decoder leaves 3 MB in cycles; nobody waits now


def answer(request: dict[str, Any], sink: IO[bytes], frames: IO[bytes]) -> None:
    """Reads one file and sends what it shows, or the error."""
    limits = MediaLimits(**request["limits"])
    die_after(math.ceil(limits.max_decode_seconds + 2 * GRACE_SECONDS))
    try:
        media = load_media(request["path"], num_frames=request["num_frames"], limits=limits)
    except MediaError as error:
        send(sink, {"error": str(error)})
    else:
        frames.seek(0)
        for frame in media.frames:
            frames.write(frame.tobytes())
        send(sink, {"kind": media.kind, "size": media.size, "times": media.times, "duration": media.duration})
    die_after(0)


def die_after(seconds: int) -> None:
    """The system ends this process then, also when its parent is gone and its decoder hangs; 0: it does not."""
    if hasattr(signal, "alarm"):
        signal.alarm(seconds)


def confine() -> None:
    """Caps this process: memory, no core dump (it would hold somebody's face), no endless file, deaf to Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if resource:
        for kind, cap in (
            (resource.RLIMIT_AS, MEMORY),
            (resource.RLIMIT_CORE, 0),
            (resource.RLIMIT_FSIZE, MAX_PIXELS),
        ):
            with suppress(ValueError, OSError):  # macOS refuses some
                resource.setrlimit(kind, (cap, cap))


def main() -> None:
    sink, frames = os.fdopen(os.dup(1), "wb"), os.fdopen(os.dup(2), "wb", buffering=0)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for standard in (1, 2):  # what a library prints is no reply and no picture
        os.dup2(nowhere, standard)
    confine()
    gc.freeze()  # what was imported is no garbage
    serve(sys.stdin.buffer, sink, frames)


if __name__ == "__main__":
    main()
