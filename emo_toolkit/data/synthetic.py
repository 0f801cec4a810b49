"""Drawn faces on disk: FaceTruth <-> one line of JSON, and folders of train/generate_synthetic.py -> EmoSample.

ROOT/images/train/metadata.jsonl names 0000000.jpg, ... beside it; ROOT/clips/... names mp4 files.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..errors import EmoError
from ..labels import GENDERS, LABELS, RACES
from ..schema import NUM_LANDMARKS, EmoSample, FaceTruth
from ..synthetic.clips import ClipSpec

FOLDERS = {"image": "images", "video": "clips"}
METADATA = "metadata.jsonl"
DIGITS = 4  # of every number but landmarks
PIXEL_DIGITS = 2
FOREHEAD = 0.2  # what a face box adds above the brows, in heights of the landmarks
PLAIN = ("label", "factor", "identity", "seed", "gender", "race")
NUMBERS = ("intensity", "valence", "arousal", "age", "yaw", "pitch", "roll")
REMEDY = "run train/generate_synthetic.py again with the values of manifest.json to mend it"


def row_of(truth: FaceTruth) -> dict:
    """The columns of a truth: plain JSON whose columns have one type each, so that any reader takes them.

    Numbers are rounded to 4 digits and landmarks to 0.01 px; action units that round to 0 are left out, and `second`
    is "" for none. Reading a row and writing it again gives the same row.
    """
    units = {code: round(float(value), DIGITS) for code, value in truth.action_units.items()}
    return {
        **{name: getattr(truth, name) for name in PLAIN},
        "second": truth.second or "",
        **{name: round(float(getattr(truth, name)), DIGITS) for name in NUMBERS},
        "action_units": [{"code": code, "intensity": value} for code, value in units.items() if value > 0],
        "landmarks": np.round(truth.landmarks.astype(float), PIXEL_DIGITS).tolist(),
        "visible": truth.visible.astype(bool).tolist(),
    }


def clip_columns(clip: ClipSpec) -> dict:
    """What a clip's row has besides the truth of its apex frame: times in s and curves over its F frames."""
    units = [frame.expression.action_units for frame in clip.frames]
    poses = [(frame.scene.yaw, frame.scene.pitch, frame.scene.roll) for frame in clip.frames]
    return {
        "times": list(clip.times),
        "onset": round(clip.onset, DIGITS),
        "apex": clip.apex,
        "offset": round(clip.offset, DIGITS),
        "curves": [
            {"code": code, "intensities": [round(frame.get(code, 0.0), DIGITS) for frame in units]}
            for code in sorted(set().union(*units))
        ],
        "poses": [[round(angle, DIGITS) for angle in pose] for pose in poses],  # yaw, pitch, roll
    }


def truth_of(row: dict) -> FaceTruth:
    """The truth in a row.

    Raises:
        KeyError, TypeError or ValueError: for a row that no `row_of` wrote.
    """
    landmarks, visible = np.array(row["landmarks"], np.float32), np.array(row["visible"], bool)
    if landmarks.shape != (NUM_LANDMARKS, 2) or visible.shape != (NUM_LANDMARKS,):
        raise ValueError(f"landmarks {landmarks.shape} and visible {visible.shape} instead of 68")
    for name, known in (("label", LABELS["synthetic"]), ("gender", GENDERS), ("race", RACES)):
        if row[name] not in known:
            raise ValueError(f"{name} '{row[name]}' is none of {', '.join(known)}")
    return FaceTruth(
        **{name: row[name] for name in PLAIN},
        second=row["second"] or None,
        **{name: float(row[name]) for name in NUMBERS},
        action_units={unit["code"]: float(unit["intensity"]) for unit in row["action_units"]},
        landmarks=landmarks,
        visible=visible,
    )


def load_synthetic(root: Path, split: str) -> list[EmoSample]:
    """The drawn photos of a split ("train", "valid", "test", or a held-out factor), each with its truth.

    The box is that of the 68 projected landmarks with a forehead, clipped by nothing.
    """
    return _samples(root, "image", split)


def load_synthetic_clips(root: Path, split: str) -> list[EmoSample]:
    """The drawn clips of a split; `truth` is that of the apex frame, and `read_rows` gives curves and times."""
    return _samples(root, "video", split)


def read_rows(root: str | Path, kind: str, split: str) -> Iterator[dict]:
    """The rows of one metadata file as written (see `row_of` and `clip_columns`), with "path" added.

    Args:
        root: what --out of train/generate_synthetic.py was.
        kind: "image" or "video".
        split: a word of synthetic.plan.SPLITS.

    Raises:
        EmoError: naming the missing file, or the line that is cut short or is no row.
    """
    for _, row in _numbered_rows(Path(root) / FOLDERS[kind] / split / METADATA):
        yield row


def _numbered_rows(path: Path) -> Iterator[tuple[str, dict]]:
    """(where, row): `where` names file and line for a message."""
    if not path.is_file():
        raise EmoError(f"{path} does not exist: the set is too small for this split, or --root is not its --out")
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            where = f"{path}, line {number}"
            try:
                row = json.loads(line, parse_constant=_refuse)
                file = path.parent / row["file_name"]
            except (ValueError, TypeError, KeyError) as error:
                raise EmoError(f"{where}: no row of a drawn set ({error}); {REMEDY}") from error
            if not file.is_file():
                raise EmoError(f"{where}: {file.name} is not there; {REMEDY}")
            yield where, row | {"path": str(file)}


def _samples(root: Path, kind: str, split: str) -> list[EmoSample]:
    dataset = {"image": "synthetic", "video": "synthetic_clips"}[kind]
    samples = []
    for where, row in _numbered_rows(root / FOLDERS[kind] / split / METADATA):
        try:
            truth = truth_of(row)
        except (KeyError, TypeError, ValueError) as error:
            raise EmoError(f"{where}: no truth of a drawn face ({error}); {REMEDY}") from error
        samples.append(
            EmoSample(
                id=f"{dataset}/{split}/{Path(row['path']).stem}-{truth.seed}",  # the seed tells sets apart in a cache
                path=row["path"],
                kind=kind,
                label=truth.label,
                dataset=dataset,
                split=split,
                box=_face_box(truth.landmarks) if kind == "image" else None,
                truth=truth,
                row=where,
            )
        )
    return samples


def _face_box(landmarks: np.ndarray) -> tuple[float, float, float, float]:
    (x0, y0), (x1, y1) = landmarks.min(0).tolist(), landmarks.max(0).tolist()
    return x0, y0 - FOREHEAD * (y1 - y0), x1, y1


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is no number of JSON")
