"""Many visitors at once: each one gets the answer for the own face, the same as alone."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client, handle_file
from PIL import Image, ImageOps

from emo_toolkit.pipeline import EmoPipeline
from emo_toolkit.ui import LAUNCH, build_page


@pytest.fixture(scope="module")
def faces(astronaut: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Seven photos in which the model sees different things."""
    photo = Image.open(astronaut).convert("RGB")
    versions = [
        photo,
        ImageOps.mirror(photo),
        photo.convert("L"),
        ImageOps.posterize(photo, 2),
        photo.resize((512, 440)),
        photo.rotate(12, expand=True),
        photo.point(lambda value: value // 2),
    ]
    folder = tmp_path_factory.mktemp("faces")
    for number, version in enumerate(versions):
        version.save(folder / f"{number}.png")
    return sorted(folder.iterdir())


def test_visitors_at_the_same_time_get_their_own_answers(
    address: str, talker: EmoPipeline, faces: list[Path], clip: Path, noise: Path, tmp_path: Path
) -> None:
    paths = [*faces, clip, noise]

    def visit(path: Path) -> dict[str, Any]:
        visitor = Client(address, verbose=False, download_files=str(tmp_path))
        return visitor.predict(**{"clip" if path == clip else "photo": handle_file(str(path))}, api_name="/read_face")

    alone = [talker.predict(path) for path in paths]
    assert [item.status for item in alone] == ["ok"] * 8 + ["no_face"]
    assert len({tuple(round(p, 3) for p in item.scores.values()) for item in alone}) == 9  # else it would show nothing
    with ThreadPoolExecutor(len(paths)) as visitors:
        together = list(visitors.map(visit, paths))
    for record, item in zip(together, alone, strict=True):
        assert (record["status"], record.get("text")) == (item.status, item.text or None)
        assert (record.get("scores") or {}) == pytest.approx(item.scores, abs=1e-5)


def test_the_queue_and_what_is_kept_are_bounded(talker: EmoPipeline) -> None:
    page = build_page(talker)
    assert page._queue.max_size == 16 and not page.api_open
    assert 30 <= LAUNCH["state_session_capacity"] <= 500  # a class, not the world
    turns = {
        event.concurrency_id: event.concurrency_limit for event in page.fns.values() if event.concurrency_id == "model"
    }
    assert turns == {"model": 1}
    assert all(event.concurrency_limit for event in page.fns.values())  # None would be as many as there are visitors
