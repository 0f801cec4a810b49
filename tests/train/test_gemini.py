"""The script asks a local server through the vendor's package: what is sent, paid for, tried again and kept."""

import io
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from gemini_server import GeminiServer, Reply, answer, conversation, failure
from PIL import Image

from emo_toolkit.data import load_instructions
from emo_toolkit.labels import LABELS
from emo_toolkit.recording import write_clip
from train import asking, gemini, generate_instructions

KEY = "secret-key-0123456789"
PAID = ("--writer", "gemini", "--model", "made-up-model", "--prices", 1, 10, "--max-cost", 5, "--per-minute", 60000)
REQUEST_COST = (1000 * 1 + 200 * 10) / 1e6  # USD, of gemini_server.USAGE


@pytest.fixture
def package() -> None:
    pytest.importorskip("google.genai", reason="needs the optional google-genai")


@pytest.fixture
def server(package, monkeypatch) -> Iterator[GeminiServer]:
    """Google's service, as far as the package knows; failures are retried after some milliseconds."""
    server = GeminiServer()
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", server.url)
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    monkeypatch.setattr(gemini, "FIRST_WAIT", 0.01)
    yield server
    server.close()


@pytest.fixture(scope="module")
def manifest(tmp_path_factory) -> Path:
    """Twelve photos s00.jpg ... with labels in turn and their names as descriptions, and three frames of grey."""
    root = tmp_path_factory.mktemp("mine")
    lines = ["path,label,caption"]
    for number in range(12):
        Image.new("RGB", (900, 450), (10 * number, 90, 90)).save(root / f"s{number:02d}.jpg")
        lines.append(f"s{number:02d}.jpg,{LABELS['mafw'][number % 7]},s{number:02d}")
    write_clip((Image.new("RGB", (64, 64), (level,) * 3) for level in (20, 120, 220)), root / "clip.mp4", fps=5)
    (root / "mine.csv").write_text("\n".join([*lines, "clip.mp4,fear,clip"]))
    return root / "mine.csv"


@pytest.fixture
def run(manifest, tmp_path, monkeypatch, capsys) -> Callable[..., SimpleNamespace]:
    """Runs the script in this process over the manifest; returns its exit, output, journal and rows."""

    def run(*words: object) -> SimpleNamespace:
        out = tmp_path / "out.json"
        asked = ["--dataset", "manifest", "--root", manifest, "--split", "all", "--out", out, *PAID, "--yes", *words]
        monkeypatch.setattr(sys, "argv", ["generate_instructions.py", *map(str, asked)])
        code = None
        try:
            generate_instructions.main()
        except SystemExit as stop:
            code = stop.code
        said = capsys.readouterr()
        journal = out.with_name("out.json.journal")
        lines = journal.read_text().splitlines()[1:] if journal.is_file() else []
        assert KEY not in said.out + said.err + "".join(lines) + str(code)
        return SimpleNamespace(
            code=code,
            said=said.out + said.err,
            journal=journal,
            entries=[json.loads(line) for line in lines],
            outcomes={Path(entry["id"]).stem: entry["outcome"] for entry in map(json.loads, lines)},
            rows=json.loads(out.read_text()) if out.is_file() else None,
            out=out,
        )

    return run


def test_what_is_sent_and_what_comes_of_it(server, run):
    done = run()
    assert done.code is None and set(server.asked.values()) == {1} and len(server.seen) == 13
    for request in server.seen:
        config = request["body"]["generationConfig"]
        assert request["path"].endswith("/models/made-up-model:generateContent") and request["key"] == KEY
        assert config["responseMimeType"] == "application/json" and config["responseJsonSchema"]["required"] == [
            "turns"
        ]
        assert config["maxOutputTokens"] == 4096 and request["type"] == "image/jpeg"
        assert "what can be seen" in request["body"]["systemInstruction"]["parts"][0]["text"]
        picture = Image.open(io.BytesIO(request["picture"]))
        assert picture.size == ((64, 64) if request["name"] == "clip" else (768, 384))
    sent = {request["name"]: request for request in server.seen}
    assert abs(np.asarray(Image.open(io.BytesIO(sent["clip"]["picture"]))).mean() - 120) < 8  # the centre frame
    assert "centre frame of a video" in sent["clip"]["text"] and sent["s01"]["label"] == "disgust"
    assert [row["id"] for row in done.rows][::12] == ["manifest/mine/s00.jpg", "manifest/mine/clip.mp4"]
    assert done.rows[12]["video"] == "clip.mp4" and {row["writer"] for row in done.rows} == {"gemini"}
    items = load_instructions(done.out)["manifest/mine/s01.jpg"]
    assert items[0].answer == "The person looks full of disgust: the brows are raised." and len(items) == 2
    assert f"about ${13 * (1120 + 250 * 10) / 1e6:.2f}"[:9] in done.said and "check https://" in done.said


def test_nothing_is_asked_twice(server, run):
    server.replies["s03"] = [answer("no JSON")]
    first = run("--limit", 5, "--writer", "category", "gemini")
    assert len(server.seen) == 5 and len(first.rows) == 5 + 5 - (first.outcomes.get("s03") == "invalid")
    second = run()
    assert len(server.seen) == 13 and set(server.asked.values()) == {1}
    third = run()
    assert len(server.seen) == 13 and third.rows == second.rows and third.entries == second.entries


def test_a_server_that_asks_to_wait(server, run):
    """One 429 keeps all from asking for as long as it says; what it says is said in one of two ways."""
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.5s"}
    server.replies["s00"] = [failure(429, "RESOURCE_EXHAUSTED", headers={"Retry-After": "1"})]
    server.replies["s05"] = [failure(429, "RESOURCE_EXHAUSTED", details=[info])]
    done = run("--in-flight", 1)
    times = [request["time"] for request in server.seen]
    assert len(done.rows) == 13 and len(times) == 15
    for name, least in (("s00", 1.0), ("s05", 0.5)):
        place = next(number for number, request in enumerate(server.seen) if request["name"] == name)
        assert times[place + 1] - times[place] >= least and server.seen[place + 1]["name"] == name


def test_failures_that_end_and_failures_that_do_not(server, run):
    server.replies["s00"] = [failure(500, "INTERNAL"), failure(503, "UNAVAILABLE"), Reply(b"<html>", 502)]
    server.replies["s01"] = [failure(500, "INTERNAL")] * gemini.TRIES
    server.replies["s02"] = [failure(400, "INVALID_ARGUMENT")]
    server.replies["s03"] = [Reply(b"not JSON")] * gemini.TRIES
    done = run()
    assert done.code is None and server.asked["s00"] == 4 and server.asked["s02"] == 1
    assert server.asked["s01"] == server.asked["s03"] == gemini.TRIES
    missing = {name for name, outcome in done.outcomes.items() if outcome == "unanswered"}
    assert missing == {"s01", "s02", "s03"} and len(done.rows) == 10
    assert "unanswered: manifest/mine/s01.jpg: 500 INTERNAL INTERNAL happened" in done.said
    again = run()  # they cost nothing, so they are tried again
    assert len(again.rows) == 13 and server.asked["s04"] == 1


@pytest.mark.filterwarnings("ignore:A_REASON_OF_NEXT_YEAR")
def test_refusals_and_unusable_answers(server, run):
    blocked = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 900}}
    server.replies["s00"] = [Reply(blocked)]
    server.replies["s01"] = [answer("", finish="PROHIBITED_CONTENT")]
    server.replies["s02"] = [answer('{"turns": []}')]
    server.replies["s03"] = [answer(conversation("fear")[:40])]
    server.replies["s04"] = [answer(conversation("sadness"), finish="MAX_TOKENS")]
    server.replies["s05"] = [answer(conversation("anger"))]  # the label is sadness
    server.replies["s06"] = [Reply({"candidates": []})]
    server.replies["s07"] = [answer("", finish="A_REASON_OF_NEXT_YEAR")]
    done = run()
    assert [done.outcomes[f"s{n:02d}"] for n in range(8)] == ["refused"] * 3 + ["invalid"] * 3 + ["refused"] * 2
    assert done.code is None and len(done.rows) == 5 and "written 5, refused 5, invalid 3" in done.said
    for words in ("blocked: SAFETY", "PROHIBITED_CONTENT", "no turns", "no JSON", "cut off", "does not say sadness"):
        assert words in done.said
    assert next(entry for entry in done.entries if entry["id"].endswith("s00.jpg"))["tokens"] == [900, 0]
    run()
    assert len(server.seen) == 13  # paid for, and no better the second time


def test_a_slow_server_and_a_file_that_is_none(server, run, manifest, tmp_path):
    server.replies["s00"] = [Reply({}, delay=1.5)]
    broken = manifest.with_name("broken.jpg")
    broken.write_bytes(b"no photo")
    table = manifest.with_name("two.csv")
    table.write_text("path,label,caption\ns00.jpg,fear,s00\nbroken.jpg,fear,b\nmissing.jpg,fear,m\n")
    done = run("--root", table, "--timeout", 1)
    assert server.asked == {"s00": 2} and len(done.rows) == 1
    assert done.outcomes == {"s00": "written", "broken": "unreadable", "missing": "unreadable"}
    assert f"{table}, line 3" in done.said


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (failure(403, "PERMISSION_DENIED"), "refuses all requests (403 PERMISSION_DENIED"),
        (failure(404, "NOT_FOUND"), "check key and --model"),
        (failure(400, "INVALID_ARGUMENT", details=[{"reason": "API_KEY_INVALID"}]), "refuses all requests"),
        (failure(429, "RESOURCE_EXHAUSTED", headers={"Retry-After": "7200"}), "asks to wait 7200 s"),
    ],
)
def test_a_run_without_hope_ends_at_once(server, run, reply, words):
    for number in range(12):
        server.replies[f"s{number:02d}"] = [reply] * 9
    server.replies["clip"] = [reply] * 9
    done = run("--in-flight", 2)
    assert words in done.code and len(server.seen) <= 4 and done.rows is None and not done.entries


def test_a_service_out_of_reach_ends_the_run(server, run, monkeypatch):
    server.close()
    monkeypatch.setattr(gemini, "TRIES", 2)
    done = run("--in-flight", 1)
    assert "10 samples in a row got no answer" in done.code and len(done.entries) == 10


def test_the_cost_limit_holds(server, run):
    """It is never passed, not even by the longest answers, and a higher one goes on."""
    done = run("--max-cost", 0.06, "--in-flight", 3)
    spent = len(done.entries) * REQUEST_COST
    assert "cost limit of $0.06" in done.code and 0 < len(done.entries) < 13 and len(done.rows) == len(done.entries)
    assert spent <= 0.06 < spent + (4096 * 10 + 2000) / 1e6  # one more might have passed it
    again = run()
    assert again.code is None and f"of which ${spent:.2f} is spent" in again.said
    assert len(again.rows) == 13 and set(server.asked.values()) == {1}


def test_killed_and_gone_on(server, run, manifest, tmp_path, monkeypatch):
    """After SIGKILL only what was on its way is asked again, and nothing that was written down is lost."""
    server.delay = 0.05
    out = tmp_path / "out.json"
    words = ["--dataset", "manifest", "--root", manifest, "--split", "all", "--out", out, *PAID, "--in-flight", 2]
    monkeypatch.setattr(sys, "argv", ["", *map(str, words), "--yes"])
    if not (child := os.fork()):
        try:
            generate_instructions.main()
        finally:
            os._exit(1)  # the test kills it before
    end = time.monotonic() + 60
    while len(server.seen) < 5 and time.monotonic() < end:
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    journal = out.with_name("out.json.journal")
    before = journal.read_bytes()
    assert not out.exists() and before.count(b"\n") >= 3
    with journal.open("ab") as file:
        file.write(b'{"id": "manifest/mine/s00.jpg", "outco')  # what a kill in the middle of a line leaves
    done = run()
    assert len(done.rows) == 13 and done.journal.read_bytes().startswith(before) and len(done.entries) == 13
    assert sum(server.asked.values()) - 13 <= 2 and set(server.asked) == {f"s{n:02d}" for n in range(12)} | {"clip"}


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_signals_wait_for_what_is_paid(server, run, sign):
    server.delay = 0.2
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)

    def interrupt() -> None:
        end = time.monotonic() + 10
        while len(server.seen) < 4 and time.monotonic() < end:
            time.sleep(0.005)
        os.kill(os.getpid(), sign)

    thread = threading.Thread(target=interrupt)
    thread.start()
    done = run("--in-flight", 3)
    thread.join()
    assert done.code == 128 + sign and f"stopped by {sign.name}" in done.said and done.rows is None
    assert len(done.entries) == len(server.seen) < 13  # whatever was asked was written down
    assert handlers == (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))
    assert len(run().rows) == 13 and set(server.asked.values()) == {1}


def test_answers_of_another_model_are_not_mixed(server, run):
    run("--limit", 2)
    other = run("--model", "better-model")
    assert "holds answers of model made-up-model, not better-model; choose another --out" in other.code
    assert len(server.seen) == 2


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    "stdin", [io.StringIO("y\n"), Terminal("n\n"), Terminal("\n"), Terminal(""), Terminal("Yes\n")]
)
def test_nothing_is_asked_without_a_yes(server, monkeypatch, manifest, tmp_path, stdin):
    """The first is no terminal; the last agrees."""
    monkeypatch.setattr(sys, "stdin", stdin)
    words = ["--dataset", "manifest", "--root", manifest, "--split", "all", "--out", tmp_path / "o.json", *PAID]
    monkeypatch.setattr(sys, "argv", ["", *map(str, words)])
    if stdin.getvalue() == "Yes\n":
        generate_instructions.main()
        assert len(server.seen) == 13
        return
    with pytest.raises(SystemExit, match="add --yes"):
        generate_instructions.main()
    assert not server.seen and not (tmp_path / "o.json.journal").exists()


def test_other_settings_of_the_vendor_change_nothing(server, run, monkeypatch):
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
    monkeypatch.setenv("GOOGLE_API_KEY", "another")
    assert len(run("--limit", 2).rows) == 2 and {request["key"] for request in server.seen} == {KEY}


def test_without_key_or_package(run, monkeypatch):
    for name in gemini.KEYS:
        monkeypatch.delenv(name, raising=False)
    assert "set GEMINI_API_KEY or GOOGLE_API_KEY" in run().code
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    monkeypatch.setitem(sys.modules, "google.genai", None)
    monkeypatch.delattr("google.genai", raising=False)
    assert "pip install google-genai" in run().code


def test_an_estimate_is_what_it_says(manifest):
    samples = generate_instructions.load_samples("manifest", manifest, "all")
    budget = asking.Budget(price_in=2, price_out=20, most=5, max_output_tokens=1000)
    lines = asking.estimate(samples, budget, spent=0.25, per_minute=6)
    tokens = asking.request_tokens(samples[0])
    assert 1120 + 300 < tokens < 1120 + 900
    text = "\n".join(lines)
    assert "13 samples (image, video)" in text and "250 out, 1,000 out at most" in text and "at least 2 min" in text
    assert f"${13 * (tokens * 2 + 1000 * 20) / 1e6:.2f} if" in text and "$5.00, of which $0.25 is spent" in text
