"""What the tests of the views share: the page behind a real server, and a visitor."""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from gradio_client import Client
from PIL import Image

from emo_toolkit.pipeline import EmoPipeline
from emo_toolkit.ui import LAUNCH, build_page


@pytest.fixture(scope="session")
def address(talker: EmoPipeline, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page, served on a free port; what it stores goes into a folder of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("gradio")))
        page = build_page(talker)
        _, url, _ = page.launch(prevent_thread_lock=True, quiet=True, share=False, **LAUNCH)
        yield url
        page.close()


@pytest.fixture(scope="session")
def client(address: str, tmp_path_factory: pytest.TempPathFactory) -> Client:
    return Client(address, verbose=False, download_files=str(tmp_path_factory.mktemp("downloads")))


@pytest.fixture(scope="session")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo without a face."""
    path = tmp_path_factory.mktemp("noise") / "noise.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)).save(path)
    return path


@pytest.fixture(scope="session")
def clip(astronaut: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """4 s at 10 frames a second: the astronaut, and an empty wall in the last second."""
    face = np.asarray(Image.open(astronaut).convert("RGB").resize((320, 320)))
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=10, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 320, 320, "yuv420p"
        for number in range(40):
            picture = np.roll(face, number, axis=1) if number < 30 else np.full_like(face, 90)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture))))
        out.mux(stream.encode(None))
    return path


@pytest.fixture(scope="session")
def two_faces(astronaut: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The astronaut, and a smaller, flipped one beside her."""
    photo = Image.open(astronaut).convert("RGB")
    small = photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT).resize([side * 2 // 3 for side in photo.size])
    both = Image.new("RGB", (photo.width + small.width, photo.height), "grey")
    both.paste(photo, (0, 0))
    both.paste(small, (photo.width, 0))
    path = tmp_path_factory.mktemp("two") / "two.png"
    both.save(path)
    return path
