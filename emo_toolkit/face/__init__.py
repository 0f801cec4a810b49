"""Wing 1: frames -> FaceCrop -> FacialPriors."""

from .analysis import EmbeddedAnalyser
from .detection import FaceDetector
from .drawing import draw_landmarks
from .priors import FacialPriorExtractor

__all__ = ["EmbeddedAnalyser", "FaceDetector", "FacialPriorExtractor", "draw_landmarks"]
