"""Times the page as a visitor meets it, served by `python app.py` in a process of its own; prints JSON.

    python benchmarks/page.py [--checkpoint mini] [--requests 200] [--repeats 5]

Memory is what the server and its decoder processes hold (PSS, in MiB). Growth is that of their own pages (anonymous):
the share of mapped files changes when another program opens or closes them. Requests are photos and clips in turn.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import socket

from gradio_client import Client, handle_file
from latency import PHOTO, write_film

ROOT = Path(__file__).resolve().parents[1]
REQUESTS_A_VISITOR = 5  # in one session
PATIENCE = 600.0  # s until the server must answer


@contextmanager
def served(checkpoint: str) -> Iterator[tuple[str, int]]:
    """The page's address and its process while it is served on a free port."""
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, str(ROOT / "app.py"), "--checkpoint", checkpoint, "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            yield f"http://127.0.0.1:{port}", server.pid
        finally:
            server.terminate()


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=60) as reply:
        return reply.read()


def seconds_until_up(address: str) -> float:
    """Waits until the server takes a connection."""
    began = time.perf_counter()
    host, port = address.removeprefix("http://").split(":")
    while time.perf_counter() - began < PATIENCE:
        with socket() as line:
            if line.connect_ex((host, int(port))) == 0:
                return time.perf_counter() - began
        time.sleep(0.02)
    raise SystemExit("the server does not start")


def seconds_of_first_page(address: str) -> float:
    """The page and the configuration that its script asks for."""
    began = time.perf_counter()
    fetch(f"{address}/")
    json.loads(fetch(f"{address}/config"))
    return time.perf_counter() - began


def processes_under(pid: int) -> list[int]:
    """The process and all its descendants."""
    tasks = Path(f"/proc/{pid}/task")
    children = {child for file in tasks.glob("*/children") for child in file.read_text().split()}
    return [pid, *(each for child in children for each in processes_under(int(child)))]


def memory(pid: int, kind: str = "Pss") -> float:
    """MiB of a process and its descendants; what they share counts once. Pss_Anon leaves mapped files out."""
    texts = (Path(f"/proc/{each}/smaps_rollup").read_text() for each in processes_under(pid))
    lines = (line.split() for text in texts for line in text.splitlines() if line.startswith(f"{kind}:"))
    return sum(int(kilobytes) for _, kilobytes, _ in lines) / 1024


def read(client: Client, wish: str, path: Path) -> tuple[float, float]:
    """Seconds from upload to distribution, and to the end of the answer."""
    began = time.perf_counter()
    job = client.submit(**{wish: handle_file(str(path))}, api_name="/read_face")
    times = [time.perf_counter() - began for record in job if record.get("scores")]
    return times[0], times[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", default="mini")
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, served(arguments.checkpoint) as (address, pid):
        film = Path(folder) / "film.mp4"
        write_film(film)
        figures = {"start_s": seconds_until_up(address), "first_page_s": seconds_of_first_page(address)}

        def visitor() -> Client:
            return Client(address, verbose=False, download_files=folder)

        figures["start_mib"] = memory(pid)
        for wish, path in (("photo", PHOTO), ("clip", film)):
            runs = [read(visitor(), wish, path) for _ in range(arguments.repeats + 1)][1:]
            for name, seconds in zip(("distribution", "answer"), zip(*runs, strict=True), strict=True):
                figures[f"{wish}_to_{name}_s"] = statistics.median(seconds)
        figures |= {"idle_mib": memory(pid), "idle_own_mib": (own := memory(pid, "Pss_Anon"))}
        for number in range(arguments.requests):
            if number % REQUESTS_A_VISITOR == 0:
                client = visitor()
            read(client, *(("clip", film) if number % 2 else ("photo", PHOTO)))
            if number % 50 == 49:
                figures[f"growth_after_{number + 1}_mib"] = memory(pid, "Pss_Anon") - own
        figures["growth_mib"] = memory(pid, "Pss_Anon") - own
    figures |= {"requests": arguments.requests, "cores": os.cpu_count()}
    print(json.dumps({name: round(value, 2) for name, value in figures.items()}, indent=1))


if __name__ == "__main__":
    main()
