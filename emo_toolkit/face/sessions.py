"""The face bundle on disk -> ONNX Runtime sessions, each net loaded once when it is first asked for."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import onnxruntime

from ..errors import EmoError

BUNDLE = Path(__file__).resolve().parents[1] / "assets" / "face"


@lru_cache(maxsize=32)
def open_session(path: Path, threads: int = 0) -> onnxruntime.InferenceSession:
    """One net, ready to run on the CPU; asked again, the same session.

    Raises:
        EmoError: when the file is missing.
    """
    if not path.is_file():
        raise EmoError(f"{path} is missing: reinstall emo_toolkit, or run train/checkpoints/build_face_bundle.py")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


class FaceNet:
    """One net of the bundle: (N, C, H, W) float32 -> its outputs by name. Safe to call from several threads.

    Args:
        name: file name in the bundle without ".onnx".
        threads: threads of one run; 0 means every core.
        batch: most faces in one run, which bounds the memory.
    """

    def __init__(self, name: str, *, threads: int = 0, batch: int = 16) -> None:
        self.path, self.threads, self.batch = BUNDLE / f"{name}.onnx", threads, batch

    def __call__(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        """Run on N >= 1 pictures.

        Raises:
            EmoError: when the file of the net is missing.
        """
        session = open_session(self.path, self.threads)
        names = [output.name for output in session.get_outputs()]
        key = session.get_inputs()[0].name
        runs = [
            session.run(names, {key: np.ascontiguousarray(pixels[start : start + self.batch], np.float32)})
            for start in range(0, len(pixels), self.batch)
        ]
        return {name: np.concatenate(parts) for name, parts in zip(names, zip(*runs, strict=True), strict=True)}
