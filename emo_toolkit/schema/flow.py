"""The nouns of the river: media -> Media -> FaceCrop -> FacialPriors -> EmoPrompt -> EmoPrediction."""

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from PIL import Image

NUM_LANDMARKS = 68


class FaceStatus(StrEnum):
    """What the detector says of one frame. Only `OK`, `GIVEN` and `CUT_OFF` frames reach the model."""

    OK = "ok"
    GIVEN = "given"  # the data set's own box was used, because the detector found nothing
    CUT_OFF = "cut_off"  # the face leaves the picture; read with care
    TOO_SMALL = "too_small"
    LOW_SCORE = "low_score"  # something like a face, but the landmark net does not confirm it
    NO_FACE = "no_face"

    @property
    def usable(self) -> bool:
        """Whether the model may look at this frame's face."""
        return self in (FaceStatus.OK, FaceStatus.GIVEN, FaceStatus.CUT_OFF)


@dataclass(frozen=True)
class Media:
    """A decoded photo or clip: upright RGB frames and the second at which each one is shown."""

    frames: tuple[Image.Image, ...]
    times: tuple[float, ...]
    kind: str  # "image" or "video"
    size: tuple[int, int]  # (width, height) of every frame; boxes and landmarks are in its pixels
    duration: float = 0.0  # s; 0 for an image


@dataclass(frozen=True)
class FaceCrop:
    """One frame's face, upright and square, or the reason why there is none.

    `transform` (2, 3) maps source pixels to crop pixels; `box` is x0, y0, x1, y1 in source pixels;
    `landmarks` (68, 2) are source pixels in the iBUG-68 order. Without a usable face `image` is None.
    """

    status: FaceStatus
    image: Image.Image | None = None
    box: np.ndarray | None = None
    landmarks: np.ndarray | None = None
    transform: np.ndarray | None = None
    score: float = 0.0
    track: int = 0


@dataclass(frozen=True)
class FaceAttributes:
    """Age, gender and race as words of `labels.py`, each None when unknown. Race is never estimated here."""

    age: str | None = None
    gender: str | None = None
    race: str | None = None
    origin: str = "none"  # "estimated", "given" or "none"
    probabilities: dict[str, dict[str, float]] = field(default_factory=dict)  # {"age": {"30-39": 0.7, ...}, ...}


@dataclass(frozen=True)
class FacialPriors:
    """What the facial analysis network says of F frames.

    `embedding` (F, N, D) face tokens; `landmarks` (F, 68, 2) in [-1, 1] of the crop; `boxes` (F, 4) source pixels;
    `found` (F,) whether the frame has a usable face (rows of the others are zero).
    """

    embedding: np.ndarray
    landmarks: np.ndarray
    boxes: np.ndarray
    found: np.ndarray
    attributes: FaceAttributes = FaceAttributes()


@dataclass(frozen=True)
class FaceTruth:
    """What is exactly known of one rendered face, because it was drawn from it.

    `action_units` are FACS names with intensity 0..1, only those above 0: "AU12", one-sided "L12" / "R12" (the
    person's own left and right). `label` is the convention (EMFACS) that made them: nobody rated the picture.
    `landmarks` (68, 2) are pixels in the iBUG-68 order, `visible` (68,) those neither hidden nor outside. Angles are
    degrees as the viewer sees them: yaw to the viewer's right, pitch up, roll clockwise. `valence` and `arousal` lie
    in -1..1.
    """

    label: str
    action_units: dict[str, float]
    age: float  # years
    gender: str
    race: str
    yaw: float
    pitch: float
    roll: float
    valence: float
    arousal: float
    landmarks: np.ndarray
    visible: np.ndarray
    identity: int
    seed: int
    second: str | None = None  # the other label of a compound expression
    factor: str = "ordinary"  # or the held-out factor: see synthetic/sampler.py
    intensity: float = 1.0


@dataclass(frozen=True)
class EmoSample:
    """One labelled file of a data set, or a folder of frames. `box` is the face box that the set gives, in pixels."""

    id: str
    path: str
    kind: str
    label: str
    dataset: str
    split: str
    fold: int | None = None
    caption: str | None = None
    box: tuple[float, float, float, float] | None = None
    votes: dict[str, float] | None = None
    truth: FaceTruth | None = None  # of a rendered image; of a clip, its apex frame
    row: str = ""  # which line of which file lists it, for messages: "label.csv, line 7"


@dataclass(frozen=True)
class EmoPrompt:
    """A question as a value with parts, so that a counterfactual is one `dataclasses.replace`.

    With `options` the category question is asked and `question` may stay None; without, `question` is asked freely.
    `sentence` stands in the place of the attribute sentence; None writes that one from `attributes`.
    """

    kind: str = "image"
    question: str | None = None
    options: tuple[str, ...] = ()
    attributes: FaceAttributes = FaceAttributes()
    sentence: str | None = None


@dataclass(frozen=True)
class FrameRecord:
    """One frame of a prediction: when it is shown, where the face is, and whether it was used."""

    time: float
    box: tuple[float, float, float, float] | None
    found: bool
    status: str


@dataclass(frozen=True)
class EmoPrediction:
    """The answer for one path. `status` is "ok", "no_face" or "error"; `message` says in words what went wrong."""

    path: str
    kind: str | None
    status: str
    label: str | None = None
    scores: dict[str, float] = field(default_factory=dict)
    text: str | None = None
    attributes: FaceAttributes = FaceAttributes()
    frames: tuple[FrameRecord, ...] = ()
    prompt: str | None = None
    checkpoint: str | None = None
    seconds: float = 0.0
    message: str | None = None
