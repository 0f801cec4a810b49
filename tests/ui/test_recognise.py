"""The page behind a real server: what visitors send, and what they and their programs get back."""

import multiprocessing
import pickle
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from emo_toolkit.checkpoints import load
from emo_toolkit.labels import DEFAULT_OPTIONS
from emo_toolkit.media import DEFAULT_LIMITS
from emo_toolkit.pipeline import EmoPipeline, make_prompt
from emo_toolkit.ui import DISCLAIMER, LAUNCH, LIMITS, Desk, build_page
from emo_toolkit.ui.desk import for_gpu, gpu_seconds
from emo_toolkit.ui.recognise import ESTIMATE, GIVEN, headline

OUTPUTS = ("result", "plot", "answer", "crops", "prompt", "data")
BARS_OFF = "answered in words only"


def ask(client: Client, photo: Path | dict | None = None, clip: Path | None = None, **wishes: Any) -> dict[str, Any]:
    """The final outputs by name."""
    files = {
        "photo": handle_file(str(photo)) if isinstance(photo, Path) else photo,
        "clip": handle_file(str(clip)) if clip else None,
    }
    return dict(zip(OUTPUTS, client.predict(api_name="/read_face", **files, **wishes), strict=True))


def test_the_interface_for_programs_is_one_endpoint(client: Client) -> None:
    endpoints = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert list(endpoints) == ["/read_face"]
    inputs = endpoints["/read_face"]["parameters"]
    names = ("photo", "clip", "face", "question", "attributes", "age", "gender", "race")
    assert tuple(item["parameter_name"] for item in inputs) == names
    assert [item["parameter_default"] for item in inputs[2:]] == [0, "", "none", "", "", ""]
    assert [item["component"] for item in endpoints["/read_face"]["returns"]] == [
        *("Markdown", "Plot", "Textbox", "Gallery", "Textbox", "Json"),
    ]


def test_a_photo_gets_a_distribution_and_words_as_they_come(
    client: Client, talker: EmoPipeline, astronaut: Path
) -> None:
    job = client.submit(photo=handle_file(str(astronaut)), api_name="/read_face")
    last = dict(zip(OUTPUTS, job.result(), strict=True))
    expected = talker.predict(astronaut)
    data = last["data"]
    assert data["scores"] == pytest.approx(expected.scores, abs=1e-5) and sum(
        data["scores"].values()
    ) == pytest.approx(1)
    assert tuple(data["scores"]) == DEFAULT_OPTIONS
    assert (data["status"], data["label"], data["kind"]) == ("ok", expected.label, "image")
    assert last["answer"] == data["text"] == expected.text and expected.text
    assert last["prompt"] == expected.prompt
    assert "perceived expression" in str(last["plot"]).lower() and expected.label in last["result"]
    assert len(last["crops"]) == 1 and "in the photo" in last["result"]
    assert str(Path(astronaut).parent) not in str(last["data"]) and str(talker.checkpoint.folder) not in str(last)
    texts = [update[2] for update in job.outputs()]
    assert len(set(texts)) > 3 and texts[-1] == expected.text


def test_a_clip_shows_the_frames_that_were_read(client: Client, clip: Path) -> None:
    seen = ask(client, clip=clip, attributes=ESTIMATE)
    frames = seen["data"]["frames"]
    assert [frame["found"] for frame in frames] == [True, True, True, False]
    assert [item["caption"] for item in seen["crops"]] == [f"{frame['time']:.1f} s" for frame in frames[:3]]
    assert "3 of 4 frames" in seen["result"] and "no face" in seen["result"]
    known = seen["data"]["attributes"]
    assert known["origin"] == "estimated" and known["race"] is None and known["age"] in seen["prompt"]


def test_a_free_question_with_given_words_reaches_the_model(client: Client, astronaut: Path) -> None:
    question = "  How do the eyes look? <image> "
    seen = ask(client, astronaut, question=question, attributes=GIVEN, gender="female", race="Asian")
    assert "The person in the image is an Asian female. How do the eyes look?<" in seen["prompt"]
    assert seen["prompt"].count("<image>") == 1
    assert seen["data"]["attributes"]["origin"] == "given" and seen["data"]["attributes"]["age"] is None
    assert seen["data"]["scores"] == {} and seen["plot"] is None and BARS_OFF in seen["result"]


def test_words_left_in_the_boxes_stay_out_of_the_prompt(client: Client, astronaut: Path) -> None:
    assert "female" not in ask(client, astronaut, gender="female")["prompt"]


def test_no_face_is_said_in_plain_words(client: Client, noise: Path) -> None:
    seen = ask(client, noise)
    assert "No usable face was found" in seen["result"] and seen["data"]["status"] == "no_face"
    assert not seen["crops"] and seen["plot"] is None and seen["answer"] == ""


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("junk.jpg", b"not a photo at all" * 50, "damaged|kind"),
        ("empty.png", b"", "empty"),
        ("cut.png", b"\x89PNG\r\n\x1a\n" + bytes(40), "damaged|kind"),
        ("drawing.svg", b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', "damaged|kind"),
    ],
)
def test_a_bad_file_gets_a_sentence(client: Client, tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(AppError, match=message) as caught:
        ask(client, path)
    assert "Traceback" not in str(caught.value) and str(tmp_path) not in str(caught.value)


def test_a_pixel_bomb_is_refused_by_its_header(client: Client, tmp_path: Path) -> None:
    Image.new("1", (15_000, 15_000)).save(tmp_path / "bomb.png")  # 225 megapixels in a few KiB
    with pytest.raises(AppError, match="megapixels"):
        ask(client, tmp_path / "bomb.png")


def test_wishes_that_cannot_be_met_get_a_sentence(client: Client, astronaut: Path, clip: Path) -> None:
    for wishes, message in (
        ({}, "nothing to read"),
        ({"photo": astronaut, "clip": clip}, "remove one"),
        ({"photo": astronaut, "face": 3}, "no face number 3: 1 found"),
        ({"photo": astronaut, "attributes": GIVEN, "race": "Martian"}, "Martian"),
    ):
        with pytest.raises(AppError, match=message):
            ask(client, **wishes)


def test_files_of_the_server_and_addresses_are_refused(client: Client, tmp_path: Path) -> None:
    mark = {"_type": "gradio.FileData"}
    for path in (__file__, "/etc/passwd", "http://127.0.0.1:9/face.png"):
        with pytest.raises(AppError) as caught:
            ask(client, {"path": path, "meta": mark})
        assert "root:" not in str(caught.value)
    with pytest.raises(AppError, match="nothing to read"):
        ask(client, {"url": "data:image/png;base64,AAAA", "meta": mark})


def test_visitors_at_the_same_time_get_their_own_answers(
    address: str, talker: EmoPipeline, astronaut: Path, noise: Path, tmp_path: Path
) -> None:
    photo = Image.open(astronaut).convert("RGB")
    paths = [astronaut, noise]
    for number, picture in enumerate((photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT), photo.convert("L"))):
        paths.append(tmp_path / f"{number}.png")
        picture.save(paths[-1])

    def visit(path: Path) -> dict[str, Any]:
        return ask(Client(address, verbose=False, download_files=str(tmp_path)), path)["data"]

    with ThreadPoolExecutor(len(paths)) as visitors:
        answers = list(visitors.map(visit, paths))
    expected = [talker.predict(path) for path in paths]
    assert [data["status"] for data in answers] == [item.status for item in expected] == ["ok", "no_face", "ok", "ok"]
    for data, item in zip(answers, expected, strict=True):
        assert data.get("scores", {}) == pytest.approx(item.scores, abs=1e-5)
    assert expected[0].scores != pytest.approx(expected[2].scores, abs=1e-4)  # else the test would see nothing


def answer_elsewhere(folder: str, request: bytes) -> bytes:
    """What a hosted GPU's worker does: arguments and results cross a process border."""
    torch.set_num_threads(1)
    desk = Desk(EmoPipeline(load(folder, device="cpu")))
    return pickle.dumps(list(desk.ask(*pickle.loads(request))))


def test_what_the_gpu_function_takes_and_gives_crosses_processes(tiny_pipeline: EmoPipeline, clip: Path) -> None:
    reading = Desk(tiny_pipeline).look(str(clip), estimate=True)
    light = for_gpu(reading)
    assert not light.media.frames and light.frames == reading.frames
    request = pickle.dumps((light, make_prompt("video", None, (), reading.priors.attributes)))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as worker:
        reply = worker.submit(answer_elsewhere, str(tiny_pipeline.checkpoint.folder), request).result(timeout=120)
    for message in (request, reply):
        assert len(message) < 2_000_000 and b"torch" not in message and b"gradio" not in message
    here = list(Desk(tiny_pipeline).ask(*pickle.loads(request)))
    there = pickle.loads(reply)
    assert [step[1:3] for step in there] == [step[1:3] for step in here]
    assert there[-1][0] == pytest.approx(here[-1][0], abs=1e-5)
    np.testing.assert_allclose(there[-1][3].rows, here[-1][3].rows, atol=1e-3)


def test_a_longer_clip_asks_for_more_gpu_seconds(tiny_pipeline: EmoPipeline, astronaut: Path, clip: Path) -> None:
    short = Desk(tiny_pipeline).look(str(astronaut))
    long = Desk(tiny_pipeline).look(str(clip), estimate=False)
    assert 0 < gpu_seconds(short) <= gpu_seconds(long) <= 60


def test_the_page_says_what_it_is_and_keeps_little(address: str, talker: EmoPipeline) -> None:
    page = build_page(talker)
    texts = [str(block.value) for block in page.blocks.values() if block.get_block_name() == "markdown"]
    assert DISCLAIMER in texts and "perceived expression, not felt emotion" in DISCLAIMER
    assert any("Race is never inferred" in text and "at work or in education" in text for text in texts)
    assert page.delete_cache == (600, 600) and page._queue.max_size == 16
    assert LAUNCH["run_history"] is False and LAUNCH["allowed_paths"] == []
    assert LAUNCH["max_file_size"] == LIMITS.max_bytes < DEFAULT_LIMITS.max_bytes
    assert LIMITS.max_seconds < DEFAULT_LIMITS.max_seconds


def test_uploads_and_crops_are_deleted(
    talker: EmoPipeline, astronaut: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "kept"
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(kept))
    monkeypatch.setattr("emo_toolkit.ui.page.KEEP_SECONDS", 2)
    page = build_page(talker)
    _, url, _ = page.launch(prevent_thread_lock=True, quiet=True, share=False, **LAUNCH)
    before = {path for path in kept.rglob("*") if path.is_file()}  # the page's own picture
    try:
        visitor = Client(url, verbose=False, download_files=str(tmp_path / "downloads"))
        assert ask(visitor, astronaut)["data"]["status"] == "ok"
        end = time.monotonic() + 120
        while (left := {path for path in kept.rglob("*") if path.is_file()} - before) and time.monotonic() < end:
            time.sleep(0.2)
        assert not left
    finally:
        page.close()


def test_an_unsure_answer_names_two_words_and_a_sure_one_names_one() -> None:
    assert headline({"fear": 0.4, "anger": 0.35, "neutral": 0.25}) == "## Unsure: fear 40.0% or anger 35.0%?"
    assert headline({"fear": 0.6, "anger": 0.4}) == "## fear 60.0%"
