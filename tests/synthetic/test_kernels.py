"""Compiled loops work where nothing can be kept on disk, and what was kept is made again when its source changes."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from emo_toolkit.synthetic import kernels, shading, surface


def test_machine_code_is_made_where_no_folder_can_be_written(tmp_path: Path) -> None:
    """A read-only installation without a home: the loops are compiled anew instead of refused."""
    (tmp_path / "kernels.py").write_bytes(Path(kernels.__file__).read_bytes())
    (tmp_path / "__pycache__").write_text("a file, so no folder can be made here")
    code = (
        "import numpy as np; from kernels import vertex_normals;"
        "print(vertex_normals(np.eye(3, dtype=np.float32), np.array([[0, 1, 2]], np.int32))[0].round(3).tolist())"
    )
    away = {"HOME": os.devnull, "XDG_CACHE_HOME": os.devnull, "NUMBA_CACHE_DIR": os.devnull + "/x"}
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"} | away
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == pytest.approx([0.577] * 3, abs=1e-3)


def test_kept_machine_code_is_made_again_when_the_surface_changes() -> None:
    """numba looks at the file of a function only, not at what it calls in others."""
    text = Path(surface.__file__).read_text(encoding="utf-8")
    expected = hashlib.sha256(text.encode() + bytes([kernels.SAMPLES])).hexdigest()[:8]
    assert expected == shading.CALLS, f'surface.py has changed: set CALLS = "{expected}" in shading.py'
