"""People and measures of their faces that the tests of the drawn faces share: FaceSpec -> landmarks -> lengths."""

from dataclasses import replace

import cv2
import numpy as np

from emo_toolkit.synthetic import Expression, FaceRenderer, FaceSpec, Identity, Scene, sample_identity
from emo_toolkit.synthetic.landmarks import LANDMARK_VERTICES

OUTER_EYES = (36, 45)  # iBUG-68; the viewer's left comes first and is the person's right


def bare(person: Identity) -> Identity:
    """Nothing hangs in front of the face."""
    return replace(person, hair=None, glasses=None)


WOMAN = bare(sample_identity(1, age=30, gender="female", race="Asian"))
MAN = bare(sample_identity(2, age=55, gender="male", race="Black"))
GIRL = bare(sample_identity(3, age=8, gender="female", race="White"))
OLD_MAN = bare(sample_identity(4, age=75, gender="male", race="White"))
PEOPLE = (WOMAN, MAN, GIRL, OLD_MAN)


def portrait(person: Identity, units: dict[str, float] | None = None, *, seed: int = 0, **scene: object) -> FaceSpec:
    """A person from the front in even light; `scene` changes that."""
    return FaceSpec(person, Expression("neutral", units or {}), Scene(**scene), seed)


def placed(renderer: FaceRenderer, spec: FaceSpec, *, size: int = 64) -> np.ndarray:
    """Landmarks (68, 2) in pixels, without drawing the picture: those of its truth, as test_renderer.py holds."""
    return renderer.project(spec, size=size)[LANDMARK_VERTICES].astype(np.float64)


def landmarks(renderer: FaceRenderer, spec: FaceSpec) -> np.ndarray:
    """(68, 2) in eye spans (from one outer eye corner to the other), y up."""
    marks = placed(renderer, spec)
    return marks / np.linalg.norm(np.subtract(*marks[list(OUTER_EYES)])) * (1, -1)


def measures(marks: np.ndarray) -> dict[str, float]:
    """Heights, widths and gaps of a face from the front (`landmarks`, upright)."""
    x, y = marks.T
    lids = {eye: (y[eye + 1] + y[eye + 2] - y[eye + 4] - y[eye + 5]) / 2 for eye in (36, 42)}
    return {
        "inner brows": y[[21, 22]].mean(),
        "outer brows": y[[17, 26]].mean(),
        "brow gap": x[22] - x[21],
        "eyes": sum(lids.values()) / 2,
        "right eye": lids[36],
        "left eye": lids[42],
        "nostrils": x[35] - x[31],
        "upper lip": y[51],
        "lower lip": y[57],
        "corners": y[[48, 54]].mean(),
        "right corner": y[48],
        "left corner": y[54],
        "width": x[54] - x[48],
        "opening": y[62] - y[66],
        "lips": y[51] - y[62] + y[66] - y[57],
        "chin": y[8],
    }


def drawn(renderer: FaceRenderer, spec: FaceSpec, *, size: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """The picture (size, size, 3) in 0..255 and its landmarks (68, 2) in pixels."""
    face = renderer.draw(spec, size=size)
    return np.asarray(face.image, np.float64), face.truth.landmarks


def inside(picture: np.ndarray, *outlines: np.ndarray) -> np.ndarray:
    """Mask (h, w) of the convex hulls of some points (n, 2)."""
    mask = np.zeros(picture.shape[:2], np.uint8)
    for outline in outlines:
        cv2.fillConvexPoly(mask, cv2.convexHull(outline.round().astype(np.int32)), 1)
    return mask > 0


def cheeks(picture: np.ndarray, marks: np.ndarray) -> np.ndarray:
    """(2, 3) mean colour of the cheek on the viewer's left and on the right."""
    return np.stack([picture[inside(picture, marks[list(k)])].mean(0) for k in ((41, 31, 48, 3), (46, 35, 54, 13))])
