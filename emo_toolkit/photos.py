"""Photo file -> one upright RGB picture; and the caps on what any file may cost, for media.py too."""

import io
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from .errors import MediaError
from .schema import Media

IMAGE_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
MID_GREY = (128, 128, 128)  # stands behind transparent pixels
# EXIF orientation; signs of a, b, c, d in a display matrix (x' = ax + cy, y' = bx + dy); what turns a picture upright
TURNS = (
    (2, (-1, 0, 0, 1), Image.Transpose.FLIP_LEFT_RIGHT),
    (3, (-1, 0, 0, -1), Image.Transpose.ROTATE_180),
    (4, (1, 0, 0, -1), Image.Transpose.FLIP_TOP_BOTTOM),
    (5, (0, 1, 1, 0), Image.Transpose.TRANSPOSE),
    (6, (0, 1, -1, 0), Image.Transpose.ROTATE_270),
    (7, (0, -1, -1, 0), Image.Transpose.TRANSVERSE),
    (8, (0, -1, 1, 0), Image.Transpose.ROTATE_90),
)
TURN_OF_EXIF = {orientation: turn for orientation, _, turn in TURNS}


@dataclass(frozen=True)
class MediaLimits:
    """What a file may cost. The error for a file beyond a cap names the cap and the file's value."""

    max_bytes: int = 200_000_000
    max_pixels: int = 25_000_000  # of a photo
    max_frame_pixels: int = 4096 * 2304  # of one video frame as stored
    max_seconds: float = 300.0  # length of a video
    max_frames: int = 40_000  # of a video
    max_decode_seconds: float = 60.0  # wall time spent on one file


DEFAULT_LIMITS = MediaLimits()


class Clock:
    """Stops the reading of a file that takes too long."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.end = seconds, time.monotonic() + seconds

    def check(self) -> None:
        if time.monotonic() > self.end:
            raise beyond("reading the file takes more than", self.seconds, self.seconds, "s", "Cut it or resize it.")


class TimedFile(io.BufferedReader):
    """A nameless file that gives bytes while there is time: 1 MB of JPEG can keep its decoder busy for minutes."""

    name = "file"  # no decoder shall judge the file by its name

    def __init__(self, source: Path, clock: Clock) -> None:
        super().__init__(io.FileIO(source))
        self.clock = clock

    def read(self, size: int | None = -1, /) -> bytes:
        self.clock.check()
        return super().read(size)


def beyond(what: str, value: float, cap: float, unit: str, advice: str = "Resize it and try again.") -> MediaError:
    """The error for a file beyond a cap: names the file's value and the cap."""
    return MediaError(f"{what} {value:,.5g} {unit}; the cap is {cap:,.5g}. {advice}")


def check_file(source: Path, limits: MediaLimits) -> None:
    """Raises MediaError for what is no file, may not be read, is empty, or has too many bytes."""
    if not os.access(source, os.R_OK):
        raise MediaError(f"'{source.name}' does not exist or may not be read; check its name")
    if not source.is_file():
        raise MediaError(f"'{source.name}' is a folder or a device; choose a photo or a video")
    if not (size := source.stat().st_size):
        raise MediaError(f"'{source.name}' is empty; choose another file")
    if size > limits.max_bytes:
        raise beyond("the file has", size / 1e6, limits.max_bytes / 1e6, "MB", "Cut or compress it and try again.")


def load_photo(source: Path, limits: MediaLimits, clock: Clock) -> Media | None:
    """The photo, or None when no image format knows the file. The pixel cap is applied to the header alone."""
    cap = limits.max_pixels / 1e6
    with TimedFile(source, clock) as file:
        try:
            image = Image.open(file, formats=IMAGE_FORMATS)
        except UnidentifiedImageError:
            return None
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise beyond("the photo has more than", Image.MAX_IMAGE_PIXELS / 1e6, cap, "megapixels") from error
        if image.width * image.height > limits.max_pixels:
            raise beyond("the photo has", image.width * image.height / 1e6, cap, "megapixels")
        image.load()  # Pillow turns a TIFF upright here, and finds the EXIF at the end of a PNG
        frame, turn = _to_rgb(image), None
        with suppress(Exception):  # broken EXIF must not cost the photo
            turn = TURN_OF_EXIF.get(image.getexif().get(ExifTags.Base.Orientation))
    frame = frame.transpose(turn) if turn is not None else frame
    return Media(frames=(frame,), times=(0.0,), kind="image", size=frame.size)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("I", "F"):
        raise MediaError("the photo has 32 bits a channel; save it with 8 or 16 and try again")
    if image.mode.startswith("I;16"):  # grey; Pillow would clip it
        return Image.fromarray((np.asarray(image) // 257).astype(np.uint8)).convert("RGB")  # 65535 -> 255
    if not image.has_transparency_data:
        return image.convert("RGB")
    image = image.convert("RGBA")
    backdrop = Image.new("RGB", image.size, MID_GREY)
    backdrop.paste(image, mask=image.getchannel("A"))
    return backdrop
