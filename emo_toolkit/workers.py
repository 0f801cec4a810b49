"""Pools of processes that start clean and never outlive the process that made them."""

import multiprocessing
import os
import signal
import threading
from multiprocessing.context import BaseContext


def fresh_processes(preload: str) -> BaseContext:
    """A context for workers without this process's threads; where it can, they share one import of `preload`."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([preload])
    return context


def obey_parent() -> None:
    """For a worker's start: it leaves Ctrl-C to the parent, and goes when the parent is gone, however it ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_go_with_parent, daemon=True).start()


def _go_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)
