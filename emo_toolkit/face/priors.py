"""Media -> FaceCrop -> FacialPriors: the detector and the analyser joined."""

from collections.abc import Sequence

import numpy as np

from ..schema import NUM_LANDMARKS, FaceAttributes, FaceCrop, FacialPriors, Media
from .analysis import EmbeddedAnalyser
from .detection import CROP_SIZE, FaceDetector
from .facexformer import FaceXFormerAnalyser
from .geometry import apply


class FacialPriorExtractor:
    """The facial analysis network of the house: frames -> FaceCrop -> FacialPriors.

    `version` keys everything that is stored of its priors; a cache of another version is stale. One extractor serves
    several threads at once.

    Args:
        analyser: gives tokens and attributes; the embedded one by default.
        detector: finds and follows faces; the embedded one by default.
    """

    version = EmbeddedAnalyser.version  # of the default parts; an extractor carries that of its own analyser

    def __init__(
        self, analyser: EmbeddedAnalyser | FaceXFormerAnalyser | None = None, detector: FaceDetector | None = None
    ) -> None:
        self.analyser = analyser or EmbeddedAnalyser()
        self.detector = detector or FaceDetector()
        self.version = self.analyser.version

    def detect(
        self, media: Media, *, face: int | None = None, box: Sequence[float] | np.ndarray | None = None
    ) -> list[FaceCrop]:
        """One FaceCrop per frame of one person; arguments and errors as in `FaceDetector.track`."""
        return self.detector.track(media.frames, face=face, box=box)

    def analyse(self, crops: Sequence[FaceCrop], *, attributes: bool = False) -> FacialPriors:
        """What the nets say of F crops; rows without a usable face are zero.

        Args:
            crops: F crops of one person.
            attributes: also estimate age and gender, over all frames together.

        Returns:
            Priors whose landmarks are in [-1, 1] from edge to edge of the crop and whose boxes are source pixels.
        """
        landmarks = np.zeros((len(crops), NUM_LANDMARKS, 2), np.float32)
        boxes = np.zeros((len(crops), 4), np.float32)
        found = np.array([crop.status.usable for crop in crops], bool)
        for row in np.flatnonzero(found):
            crop = crops[row]
            landmarks[row] = (2 * apply(crop.transform, crop.landmarks) + 1) / CROP_SIZE - 1
            boxes[row] = crop.box
        estimate = self.analyser.attributes(crops) if attributes else FaceAttributes()
        return FacialPriors(self.analyser.embed(crops), landmarks, boxes, found, estimate)
