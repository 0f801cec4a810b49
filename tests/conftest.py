"""Pinned parts -> their files in the user's real cache, fetched once; tests that need them skip offline."""

from pathlib import Path

import pytest

from emo_toolkit.checkpoints.parts import PARTS, cache_dir, fetch_part
from emo_toolkit.errors import CheckpointError


@pytest.fixture(scope="session")
def parts() -> dict[str, Path]:
    """File of each of `PARTS`. A part with a wrong sha256 is an error, not a skip."""
    try:
        return {name: fetch_part(part, cache_dir()) for name, part in PARTS.items()}
    except CheckpointError as error:
        if "could not be fetched" not in str(error):
            raise
        pytest.skip(f"needs the pinned parts: {error}")
