"""Pictures with known faces for the tests of the face wing: one astronaut, moved, turned, resized and repeated."""

import cv2
import numpy as np
import skimage.data
from PIL import Image

ASTRONAUT = Image.fromarray(skimage.data.astronaut())
FACE = ASTRONAUT.crop((100, 0, 350, 250))  # 250 px with some air; the face itself is about 107 px


def turned(degrees: float) -> Image.Image:
    """The astronaut turned clockwise about the middle of the picture."""
    matrix = cv2.getRotationMatrix2D((255.5, 255.5), -degrees, 1.0)
    return Image.fromarray(cv2.warpAffine(np.asarray(ASTRONAUT), matrix, (512, 512), borderMode=cv2.BORDER_REFLECT))


def scene(*faces: tuple[int, int, int], size: tuple[int, int] = (640, 360)) -> Image.Image:
    """A grey picture with the astronaut at each (x, y, side of the pasted square)."""
    picture = Image.new("RGB", size, (96, 104, 112))
    for x, y, side in faces:
        picture.paste(FACE.resize((side, side), Image.Resampling.LANCZOS), (x, y))
    return picture


def noise(side: int) -> Image.Image:
    """A picture of random dots."""
    return Image.fromarray(np.random.default_rng(side).integers(0, 256, (side, side, 3), dtype=np.uint8))
