"""FaceCrop -> picture: the crop that the model reads, twice as large, with its 68 landmarks drawn on it."""

import cv2
import numpy as np
from PIL import Image

from ..schema import FaceCrop
from .geometry import apply

SCALE = 2  # the crop is small on a phone's screen
DOTS = ((4.0, (255, 255, 255)), (2.6, (0, 158, 100)))  # radius in px and colour: a white rim under a green dot
STEPS = 4  # bits behind the point: OpenCV draws at 1/16 px


def draw_landmarks(crop: FaceCrop) -> Image.Image:
    """A copy of the crop at 2x size, with a white-rimmed green dot on each landmark.

    Raises:
        ValueError: the crop has no usable face, and so no picture.
    """
    if crop.image is None:
        raise ValueError(f"there is nothing to draw: the status of this frame is {crop.status}")
    large = crop.image.resize([SCALE * side for side in crop.image.size], Image.Resampling.BICUBIC)
    pixels = np.array(large)
    points = (apply(crop.transform, crop.landmarks) + 0.5) * SCALE - 0.5
    for radius, colour in DOTS:
        for x, y in np.rint(points * 2**STEPS).astype(int).tolist():
            cv2.circle(pixels, (x, y), round(radius * 2**STEPS), colour, -1, cv2.LINE_AA, STEPS)
    return Image.fromarray(pixels)
