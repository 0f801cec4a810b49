"""Items of a plan -> files and rows, drawn by a pool of processes and written down in order by this one.

However a run ends, no process stays, no file is half there, and the next run goes on where it was.
"""

import multiprocessing
import os
import signal
from collections import deque
from concurrent.futures import Future, ProcessPoolExecutor, wait
from itertools import chain
from pathlib import Path

import cv2
from tqdm import tqdm

from emo_toolkit.data.synthetic_writer import SyntheticWriter, clear_partials, draw_item
from emo_toolkit.synthetic.plan import Item, plan_item
from emo_toolkit.synthetic.renderer import FaceRenderer
from emo_toolkit.workers import fresh_processes, obey_parent

AHEAD = 4  # items a worker that are queued, being drawn, or waiting for their turn to be written down
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


class Stopped(Exception):
    """A signal asked the run to stop; its number is the argument."""


class Worker:
    """What a worker process keeps: one renderer, made for its first item."""

    renderer: FaceRenderer | None = None

    @staticmethod
    def start() -> None:
        """One thread; deaf to the terminal's Ctrl-C, which the parent answers; gone when the parent is."""
        obey_parent()
        cv2.setNumThreads(1)

    @staticmethod
    def draw(item: Item, folder: Path, size: int, frames: int) -> dict:
        """Writes the file of an item and returns its row."""
        Worker.renderer = Worker.renderer or FaceRenderer()
        return draw_item(item, folder, Worker.renderer, size=size, frames=frames)


class Drawing:
    """One run over a folder. SIGINT and SIGTERM end it with `Stopped`.

    Args:
        root: folder of the set, claimed by the caller.
        seed: of the plan.
        size: pixels.
        frames: of a clip.
        held_out: factors with a split of their own.
        workers: processes.
    """

    def __init__(
        self, root: Path, *, seed: int, size: int, frames: int, held_out: tuple[str, ...], workers: int
    ) -> None:
        self.root, self.seed, self.size, self.frames = root, seed, size, frames
        self.held_out, self.workers = held_out, workers
        self._asked: list[int] = []  # signals

    def run(self, counts: dict[str, int]) -> list[SyntheticWriter]:
        """Draws what the folder lacks of each kind, {"image": 1000, ...}; the writers tell what it then holds.

        Raises:
            Stopped: by a signal.
            OSError or EmoError: the disk is full, or an item cannot be drawn.
            BrokenProcessPool: a worker was killed.
        """
        os.environ.update(dict.fromkeys(THREADS, "1"))  # workers read them when they start
        for sign in (signal.SIGINT, signal.SIGTERM):
            signal.signal(sign, lambda number, _: self._asked.append(number))
        with ProcessPoolExecutor(self.workers, mp_context=fresh_processes(__name__), initializer=Worker.start) as pool:
            try:
                return [self._draw(kind, count, pool) for kind, count in counts.items()]
            except BaseException:
                for worker in multiprocessing.active_children():  # what they are drawing now is drawn again
                    worker.terminate()
                pool.shutdown(cancel_futures=True)
                clear_partials(self.root)
                raise

    def _draw(self, kind: str, count: int, pool: ProcessPoolExecutor) -> SyntheticWriter:
        writer, waiting = SyntheticWriter(self.root, kind), deque()
        begun = writer.next

        def take(item: Item, future: Future) -> None:
            row = self._result(future)
            if item.number >= begun:  # else only its file had gone
                writer.append(item.split, row)
            bar.update()

        done = begun - len(writer.lost)
        with tqdm(total=max(count, begun), initial=done, unit=kind, smoothing=0.05, disable=not count) as bar:
            for number in chain(writer.lost, range(begun, count)):
                item = plan_item(self.seed, kind, number, held_out=self.held_out)
                writer.path(item.split).parent.mkdir(parents=True, exist_ok=True)
                waiting.append((item, pool.submit(Worker.draw, item, writer.folder, self.size, self.frames)))
                if len(waiting) == AHEAD * self.workers:  # in order, so only a few results are held
                    take(*waiting.popleft())
            while waiting:
                take(*waiting.popleft())
        return writer

    def _result(self, future: Future) -> dict:
        while not self._asked and not wait([future], timeout=0.2).done:
            pass
        if self._asked:
            raise Stopped(self._asked[0])
        return future.result()
