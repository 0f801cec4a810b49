"""Photo or video file -> Media: upright RGB frames and the second at which each is shown.

Files are judged by content and never trusted: every cap and every kind of damage ends in a MediaError for a person.
"""

import io
import os
import time
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from .errors import MediaError
from .schema import Media

try:
    import decord
except ImportError:  # its wheels exist for few platforms
    decord = None

IMAGE_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
VIDEO_FORMATS = "mov,matroska,avi,mpegts,mpeg"  # demuxers; no playlist, which could name other files
KNOWN = "a photo (JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF) or a video (MP4, MOV, WebM, MKV, AVI, MPEG)"
NO_FRAME = "no frame of the video can be decoded: it is damaged or cut off; choose another one"
STILL_BRANDS = ("heic", "heix", "heim", "heis", "mif1", "msf1", "avif", "avis")  # photos dressed as MP4
MID_GREY = (128, 128, 128)  # stands behind transparent pixels
MAX_SIDE = 1280  # px, longer side of a video frame
MAX_DECODER_THREADS = 4  # each one keeps frames of its own
SEEK_GAIN = 8  # frames that a seek must save, because it empties the decoder
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
TURN_OF_MATRIX = {signs: turn for _, signs, turn in TURNS}


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


class _Clock:
    """Stops the reading of a file that takes too long."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.end = seconds, time.monotonic() + seconds

    def check(self) -> None:
        if time.monotonic() > self.end:
            raise _beyond("reading the file takes more than", self.seconds, self.seconds, "s", "Cut it or resize it.")


class _TimedFile(io.BufferedReader):
    """A nameless file that gives bytes while there is time: 1 MB of JPEG can keep its decoder busy for minutes."""

    name = "file"  # no decoder shall judge the file by its name

    def __init__(self, source: Path, clock: _Clock) -> None:
        super().__init__(io.FileIO(source))
        self.clock = clock

    def read(self, size: int | None = -1, /) -> bytes:
        self.clock.check()
        return super().read(size)


@dataclass(frozen=True)
class _Clip:
    """What a first pass tells of a video. Frames are numbered in the order in which they are shown."""

    source: Path
    limits: MediaLimits
    clock: _Clock
    stamps: list[int]  # when each frame is shown, in the file's own unit
    times: list[float]  # the same in s since the first frame
    duration: float  # s
    keys: list[int]  # numbers of the frames from which decoding can start
    size: tuple[int, int]  # width, height of a picture with square pixels, before it is turned
    turn: Image.Transpose | None
    counted: bool  # decoded frames bear no usable stamp (AVI), so that they are counted
    plain: bool  # an MP4 or MOV that decord reads rightly: square pixels, no turn, closed groups of pictures


def load_media(
    path: str | Path, *, num_frames: int = 16, max_side: int = MAX_SIDE, limits: MediaLimits = DEFAULT_LIMITS
) -> Media:
    """A photo, or `num_frames` frames of a video, whatever the file is called.

    Photos come whole, as one frame: EXIF orientation applied, transparency over mid grey, the first picture of an
    animation. Videos give the centre frames of equal segments of what a player would show (rotation, edit list and
    pixel aspect applied), each frame at most once: a clip with fewer frames gives fewer, a damaged one may. The longer
    side of a video frame is scaled down to `max_side` pixels. All frames have one size, and that is `Media.size`:
    boxes and landmarks found in the frames are in its pixels. Memory does not grow with the length of the clip.

    Raises:
        MediaError: The file is missing, damaged, of another kind, or beyond a cap.
        ValueError: `num_frames` or `max_side` is not positive.
    """
    return _load(Path(path), num_frames, max_side, limits, trusted=False)


def load_trusted_clip(path: str | Path, *, num_frames: int = 16) -> Media:
    """`load_media` for clips of one's own training sets: the same frames, read by decord where it is installed.

    Not for uploads: decord cannot be stopped once it hangs (dmlc/decord#373). Clips that it misreads, such as those
    with an edit list or open groups of pictures, are left to `load_media`'s decoder.

    Raises:
        MediaError: As `load_media`; also when the file is a photo.
    """
    return _load(Path(path), num_frames, MAX_SIDE, DEFAULT_LIMITS, trusted=True)


def segment_centres(count: int, num: int) -> list[int]:
    """The centre of each of `num` equal segments of `count` frames; every frame once when there are no more than that.

    Raises:
        ValueError: `num` is not positive.
    """
    if num < 1:
        raise ValueError(f"{num} frames were asked for; ask for at least 1")
    if count <= num:
        return list(range(count))
    return [(2 * segment + 1) * count // (2 * num) for segment in range(num)]


def _beyond(what: str, value: float, cap: float, unit: str, advice: str = "Resize it and try again.") -> MediaError:
    return MediaError(f"{what} {value:,.5g} {unit}; the cap is {cap:,.5g}. {advice}")


def _load(source: Path, num_frames: int, max_side: int, limits: MediaLimits, *, trusted: bool) -> Media:
    if num_frames < 1 or max_side < 1:
        raise ValueError(f"num_frames is {num_frames} and max_side is {max_side}; both must be at least 1")
    try:
        _check_file(source, limits)
        clock = _Clock(limits.max_decode_seconds)
        photo = None if trusted else _load_image(source, limits, clock)
        return photo or _load_video(_survey(source, max_side, limits, clock), num_frames, trusted=trusted)
    except MediaError:
        raise
    except Exception as error:  # decoders meet hostile bytes with any exception at all; people get one kind
        raise MediaError("the file is damaged or cut off and cannot be decoded; save or send it anew") from error


def _check_file(source: Path, limits: MediaLimits) -> None:
    if not os.access(source, os.R_OK):
        raise MediaError(f"'{source.name}' does not exist or may not be read; check its name")
    if not source.is_file():
        raise MediaError(f"'{source.name}' is a folder or a device; choose a photo or a video")
    if not (size := source.stat().st_size):
        raise MediaError(f"'{source.name}' is empty; choose another file")
    if size > limits.max_bytes:
        raise _beyond("the file has", size / 1e6, limits.max_bytes / 1e6, "MB", "Cut or compress it and try again.")


def _load_image(source: Path, limits: MediaLimits, clock: _Clock) -> Media | None:
    """The photo, or None when no image format knows the file. The pixel cap is applied to the header alone."""
    cap = limits.max_pixels / 1e6
    with _TimedFile(source, clock) as file:
        try:
            image = Image.open(file, formats=IMAGE_FORMATS)
        except UnidentifiedImageError:
            return None
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise _beyond("the photo has more than", Image.MAX_IMAGE_PIXELS / 1e6, cap, "megapixels") from error
        if image.width * image.height > limits.max_pixels:
            raise _beyond("the photo has", image.width * image.height / 1e6, cap, "megapixels")
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


def _load_video(clip: _Clip, num_frames: int, *, trusted: bool) -> Media:
    wanted = segment_centres(len(clip.stamps), num_frames)
    pictures = _read_by_decord(clip, wanted) if trusted and clip.plain and decord is not None else {}
    pictures = pictures or _read_by_av(clip, wanted)
    if not pictures:
        raise MediaError(NO_FRAME)
    frames = tuple(pictures.values())
    times = tuple(clip.times[number] for number in pictures)
    return Media(frames, times, kind="video", size=frames[0].size, duration=clip.duration)


@contextmanager
def _opened(source: Path, limits: MediaLimits, clock: _Clock) -> Iterator[av.VideoStream]:
    """The first moving picture. Headers may lie: the decoder has the pixel cap too, doubled as it rounds sizes up."""
    options, cover = {"max_pixels": str(2 * limits.max_frame_pixels)}, av.stream.Disposition.attached_pic
    rules = {"format_whitelist": VIDEO_FORMATS, "protocol_whitelist": "none"}
    with _TimedFile(source, clock) as file:
        try:
            container = av.open(file, options=options, container_options=rules, metadata_errors="replace")
        except av.FFmpegError as error:
            raise MediaError(f"the file is damaged, cut off or of an unknown kind; choose {KNOWN}") from error
        with container:
            if container.metadata.get("major_brand") in STILL_BRANDS:
                raise MediaError("HEIC and damaged AVIF photos cannot be read; export the photo as JPEG and try again")
            moving = [v for v in container.streams.video if v.codec_context and not v.disposition & cover]
            if not moving:
                raise MediaError("the file has no moving picture, perhaps only sound; choose a photo or a video")
            codec = moving[0].codec_context
            pixels, cap = codec.width * codec.height, limits.max_frame_pixels
            if pixels > cap:
                raise _beyond("a video frame has", pixels / 1e6, cap / 1e6, "megapixels")
            codec.options = options
            codec.thread_type, codec.thread_count = "AUTO", min(MAX_DECODER_THREADS, os.cpu_count() or 1)
            yield moving[0]


def _packets(stream: av.VideoStream, clock: _Clock) -> Iterator[av.Packet]:
    """Demuxes from here to the end, or to the damage in a cut-off file, without incomplete packets."""
    with suppress(av.FFmpegError, IndexError):  # PyAV's answer to a stream that begins late
        for packet in stream.container.demux(stream):
            clock.check()
            if not packet.is_corrupt:
                yield packet


def _decoded(stream: av.VideoStream, clock: _Clock) -> Iterator[av.VideoFrame]:
    """Frames from here on without those that do not decode; the decoder drops what an edit list hides."""
    for packet in _packets(stream, clock):
        with suppress(av.FFmpegError):
            yield from packet.decode()


def _survey(source: Path, max_side: int, limits: MediaLimits, clock: _Clock) -> _Clip:
    """Demuxes the clip once, decodes its first frame, and applies the caps on frames and seconds."""
    stamps, keys, end, first, leading = [], [], 0, None, False
    with _opened(source, limits, clock) as stream:
        counted = stream.container.format.name == "avi"  # whose pts are the demuxer's guess
        for packet in _packets(stream, clock):
            with suppress(av.FFmpegError):
                first = first or next(iter(packet.decode()), None)
            if packet.size == 0:  # flushes the decoder
                continue
            counted = counted or packet.pts is None
            stamp = packet.dts if counted else packet.pts
            stamp = end if stamp is None else stamp
            if packet.is_keyframe:
                keys.append(stamp)  # also a hidden one, from which shown frames may be decoded
            leading = leading or (bool(keys) and stamp < keys[-1])  # shown before the keyframe that it follows
            if packet.is_discard:
                continue
            stamps.append(stamp)
            end = max(end, stamp + (packet.duration or 0))
            if len(stamps) > limits.max_frames:
                raise _beyond("the video has", len(stamps), limits.max_frames, "frames or more", "Cut it, try again.")
        unit, plain = stream.time_base, stream.container.format.name.startswith("mov")
        aspect = float(stream.sample_aspect_ratio or 1)  # width of a stored pixel over its height
    if not stamps or first is None:
        raise MediaError(NO_FRAME)
    stamps = sorted(set(stamps))
    *times, duration = [float((stamp - stamps[0]) * unit) for stamp in (*stamps, end)]
    if duration > limits.max_seconds:
        raise _beyond("the video lasts", duration, limits.max_seconds, "s", "Cut it and try again.")
    keys = [] if counted else sorted({bisect_left(stamps, key) for key in keys})
    wide = first.width * (aspect if 0.25 <= aspect <= 4 else 1)  # the rest is nonsense
    scale = min(1.0, max_side / max(wide, first.height))
    size, turn = (max(1, round(wide * scale)), max(1, round(first.height * scale))), _turn_of(first)
    plain = plain and aspect == 1 and turn is None and not leading
    return _Clip(source, limits, clock, stamps, times, duration, keys, size, turn, counted, plain)


def _turn_of(frame: av.VideoFrame) -> Image.Transpose | None:
    if (matrix := frame.side_data.get("DISPLAYMATRIX")) is None:
        return None
    signs = np.rint(np.frombuffer(matrix, np.int32)[[0, 1, 3, 4]] / 65536).astype(int)  # 16.16 fixed point
    return TURN_OF_MATRIX.get(tuple(signs.tolist()))


def _read_by_av(clip: _Clip, wanted: list[int], *, may_seek: bool = True) -> dict[int, Image.Image]:
    """{number: picture} of the wanted frames; the next frame that decodes stands in for one that does not.

    Jumps to keyframes where that saves decoding, and starts anew without jumps should one land behind a wanted frame.
    """
    taken: dict[int, Image.Image] = {}
    with _opened(clip.source, clip.limits, clip.clock) as stream:
        here, frames = -1, enumerate(_decoded(stream, clip.clock))
        for want in wanted:
            key = max((key for key in clip.keys if key <= want), default=0)
            jump = may_seek and key - here > SEEK_GAIN
            if jump:
                try:
                    stream.container.seek(clip.stamps[key], stream=stream)
                except av.FFmpegError:  # the container cannot jump
                    return _read_by_av(clip, wanted, may_seek=False)
                here, frames = -1, enumerate(_decoded(stream, clip.clock))
            while here < want:
                count, frame = next(frames, (0, None))
                if frame is None:
                    return taken
                here = count if clip.counted else bisect_left(clip.stamps, frame.pts, hi=len(clip.stamps) - 1)
                if jump and here > want:
                    return _read_by_av(clip, wanted, may_seek=False)
                jump = False
            if here not in taken:
                picture = frame.to_image(width=clip.size[0], height=clip.size[1], interpolation="BICUBIC")
                taken[here] = picture if clip.turn is None else picture.transpose(clip.turn)
    return taken


def _read_by_decord(clip: _Clip, wanted: list[int]) -> dict[int, Image.Image]:
    """As `_read_by_av`, or {} for a clip that decord does not read or counts otherwise (edit lists)."""
    try:
        reader = decord.VideoReader(str(clip.source), ctx=decord.cpu(0))
        if len(reader) != len(clip.stamps):
            return {}
        pixels = reader.get_batch(wanted).asnumpy()  # F, height, width, 3
    except Exception:  # of many types; the other decoder is the judge of the file
        return {}
    pictures = (Image.fromarray(picture).resize(clip.size, Image.Resampling.BICUBIC) for picture in pixels)
    return dict(zip(wanted, pictures, strict=True))
