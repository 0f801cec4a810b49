"""Awkward photos and clips through the running page: an answer or a sentence, little memory, and the next visitor."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from hostile_files import Ends, awkward_clips, awkward_photos
from raw_requests import LEAK

from emo_toolkit.pipeline import EmoPipeline

MAX_GROWTH = 150_000  # kB; the pictures that are read are small, and the large ones are refused unopened


def memory(field: str) -> int:
    """kB of this process, which serves the page; 0 where it cannot be told."""
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="ascii").splitlines() if status.exists() else []
    return next((int(line.split()[1]) for line in lines if line.startswith(field)), 0)


def ends(address: str, files: Ends, wish: str) -> Ends:
    """How the page ends each file, for three visitors at once: the record's status, or the words of the error."""

    def visit(paths: list[Path]) -> list[str]:
        visitor, found = Client(address, verbose=False, download_files=False), []
        for path in paths:
            try:
                found.append(visitor.predict(**{wish: handle_file(str(path))}, api_name="/read_face")["status"])
            except AppError as error:
                found.append(str(error))
        return found

    parts = [list(files)[first::3] for first in range(3)]
    with ThreadPoolExecutor(3) as visitors:
        answers = list(visitors.map(visit, parts))
    return {
        path: end for paths, found in zip(parts, answers, strict=True) for path, end in zip(paths, found, strict=True)
    }


@pytest.mark.parametrize("wish", ["photo", "clip"])
def test_awkward_files_end_well(
    address: str, client: Client, talker: EmoPipeline, astronaut: Path, tmp_path: Path, wish: str
) -> None:
    files = awkward_photos(tmp_path, astronaut) if wish == "photo" else awkward_clips(tmp_path)
    assert len(files) >= 20
    ends(address, {astronaut: "ok"}, "photo")  # whatever is allocated once
    before = memory("VmRSS")
    seen = ends(address, files, wish)
    assert {path.name: end for path, end in seen.items() if files[path] not in end} == {}
    assert not [path.name for path, end in seen.items() if LEAK.search(end) or str(tmp_path) in end]
    assert memory("VmRSS") - before < MAX_GROWTH
    record = client.predict(photo=handle_file(str(astronaut)), api_name="/read_face")
    assert record["scores"] == pytest.approx(talker.predict(astronaut, max_new_tokens=0).scores, abs=1e-5)
