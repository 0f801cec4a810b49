"""RGB frames -> H.264 mp4: the writing counterpart of media.py. The file appears whole or not at all.

The same frames and rate give the same bytes with the same PyAV, whatever the number of CPU cores.
"""

import os
import uuid
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
from av.video.reformatter import Colorspace
from PIL import Image

from .errors import MediaError

ENCODER = "libx264"
OPTIONS = {"crf": "16", "preset": "medium", "bf": "0"}  # no B frames: every reader counts and times the frames alike
FPS_RANGE = (0.1, 240)


def write_clip(frames: Iterable[Image.Image], path: str | Path, *, fps: float | Fraction) -> None:
    """Frames as an H.264 mp4 (yuv420p, BT.601, index in front), shown at equal intervals from second 0.

    The clip is written under another name and then renamed, so that a full disk or an interruption leaves an older
    file at `path` as it was. Frames may come from a generator; only one is held at a time.

    Args:
        frames: pictures of one size; both sides even, as yuv420p stores colour for 2 x 2 pixels.
        path: where the clip goes; an existing file is replaced.
        fps: frames a second, 0.1 to 240; stored as the nearest fraction with a denominator up to 1000.

    Raises:
        MediaError: No frame, sizes that differ or are odd, no H.264 encoder, or a disk that cannot be written.
        ValueError: `fps` is out of range.
    """
    if not FPS_RANGE[0] <= fps <= FPS_RANGE[1]:
        raise ValueError(f"fps is {fps}; it must lie in {FPS_RANGE[0]}..{FPS_RANGE[1]}")
    if ENCODER not in av.codecs_available:
        raise MediaError(f"this PyAV has no H.264 encoder ({ENCODER}); pip install --force-reinstall av")
    path = Path(path)
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}.partial")
    try:
        _encode(frames, partial, Fraction(fps).limit_denominator(1000))
        os.replace(partial, path)
    except (OSError, av.FFmpegError) as error:
        reason = error.strerror or "it cannot be encoded"
        raise MediaError(f"'{path}' cannot be written: {reason}; check the folder and the room on the disk") from error
    finally:
        partial.unlink(missing_ok=True)


def _encode(frames: Iterable[Image.Image], path: Path, rate: Fraction) -> None:
    with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as container:
        stream, size = None, None
        for number, picture in enumerate(frames):
            if stream is None:
                size = picture.size
                stream = _add_stream(container, size, rate)
            if picture.size != size:
                raise MediaError(f"frame {number} is {_text(picture.size)}, frame 0 is {_text(size)}; give one size")
            frame = av.VideoFrame.from_image(picture.convert("RGB"))
            frame = frame.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU601)
            frame.pts, frame.time_base = number, 1 / rate
            container.mux(stream.encode(frame))
        if stream is None:
            raise MediaError("there is no frame to write; give at least one")
        container.mux(stream.encode(None))


def _add_stream(container: av.container.OutputContainer, size: tuple[int, int], rate: Fraction) -> av.VideoStream:
    if size[0] % 2 or size[1] % 2:
        raise MediaError(f"frames of {_text(size)} cannot be stored as yuv420p; both sides must be even")
    stream = container.add_stream(ENCODER, rate=rate, options=OPTIONS)
    stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
    stream.codec_context.thread_count = 1  # more threads give other bytes
    stream.codec_context.time_base = 1 / rate
    return stream


def _text(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"
