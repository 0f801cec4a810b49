"""What the rooms' tests share: pinned parts in the user's real cache, the `tiny` checkpoint, a photo of one face."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import emo_toolkit
from emo_toolkit.checkpoints import load
from emo_toolkit.checkpoints.parts import PARTS, cache_dir, fetch_part
from emo_toolkit.errors import CheckpointError
from emo_toolkit.face import EmbeddedAnalyser, FaceDetector, FacialPriorExtractor
from emo_toolkit.pipeline import EmoPipeline
from train.checkpoints.make_tiny import make_tiny


@pytest.fixture(scope="session")
def parts() -> dict[str, Path]:
    """File of each of `PARTS`. A part with a wrong sha256 is an error, not a skip."""
    try:
        return {name: fetch_part(part, cache_dir()) for name, part in PARTS.items()}
    except CheckpointError as error:
        if "could not be fetched" not in str(error):
            raise
        pytest.skip(f"needs the pinned parts: {error}")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the random checkpoint; its gates are open."""
    return make_tiny(tmp_path_factory.mktemp("checkpoints") / "tiny")


@pytest.fixture(scope="session")
def tiny_pipeline(tiny: Path) -> EmoPipeline:
    """`tiny` behind the real face wing. Shared: a test that changes the model works on a deep copy."""
    extractor = FacialPriorExtractor(EmbeddedAnalyser(threads=1), FaceDetector(threads=1))
    return EmoPipeline(load(str(tiny), device="cpu"), extractor)


@pytest.fixture(scope="session")
def astronaut() -> Path:
    """A photo of one face."""
    return Path(emo_toolkit.__file__).parent / "assets" / "examples" / "astronaut.jpg"


@pytest.fixture(scope="session")
def talker(tiny_pipeline: EmoPipeline) -> EmoPipeline:
    """`tiny` with louder weights, so that its greedy answers differ and go on for a while."""
    model = copy.deepcopy(tiny_pipeline.model)
    with torch.no_grad():
        for value in model.language_model.layers.parameters():
            value *= 4
    return EmoPipeline(replace(tiny_pipeline.checkpoint, model=model), tiny_pipeline.extractor)
