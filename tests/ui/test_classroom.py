"""A page for lessons: examples and drawn faces are read, and no other file, whoever asks."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from emo_toolkit.pipeline import EmoPipeline
from emo_toolkit.ui import LAUNCH, build_page
from emo_toolkit.ui.examples import EXAMPLES, Example


@pytest.fixture(scope="module")
def classroom(talker: EmoPipeline, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("gradio")))
        page = build_page(talker, classroom=True)
        _, url, _ = page.launch(prevent_thread_lock=True, quiet=True, share=False, **LAUNCH)
        yield Client(url, verbose=False)
        page.close()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_every_example_is_read(classroom: Client, example: Example) -> None:
    kind = "clip" if example.is_clip else "photo"
    assert classroom.predict(**{kind: handle_file(example.path)}, api_name="/read_face")["status"] == "ok"


def test_no_other_file_is_read(classroom: Client, astronaut: Path, clip: Path, tmp_path: Path) -> None:
    other = tmp_path / "astronaut.jpg"
    Image.open(astronaut).save(other)
    for kind, path in (("photo", other), ("clip", clip)):
        with pytest.raises(AppError, match="examples and drawn faces only"):
            classroom.predict(**{kind: handle_file(str(path))}, api_name="/read_face")


def test_a_face_can_be_drawn_and_read(classroom: Client) -> None:
    _, truth = classroom.predict({"AU12": 1.0}, api_name="/draw_face")
    assert truth["label"]


def test_the_page_offers_no_upload_and_says_why(talker: EmoPipeline) -> None:
    for taught in (False, True):
        blocks = list(build_page(talker, classroom=taught).blocks.values())
        inputs = [block for block in blocks if getattr(block, "elem_id", None) in ("photo", "clip")]
        assert [block.interactive for block in inputs] == [not taught] * 2
        words = "\n".join(str(block.value) for block in blocks if block.get_block_name() == "markdown")
        assert ("Set up for a classroom" in words) == taught and ("Uploads are deleted" in words) != taught
