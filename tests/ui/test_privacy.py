"""What visitors are promised: told first, asked first, forgotten soon, written to no log; race never inferred."""

import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import gradio.mcp
import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from emo_toolkit.face import EmbeddedAnalyser, FacialPriorExtractor
from emo_toolkit.media import DEFAULT_LIMITS
from emo_toolkit.pipeline import EmoPipeline
from emo_toolkit.schema import FaceAttributes
from emo_toolkit.ui import DISCLAIMER, LAUNCH, LIMITS, Desk, Subject, build_page
from emo_toolkit.ui.forgetting import forget_files
from emo_toolkit.ui.recognise import ESTIMATE

KEEP = 12  # s, in place of ten minutes
ALONE = ("httpx", "httpcore", "gradio_client", "asyncio", "mcp.client")  # loggers of the visitor, who is us


@pytest.fixture
def hasty(talker: EmoPipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[gr.Blocks, str]]:
    """A page that keeps things for seconds, and its address."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "kept"))
    for module in ("page", "recognise"):
        monkeypatch.setattr(f"emo_toolkit.ui.{module}.KEEP_SECONDS", KEEP)
    page = build_page(talker)
    _, url, _ = page.launch(prevent_thread_lock=True, quiet=True, share=False, **LAUNCH)
    yield page, url
    page.close()


def visit(page: gr.Blocks, url: str, photo: Path) -> None:
    """What the browser does when the button is pressed: upload, join the queue, listen to the end."""
    (number, event) = next((k, e) for k, e in page.fns.items() if getattr(e.fn, "__name__", "") == "show")
    values = [getattr(block, "value", None) for block in event.inputs]
    with httpx.Client(base_url=f"{url}gradio_api", timeout=120) as browser:
        (path,) = browser.post("/upload", files={"files": (photo.name, photo.read_bytes())}).json()
        values[0] = {"path": path, "meta": {"_type": "gradio.FileData"}}
        request = {"data": values, "fn_index": number, "session_hash": "maria"}
        assert browser.post("/queue/join", json=request).status_code == 200
        with browser.stream("GET", "/queue/data", params={"session_hash": "maria"}) as stream:
            last = [json.loads(line[6:]) for line in stream.iter_lines() if "process_completed" in line][-1]
    assert last["success"], last


def until(condition: Any, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.2)
    assert condition()


def test_files_face_and_visit_are_forgotten(hasty: tuple[gr.Blocks, str], astronaut: Path, tmp_path: Path) -> None:
    page, url = hasty
    kept = tmp_path / "kept"
    before = {path for path in kept.rglob("*") if path.is_file()}  # the page's own pictures
    visit(page, url, astronaut)
    session = page.state_holder.session_data["maria"]
    kept_words = str(session.config_values)
    assert astronaut.name in kept_words and "What is the facial expression" in kept_words  # gradio keeps all values
    until(lambda: not any(isinstance(value, Subject | dict) for value in session.state_data.values()))
    until(lambda: "maria" not in page.state_holder.session_data)
    until(lambda: not {path for path in kept.rglob("*") if path.is_file()} - before)


def test_what_agents_send_as_text_lies_in_a_folder_that_is_emptied(
    hasty: tuple[gr.Blocks, str], tmp_path: Path
) -> None:
    folder = Path(gradio.mcp.DEFAULT_TEMP_DIR)
    assert folder.name.startswith("emo_toolkit_")
    picture = folder / "hash" / "file.jpg"
    picture.parent.mkdir()
    picture.write_bytes(b"a face")
    until(lambda: not picture.exists())
    young = tmp_path / "young.jpg"
    young.write_bytes(b"a face")
    forget_files(tmp_path, 60)
    assert young.exists()


def test_no_log_knows_a_visitor(
    address: str, astronaut: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    photo, empty = tmp_path / "maria.jpg", tmp_path / "maria_empty.jpg"
    photo.write_bytes(astronaut.read_bytes())
    empty.write_bytes(b"")
    client = Client(address, verbose=False, download_files=str(tmp_path / "down"))
    answer = client.predict(photo=handle_file(str(photo)), question="Is it a zebra?", api_name="/read_face")
    with pytest.raises(AppError):
        client.predict(photo=handle_file(str(empty)), api_name="/read_face")
    logged = [record.getMessage() for record in caplog.records if not record.name.startswith(ALONE)]
    written = "\n".join([*logged, *capfd.readouterr()])
    for word in ("maria", "zebra", "127.0.0.1", "Traceback", *filter(None, [answer["text"]])):
        assert word not in written, written


class Knowing(EmbeddedAnalyser):
    """An analyser that puts race into words."""

    def attributes(self, crops: Any) -> FaceAttributes:
        shares = {"race": {"Asian": 0.9, "White": 0.1}, "gender": {"female": 1.0}}
        return FaceAttributes("30-39", "female", "Asian", "estimated", shares)


def test_race_is_dropped_whatever_an_analyser_knows_but_in_research(talker: EmoPipeline, astronaut: Path) -> None:
    pipeline = EmoPipeline(talker.checkpoint, FacialPriorExtractor(Knowing(threads=1), talker.extractor.detector))
    for research, race in ((False, None), (True, "Asian")):
        known = Desk(pipeline, research=research).look(str(astronaut), estimate=True).priors.attributes
        assert known.race == race and ("race" in known.probabilities) == research
        assert (known.age, known.gender, known.origin) == ("30-39", "female", "estimated")


def test_age_and_gender_are_estimated_only_when_asked_for(client: Client, astronaut: Path) -> None:
    def known(**wishes: Any) -> dict[str, Any]:
        return client.predict(photo=handle_file(str(astronaut)), api_name="/read_face", **wishes)["attributes"]

    assert known() == {"age": None, "gender": None, "race": None, "origin": "none"}
    asked = known(attributes=ESTIMATE)
    assert asked["origin"] == "estimated" and asked["age"] and asked["gender"] and asked["race"] is None


@pytest.mark.parametrize("research", [False, True])
def test_the_purpose_stands_before_any_upload_or_camera(research: bool, talker: EmoPipeline) -> None:
    blocks = list(build_page(talker, research=research).blocks.values())
    names = [block.get_block_name() for block in blocks]
    first = min(names.index("image"), names.index("video"))
    texts = [str(block.value) for block in blocks[:first] if block.get_block_name() == "markdown"]
    words = "\n".join(texts)
    assert DISCLAIMER in texts and "perceived expression, not felt emotion" in DISCLAIMER
    assert "Not for assessing people at work or in education" in words and "Art. 5(1)(f)" in words
    assert "deleted within 20 minutes" in words and "unsure" in words
    assert ("Race is never inferred" in words) != research and ("Research mode" in words) == research


def test_the_page_keeps_little(talker: EmoPipeline) -> None:
    page = build_page(talker)
    assert page.delete_cache == (600, 600) and page._queue.max_size == 16
    assert LAUNCH["run_history"] is False and LAUNCH["allowed_paths"] == []
    assert LAUNCH["max_file_size"] == LIMITS.max_bytes < DEFAULT_LIMITS.max_bytes
    assert LIMITS.max_seconds < DEFAULT_LIMITS.max_seconds
    states = [block for block in page.blocks.values() if isinstance(block, gr.State) and block.value is None]
    assert states and all(state.time_to_live <= 600 for state in states[:2])
