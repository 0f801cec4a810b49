"""The renderer that the tests of one module share: its textures are decoded once."""

import pytest

from emo_toolkit.synthetic import FaceRenderer


@pytest.fixture(scope="module")
def renderer() -> FaceRenderer:
    return FaceRenderer()
