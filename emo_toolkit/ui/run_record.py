"""What one reading was, as data for people and programs: no picture, no file name, no path.

The browser makes the file to download out of it, so that the server keeps none.
"""

import platform
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .. import __version__
from ..pipeline import MAX_NEW_TOKENS, EmoPipeline, Reading
from ..schema import FaceAttributes
from .words import SURE, unsure

NOTE = "Perceived expression, not felt emotion. Not for assessing people at work or in education."
DOWNLOAD = """(record) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([JSON.stringify(record, null, 2)], {type: "application/json"}));
    link.download = "reading.json";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}"""


@dataclass(frozen=True)
class Wishes:
    """What a visitor asks for beside the file; `attributes` is one of the three choices of the page."""

    face: int = 0
    question: str = ""
    attributes: str = ""
    age: str = ""
    gender: str = ""
    race: str = ""


def failed(message: str, status: str = "error") -> dict[str, Any]:
    return {"status": status, "message": message}


def about_answer(scores: dict[str, float], text: str, prompt: str) -> dict[str, Any]:
    """The answer as it grows. The label is the likeliest one, and None without options."""
    label = max(scores, key=scores.__getitem__) if scores else None
    shares = {word: round(share, 6) for word, share in scores.items()}
    return {"label": label, "unsure": unsure(scores), "scores": shares, "text": text, "prompt": prompt}


def about_face(reading: Reading) -> dict[str, Any]:
    return {"kind": reading.media.kind, "frames": [asdict(frame) for frame in reading.frames]}


def about_run(pipeline: EmoPipeline, wishes: Wishes, known: FaceAttributes, seconds: float) -> dict[str, Any]:
    """What is needed to do it again: settings, checkpoint, versions."""
    return {
        "attributes": {"age": known.age, "gender": known.gender, "race": known.race, "origin": known.origin},
        "settings": asdict(wishes)
        | {"frames_at_most": pipeline.processor.num_frames, "new_tokens": MAX_NEW_TOKENS, "unsure_below": SURE},
        "checkpoint": Path(pipeline.checkpoint.name).name,
        "device": pipeline.checkpoint.device.type,
        "seconds": round(seconds, 2),
        "versions": {"emo_toolkit": __version__, "python": platform.python_version()}
        | {name: version(name) for name in ("torch", "transformers", "gradio")},
        "note": NOTE,
    }
