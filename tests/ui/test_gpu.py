"""The functions that a hosted GPU runs: what crosses the process border, for how long, and what the host refuses."""

import multiprocessing
import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
import torch

from emo_toolkit.checkpoints import load
from emo_toolkit.errors import EmoError
from emo_toolkit.pipeline import EmoPipeline, Reading, make_prompt
from emo_toolkit.ui import Desk
from emo_toolkit.ui.desk import MOST_GPU_SECONDS, for_gpu, gpu_seconds, on_gpu
from emo_toolkit.ui.failures import ANY, HOST, in_plain_words, toast, within

PROMPT = make_prompt("video", None, ())
SAMPLES: dict[str, Callable[[Reading], tuple[Any, ...]]] = {  # GPU function -> arguments, made of a light reading
    "ask": lambda light: (light, PROMPT),
    "vary": lambda light: (light, PROMPT, 2, False),
    "weigh": lambda light: ([light, light], PROMPT),
    "test_map": lambda light: (light, PROMPT, "fear", np.random.default_rng(0).random((len(light.seen), 4, 4))),
}


def gpu_functions(desk: Desk) -> dict[str, Callable[..., Any]]:
    return {name: value for name, value in vars(desk).items() if getattr(value, "on_gpu", False)}


def work(desk: Desk, name: str, request: bytes) -> Any:
    result = gpu_functions(desk)[name](*pickle.loads(request))
    return list(result) if isinstance(result, Iterator) else result


def work_elsewhere(folder: str, requests: dict[str, bytes]) -> dict[str, bytes]:
    """What a hosted GPU's worker does: arguments and results cross a process border."""
    torch.set_num_threads(1)
    desk = Desk(EmoPipeline(load(folder, device="cpu")))
    return {name: pickle.dumps(work(desk, name, request)) for name, request in requests.items()}


@pytest.fixture(scope="module")
def light(tiny_pipeline: EmoPipeline, clip: Path) -> Reading:
    reading = Desk(tiny_pipeline).look(str(clip), estimate=True)
    light = for_gpu(reading)
    assert not light.media.frames and light.frames == reading.frames
    return light


@pytest.fixture(scope="module")
def requests(light: Reading) -> dict[str, bytes]:
    return {name: pickle.dumps(arguments(light)) for name, arguments in SAMPLES.items()}


@pytest.fixture(scope="module")
def replies(tiny_pipeline: EmoPipeline, requests: dict[str, bytes]) -> dict[str, bytes]:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as worker:
        return worker.submit(work_elsewhere, str(tiny_pipeline.checkpoint.folder), requests).result(timeout=300)


def test_every_gpu_function_has_a_sample(tiny_pipeline: EmoPipeline) -> None:
    assert set(gpu_functions(Desk(tiny_pipeline))) == set(SAMPLES)


@pytest.mark.parametrize("name", SAMPLES)
def test_what_a_gpu_function_takes_and_gives_crosses_processes(
    name: str, tiny_pipeline: EmoPipeline, requests: dict[str, bytes], replies: dict[str, bytes]
) -> None:
    for message in (requests[name], replies[name]):
        assert len(message) < 2_000_000 and b"torch" not in message and b"gradio" not in message
    here, there = work(Desk(tiny_pipeline), name, requests[name]), pickle.loads(replies[name])
    assert type(here) is type(there)
    if name == "ask":
        assert [step[1:3] for step in there] == [step[1:3] for step in here]
        assert there[-1][0] == pytest.approx(here[-1][0], abs=1e-5)
        np.testing.assert_allclose(there[-1][3].rows, here[-1][3].rows, atol=1e-3)


def test_the_duration_grows_with_frames_tokens_and_variants(light: Reading) -> None:
    short = replace(light, crops=light.crops[:1])
    assert 0 < gpu_seconds(short) < gpu_seconds(replace(light, crops=light.crops * 8))
    assert gpu_seconds(light, tokens=8) < gpu_seconds(light, tokens=64) < gpu_seconds(light, variants=4)
    assert gpu_seconds(light, variants=10**6) == MOST_GPU_SECONDS


def failing(error: Exception) -> Callable[..., Any]:
    def task(*_: Any) -> None:
        raise error

    return task


def streaming(error: Exception) -> Callable[..., Any]:
    def task(*_: Any) -> Iterator[int]:
        yield 1
        raise error

    return task


@pytest.mark.parametrize("title", HOST)
@pytest.mark.parametrize("make", [failing, streaming])
def test_what_the_host_refuses_is_said_in_plain_words(title: str, make: Callable[[Exception], Any]) -> None:
    refused = on_gpu(lambda: 1)(make(gr.Error("You have exceeded your quota. Try again in 3:24:11. ", title=title)))
    with pytest.raises(EmoError) as caught:
        list(refused() or ())
    words = str(caught.value)
    assert (
        "ZeroGPU" not in words
        and "{" not in words
        and words.endswith(".")
        and ("3:24:11" in words) == (title == "ZeroGPU quota exceeded")
    )


def test_an_error_of_ours_keeps_its_words_across_the_border() -> None:
    """In the host's fork only a gr.Error keeps its message, and it is pickled."""
    inside = within(in_plain_words, failing(EmoError("no such face")))
    with pytest.raises(gr.Error) as caught:
        inside()
    back = pickle.loads(pickle.dumps(caught.value))
    assert back.message == "No such face" and back.print_exception is False
    with pytest.raises(EmoError, match="No such face"):
        on_gpu(lambda: 1)(failing(EmoError("no such face")))()


def test_an_unexpected_error_tells_its_place_to_the_log_and_nothing_to_anybody(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(gr.Error) as caught:
        within(in_plain_words, failing(FileNotFoundError("/home/maria/diary.jpg")))()
    assert caught.value.message == ANY and not caught.value.print_exception
    assert "FileNotFoundError at test_gpu.py:" in caplog.text and "maria" not in caplog.text + "".join(
        capfd.readouterr()
    )
    assert toast(caught.value) is caught.value
