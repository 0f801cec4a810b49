"""Drawn faces and a clip of them, which stand in for the pictures of data sets that nobody may pass on."""

from pathlib import Path

import pytest
from PIL import Image

from emo_toolkit.recording import write_clip
from emo_toolkit.synthetic.renderer import FaceRenderer
from emo_toolkit.synthetic.sampler import sample_spec


@pytest.fixture(scope="session")
def faces() -> list[Image.Image]:
    """Three faces of 64 x 64."""
    renderer = FaceRenderer()
    return [renderer.draw(sample_spec(seed), size=64).image for seed in range(3)]


@pytest.fixture(scope="session")
def clip(faces: list[Image.Image], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An mp4 of the three faces, shown twice."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    write_clip(faces * 2, path, fps=25)
    return path
