"""FaceCrop -> picture: the crop that the model reads, twice as large, with its 68 landmarks drawn on it."""

from PIL import Image, ImageDraw

from ..schema import FaceCrop
from .geometry import apply

SCALE = 2  # the crop is small on a phone's screen
DOT, RIM = 2.6, 4.0  # px, radii of the green dot and of the white one under it
GREEN, WHITE = (0, 168, 107), (255, 255, 255)


def draw_landmarks(crop: FaceCrop) -> Image.Image:
    """A copy of the crop at 2x size, with a green dot rimmed in white on each landmark.

    Raises:
        ValueError: the crop has no usable face, and so no picture.
    """
    if crop.image is None:
        raise ValueError(f"there is nothing to draw: the status of this frame is {crop.status}")
    picture = crop.image.resize([SCALE * side for side in crop.image.size], Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(picture)
    points = (apply(crop.transform, crop.landmarks) + 0.5) * SCALE - 0.5
    for radius, colour in ((RIM, WHITE), (DOT, GREEN)):
        for x, y in points.tolist():
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    return picture
