"""FaceCrops -> face tokens, age and gender: the small analyser that ships inside the package.

Three frozen nets look at one crop and their 7 x 7 maps are joined cell by cell: FaceRes (identity and attributes) and
two expression nets.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from ..labels import AGE_GROUPS, AGE_STARTS, GENDERS, age_group
from ..schema import FaceAttributes, FaceCrop
from .detection import CROP_SCALE, CROP_SIZE
from .geometry import apply, fit_similarity, warp
from .sessions import FaceNet

GRID = 7
TOKENS, WIDTH = GRID * GRID, 1024 + 256 + 256
FACERES_MEAN = np.array([103.939, 116.779, 123.68], np.float32)  # BGR, the Caffe convention of its training
CHIP_MEAN = np.array([122.782, 117.001, 104.298], np.float32)  # RGB, dlib's
GREY = np.array([0.2989, 0.587, 0.114], np.float32)
EXPRESSION_SCALE = 1.15  # the face-api net wants a tighter square than the crop
# dlib's five points (eye corners, base of the nose) in a unit square, and the iBUG points that stand for them.
CHIP_POINTS = np.array(
    [(0.8595675, 0.2134982), (0.6460605, 0.2289674), (0.1205751, 0.2137275), (0.3340851, 0.2290642)]
    + [(0.4901123, 0.6277975)]
)
CHIP_LANDMARKS = [45, 42, 36, 39, 33]
CHIP_PADDING = 0.2
EXPRESSIONS = ("neutral", "happiness", "sadness", "anger", "fear", "disgust", "surprise")  # order of the face-api net
XCEPTION_ORDER = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")  # FER2013's
YEARS = np.arange(81, dtype=np.float32)  # classes of the age net


class EmbeddedAnalyser:
    """The default facial analysis network: three ONNX nets for tokens, two for age and gender.

    `version` keys every cache of its priors: whoever changes tokens, landmarks or crops must change it.

    Args:
        threads: threads of ONNX Runtime; 0 means every core.
    """

    version = "embedded-2"
    tokens, width = TOKENS, WIDTH

    def __init__(self, *, threads: int = 0) -> None:
        self._faceres = FaceNet("faceres", threads=threads)
        self._face_api = FaceNet("face_api_expression", threads=threads)
        self._xception = FaceNet("mini_xception", threads=threads)
        self._age = FaceNet("age", threads=threads)
        self._gender = FaceNet("gender", threads=threads)

    def embed(self, crops: Sequence[FaceCrop]) -> np.ndarray:
        """Face tokens (F, 49, 1536) float32, row by row of the 7 x 7 grid; rows without a usable face are zero."""
        tokens = np.zeros((len(crops), TOKENS, WIDTH), np.float32)
        pixels, rows = _pixels(crops)
        if not rows:
            return tokens
        maps = [
            self._faceres(_planes(pixels[..., ::-1] - FACERES_MEAN))["map"],
            np.log1p(self._face_api(_planes(_tight(pixels)))["map"]),  # non-negative, with peaks of some hundreds
            _to_grid(self._xception(_grey(pixels))["map"]),
        ]
        joined = np.concatenate(maps, 1)  # (N, 1536, 7, 7)
        tokens[rows] = joined.reshape(len(rows), WIDTH, TOKENS).transpose(0, 2, 1)
        return tokens

    def attributes(self, crops: Sequence[FaceCrop]) -> FaceAttributes:
        """Age group and gender, averaged over the usable frames; race is never estimated.

        The age is the group of the expected year: neighbouring years share one face's probability in several peaks.
        """
        usable = [crop for crop in crops if crop.status.usable]
        if not usable:
            return FaceAttributes()
        years = self._age(_chips(usable, 64))["probabilities"].mean(0)  # (81,)
        age = dict(zip(AGE_GROUPS, np.add.reduceat(years, AGE_STARTS).tolist(), strict=True))
        female, male = self._gender(_chips(usable, 32))["probabilities"].mean(0).tolist()
        gender = {"male": male, "female": female}
        return FaceAttributes(
            age=age_group(float(years @ YEARS)),
            gender=max(GENDERS, key=lambda word: gender[word]),
            origin="estimated",
            probabilities={"age": age, "gender": gender},
        )

    def expressions(self, crops: Sequence[FaceCrop]) -> list[dict[str, float]]:
        """What the two expression nets alone say of each crop: the mean of their distributions over seven labels.

        No part of the model: an independent reading to check pictures with. Crops without a usable face get zeros.
        """
        scores = np.zeros((len(crops), len(EXPRESSIONS)))
        pixels, rows = _pixels(crops)
        if rows:
            face_api = _softmax(self._face_api(_planes(_tight(pixels)))["logits"])
            xception = self._xception(_grey(pixels))["probabilities"]
            order = [XCEPTION_ORDER.index(label) for label in EXPRESSIONS]
            scores[rows] = (face_api + xception[:, order]) / 2
        return [dict(zip(EXPRESSIONS, row.tolist(), strict=True)) for row in scores]


def _pixels(crops: Sequence[FaceCrop]) -> tuple[np.ndarray, list[int]]:
    """(N, 224, 224, 3) float32 RGB of the usable crops, and which rows they are."""
    rows = [index for index, crop in enumerate(crops) if crop.status.usable]
    pictures = [np.asarray(crops[index].image, np.float32) for index in rows]
    return np.stack(pictures) if rows else np.empty((0, CROP_SIZE, CROP_SIZE, 3), np.float32), rows


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def _planes(pixels: np.ndarray) -> np.ndarray:
    return pixels.transpose(0, 3, 1, 2)


def _shrink(pixels: np.ndarray, size: int) -> np.ndarray:
    return np.stack([cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA) for picture in pixels])


def _tight(pixels: np.ndarray) -> np.ndarray:
    margin = round(CROP_SIZE * (1 - EXPRESSION_SCALE / CROP_SCALE) / 2)
    return _shrink(pixels[:, margin:-margin, margin:-margin], 112)


def _grey(pixels: np.ndarray) -> np.ndarray:
    """(N, 1, 64, 64) in [-1, 1]."""
    return ((_shrink(pixels, 64) @ GREY) / 127.5 - 1)[:, None]


def _to_grid(maps: np.ndarray) -> np.ndarray:
    """(N, C, h, h) -> (N, C, 7, 7), bilinear."""
    cells = maps.shape[-1]
    places = (np.arange(GRID) + 0.5) * cells / GRID - 0.5
    spread = np.array([np.interp(places, np.arange(cells), row) for row in np.eye(cells)], np.float32)  # (h, 7)
    return spread.T @ maps @ spread


def _chips(crops: Sequence[FaceCrop], size: int) -> np.ndarray:
    """The (N, 3, size, size) chips of the dlib nets: five landmarks moved onto dlib's places."""
    chips = []
    target = (CHIP_PADDING + CHIP_POINTS) / (2 * CHIP_PADDING + 1) * size
    for crop in crops:
        points = apply(crop.transform, crop.landmarks)[CHIP_LANDMARKS]
        chips.append(warp(np.asarray(crop.image), fit_similarity(points, target), size))
    return _planes((np.stack(chips).astype(np.float32) - CHIP_MEAN) / 256)
