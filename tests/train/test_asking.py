"""The parts of asking a teacher, without a network: pace, waits, the journal, threads that fail, signals."""

import os
import signal
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace

import pytest

from emo_toolkit.errors import EmoError
from emo_toolkit.schema import EmoSample
from train.asking import Asking, Budget, Stopped
from train.gemini import Pacer, Stopping, asked_wait
from train.journal import INVALID, UNANSWERED, WRITTEN, Entry, Journal

SAMPLE = EmoSample("s", "/data/a/b.jpg", "image", "happiness", "manifest", "all")
FREE = Budget(price_in=0, price_out=0, most=0, max_output_tokens=10)


def test_a_pacer_keeps_the_rate_and_lets_go():
    stop = threading.Event()
    pacer, begun = Pacer(1200, stop), time.monotonic()
    for _ in range(5):
        pacer.turn()
    assert 0.2 <= time.monotonic() - begun < 1
    pacer.hold(60)
    threading.Timer(0.05, stop.set).start()
    with pytest.raises(Stopping):
        pacer.turn()
    assert time.monotonic() - begun < 2


@pytest.mark.parametrize(
    ("headers", "details", "seconds"),
    [
        ({"retry-after": "17"}, None, 17),
        ({"retry-after": "-3"}, None, 0),
        ({"retry-after": "soon"}, None, 0),
        ({}, {"error": {"details": [{"retryDelay": "2.5s"}, {"reason": "x"}]}}, 2.5),
        ({}, {"error": {"details": [{"retryDelay": 3}]}}, 0),
        ({}, "text", 0),
    ],
)
def test_how_long_a_server_asks_to_wait(headers, details, seconds):
    error = SimpleNamespace(response=SimpleNamespace(headers=headers), details=details)
    assert asked_wait(error) == seconds
    headers["retry-after"] = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert 25 < asked_wait(error) <= 30
    assert asked_wait(OSError()) == 0


def test_a_journal_mends_its_end_and_names_damage(tmp_path):
    path, made_from = tmp_path / "j", {"model": "m", "fold": None}
    journal = Journal(path, made_from)
    assert not path.exists() and not journal.answered("a") and list(journal.entries(["a"], WRITTEN)) == []
    journal.append(Entry("a", UNANSWERED, "500", tokens=(0, 0)))
    journal.append(Entry("b", WRITTEN, turns=[["q", "é"]], tokens=(10, 2)))
    journal.append(Entry("a", INVALID, "no", tokens=(5, 1)))
    whole = path.read_bytes()
    for cut in range(len(whole.splitlines(True)[0]), len(whole) + 1):
        path.write_bytes(whole[:cut])
        again = Journal(path, made_from)
        assert path.read_bytes() == whole[: whole.rfind(b"\n", 0, cut) + 1]
    assert again.tokens == [15, 3] and again.answered("a") and again.answered("b")
    assert [entry.id for entry in again.entries(["b", "a", "c"], WRITTEN, INVALID)] == ["b", "a"]
    assert "written 1, refused 0, invalid 1" in again.report(["a", "b"])[0]
    path.write_bytes(whole.replace(b'"b"', b'"b'))
    with pytest.raises(EmoError, match="line 3 is damaged"):
        Journal(path, made_from)
    with pytest.raises(EmoError, match="fold None, not 2"):
        path.write_bytes(whole)
        Journal(path, made_from | {"fold": 2})
    for stranger in (b"", b"my diary", b"[]\n", b'{"made_from": 3}\n'):
        path.write_bytes(stranger)
        with pytest.raises(EmoError, match="no journal"):
            Journal(path, made_from)
        assert path.read_bytes() == stranger


def test_an_error_in_one_thread_ends_the_run_but_loses_nothing(tmp_path):
    """What other threads were asking when it happened is written down first."""
    stop, begun = threading.Event(), threading.Barrier(3)

    def ask(sample: EmoSample) -> Entry:
        begun.wait(5)
        if sample.id == "1":
            raise ZeroDivisionError("a bug")
        stop.wait(5)
        return Entry(sample.id, WRITTEN, turns=[["q", "a"]], tokens=(1, 1))

    journal = Journal(tmp_path / "j", {})
    samples = [replace(SAMPLE, id=str(number)) for number in range(9)]
    with pytest.raises(ZeroDivisionError):
        Asking(ask, journal, FREE, stop, in_flight=3).run(samples)
    assert [journal.answered(sample.id) for sample in samples] == [True, False, True] + [False] * 6


def test_a_second_signal_leaves_at_once(tmp_path):
    """A request that never comes back cannot hold a person who means it."""
    child = os.fork()
    if not child:
        stop = threading.Event()

        def ask(sample: EmoSample) -> Entry:
            os.kill(os.getpid(), signal.SIGINT)
            stop.wait(5)
            os.kill(os.getpid(), signal.SIGTERM)
            threading.Event().wait(60)
            return Entry(sample.id, WRITTEN)

        try:
            Asking(ask, Journal(tmp_path / "j", {}), FREE, stop, in_flight=1).run([SAMPLE])
        except Stopped:
            os._exit(1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 128 + signal.SIGTERM
