"""Drawing a set by the script: the same files however it is run and stopped, and one line to say so."""

import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from emo_toolkit.data import load_samples
from emo_toolkit.data.synthetic_writer import draw_item
from emo_toolkit.synthetic.plan import plan_item
from emo_toolkit.synthetic.renderer import FaceRenderer
from train import generate_synthetic
from train.drawing import THREADS

ROOT = Path(generate_synthetic.__file__).parents[1]
WORDS = ("--images", 20, "--clips", 1, "--seed", 5, "--size", 48, "--frames", 4)


@pytest.fixture(autouse=True)
def own_environment(monkeypatch) -> None:
    """A run sets how many threads its workers may have; other tests get theirs back."""
    for name in THREADS:
        monkeypatch.setenv(name, "1")


@pytest.fixture
def generate(monkeypatch, capsys) -> Callable[..., str]:
    """Runs the script in this process; returns what it printed."""

    def run(out: Path, *words: object) -> str:
        monkeypatch.setattr(sys, "argv", ["generate_synthetic.py", "--out", str(out), *map(str, words)])
        generate_synthetic.main()
        return capsys.readouterr().out

    return run


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """The set as two workers draw it without interruption."""
    out = tmp_path_factory.mktemp("whole") / "set"
    kept = {sign: signal.getsignal(sign) for sign in (signal.SIGTERM, signal.SIGINT)}
    with pytest.MonkeyPatch.context() as patch:
        for name in THREADS:
            patch.setenv(name, "1")
        patch.setattr(sys, "argv", ["", "--out", str(out), *map(str, WORDS), "--workers", "2"])
        generate_synthetic.main()
    for sign, handler in kept.items():
        signal.signal(sign, handler)
    return out


def files(root: Path) -> dict[str, bytes]:
    found = {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if name != ".lock"}


def drawn(root: Path) -> int:
    return len(list(root.glob("images/*/*.jpg")))


def when(done: Callable[[], bool], act: Callable[[], object]) -> threading.Thread:
    """Acts as soon as something is done."""

    def watch() -> None:
        end = time.monotonic() + 60
        while not done() and time.monotonic() < end:
            time.sleep(0.01)
        act()

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


def alive(group: int) -> bool:
    """Whether any process of a group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def small_files() -> Iterator[Callable[[int | None], None]]:
    """Limits the size of files that this process and its children write; None lifts the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size or soft, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_the_set_is_what_the_plan_says(whole):
    found = files(whole)
    assert len([name for name in found if name.endswith(".jpg")]) == 20 and "clips/train/0000000.mp4" in found
    assert json.loads(found["manifest.json"])["counts"] == {"images": {"train": 20}, "clips": {"train": 1}}
    samples = load_samples("synthetic", whole, "train")
    assert [sample.truth.seed for sample in samples] == [plan_item(5, "image", n).seed for n in range(20)]
    assert sorted(sample.label for sample in samples[:8]) == sorted(sample.label for sample in samples[8:16])


def test_processes_change_nothing(whole, tmp_path):
    """A renderer of this process draws the same bytes, in another order."""
    renderer = FaceRenderer()
    for kind, numbers, ending in (("image", (19, 3), ".jpg"), ("video", (0,), ".mp4")):
        for number in numbers:
            item = plan_item(5, kind, number)
            folder = tmp_path / kind
            (folder / item.split).mkdir(parents=True, exist_ok=True)
            draw_item(item, folder, renderer, size=48, frames=4)
            path = whole / ("images" if kind == "image" else "clips") / item.split / f"{number:07d}{ending}"
            assert (folder / item.split / path.name).read_bytes() == path.read_bytes()


def test_stopped_in_every_way_and_finished(whole, tmp_path, generate, capsys, small_files):
    """Killed, interrupted, and with a full disk, then grown: in the end the bytes of a run that nothing stopped."""
    out = tmp_path / "set"
    few = (*WORDS[2:], "--images", 19, "--workers", 1)
    script = [sys.executable, "train/generate_synthetic.py", "--out", out, *few]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = {"cwd": ROOT, "env": environment, "stderr": subprocess.DEVNULL, "start_new_session": True}
    killed = subprocess.Popen(list(map(str, script)), **words)
    when(lambda: drawn(out) >= 3, killed.kill).join()
    assert killed.wait() == -signal.SIGKILL
    when(lambda: not alive(killed.pid), lambda: None).join()  # its workers go by themselves
    assert not alive(killed.pid) and 3 <= (first := drawn(out)) < 19
    (out / "images" / "train" / "0000099.jpg.partial").write_bytes(b"half")
    seen = {path: path.stat().st_mtime_ns for path in sorted(out.glob("images/*/*.jpg"))[: first - 2]}

    interrupt = when(lambda: drawn(out) >= first + 3, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(SystemExit) as stop:
        generate(out, *few)
    interrupt.join()
    said = capsys.readouterr().err.splitlines()[-1]
    assert stop.value.code == 130 and said.startswith("stopped by SIGINT. What is drawn in ")
    assert "run the same line again" in said and not list(out.rglob("*.partial"))
    assert drawn(out) < 19

    small_files(700)
    with pytest.raises(SystemExit, match=r"stopped: .*File too large.* run the same line again to go on"):
        generate(out, *few)
    small_files(None)
    assert not list(out.rglob("*.partial"))

    assert "19 in" in generate(out, *few)
    assert seen.items() <= {path: path.stat().st_mtime_ns for path in out.glob("images/*/*.jpg")}.items()
    lost = out / "images" / "train" / "0000004.jpg"
    lost.unlink()
    generate(out, *WORDS, "--workers", 1)
    assert files(out) == files(whole)


def test_another_set_is_refused(whole, generate):
    before = files(whole)
    for words, message in (
        (("--seed", 6), "seed 5 instead of 6"),
        (("--size", 50), "size 48 instead of 50"),
        (("--factors", "compound"), "held_out"),
    ):
        with pytest.raises(SystemExit, match=f"holds a set made with {message}"):
            generate(whole, *WORDS, *words)
    assert files(whole) == before


def test_two_runs_at_once(whole, generate):
    with FileLock(whole / ".lock"), pytest.raises(SystemExit, match="another run is writing to"):
        generate(whole, *WORDS)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--size", 47), "47 is not even and in 32..1024"),
        (("--size", 16), "16 is not even and in 32"),
        (("--images", -1), "-1 is not in 0.."),
        (("--frames", 3), "3 is not in 4..240"),
        (("--seed", -1), "-1 is not in 0.."),
        (("--workers", 0), "0 is not in 1.."),
        (("--images", "many"), "invalid"),
        (("--factors", "age"), "invalid choice: 'age'"),
    ],
)
def test_wrong_words(tmp_path, generate, capsys, words, message):
    with pytest.raises(SystemExit):
        generate(tmp_path / "set", *words)
    assert message in capsys.readouterr().err and not (tmp_path / "set").exists()


def test_a_folder_that_is_a_file(tmp_path, generate):
    (tmp_path / "set").write_text("mine")
    with pytest.raises(SystemExit, match="File exists"):
        generate(tmp_path / "set", *WORDS)
