"""Photo, video or folder of frames -> Media: upright RGB frames and the second at which each is shown.

Files are judged by content and never trusted: every cap and every kind of damage ends in a MediaError for a person.
"""

import os
import re
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from PIL import Image

from .errors import MediaError
from .photos import DEFAULT_LIMITS, TURNS, Clock, MediaLimits, TimedFile, beyond, check_file, load_photo
from .schema import Media

try:
    import decord
except ImportError:  # its wheels exist for few platforms
    decord = None

VIDEO_FORMATS = "mov,matroska,avi,mpegts,mpeg"  # demuxers; no playlist, which could name other files
KNOWN = "a photo (JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF) or a video (MP4, MOV, WebM, MKV, AVI, MPEG)"
NO_FRAME = "no frame of the video can be decoded: it is damaged or cut off; choose another one"
STILL_BRANDS = ("heic", "heix", "heim", "heis", "mif1", "msf1", "avif", "avis")  # photos dressed as MP4
MAX_SIDE = 1280  # px, longer side of a video frame
MAX_DECODER_THREADS = 4  # each one keeps frames of its own
FRAME_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")  # of the pictures in a folder of frames
FOLDER_FPS = 25.0  # a folder of frames does not say its rate
NUMBER = re.compile(r"[0-9]+")
SEEK_GAIN = 8  # frames that a seek must save, because it empties the decoder
TURN_OF_MATRIX = {signs: turn for _, signs, turn in TURNS}


@dataclass(frozen=True)
class _Clip:
    """What a first pass tells of a video. Frames are numbered in the order in which they are shown."""

    source: Path
    limits: MediaLimits
    clock: Clock
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
    """A photo, or `num_frames` frames of a video or of a folder of numbered frames, whatever the file is called.

    Photos come whole, as one frame: EXIF orientation applied, transparency over mid grey, the first picture of an
    animation. Videos give the centre frames of equal segments of what a player would show (rotation, edit list and
    pixel aspect applied), each frame at most once: a clip with fewer frames gives fewer, a damaged one may. The longer
    side of a video frame is scaled down to `max_side` pixels. All frames have one size, and that is `Media.size`:
    boxes and landmarks found in the frames are in its pixels. Memory does not grow with the length of the clip.
    A folder holds the pictures of one clip, named alike but for their numbers; it is shown at 25 frames a second.

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


def _load(source: Path, num_frames: int, max_side: int, limits: MediaLimits, *, trusted: bool) -> Media:
    if num_frames < 1 or max_side < 1:
        raise ValueError(f"num_frames is {num_frames} and max_side is {max_side}; both must be at least 1")
    try:
        if os.path.isdir(source):
            return _load_folder(source, num_frames, max_side, limits)
        check_file(source, limits)
        clock = Clock(limits.max_decode_seconds)
        photo = None if trusted else load_photo(source, limits, clock)
        return photo or _load_video(_survey(source, max_side, limits, clock), num_frames, trusted=trusted)
    except MediaError:
        raise
    except MemoryError as error:
        raise MediaError("the file needs more memory than it may take; make it smaller and try again") from error
    except Exception as error:  # decoders meet hostile bytes with any exception at all; people get one kind
        raise MediaError("the file is damaged or cut off and cannot be decoded; save or send it anew") from error


def _load_folder(folder: Path, num_frames: int, max_side: int, limits: MediaLimits) -> Media:
    """A clip published as numbered pictures. As in a video, all frames take the size of the first one."""
    files = [path for path in folder.iterdir() if path.suffix.lower() in FRAME_SUFFIXES and path.is_file()]
    files = [path for path in files if not path.name.startswith(".")]  # what macOS leaves behind
    if not files:
        raise MediaError(f"'{folder.name}' is a folder without frames (JPEG or PNG); choose a photo or a video")
    if len({NUMBER.sub("0", path.stem) for path in files}) > 1:
        raise MediaError(f"'{folder.name}' is a folder, but not of one clip's numbered frames; choose one file in it")
    if len(files) > limits.max_frames:
        raise beyond("the folder has", len(files), limits.max_frames, "frames", "Keep fewer and try again.")
    files.sort(key=lambda path: [int(number) for number in NUMBER.findall(path.stem)])  # 10.jpg comes after 9.jpg
    wanted, frames = segment_centres(len(files), num_frames), []
    for number in wanted:
        try:
            frames += load_media(files[number], num_frames=1, limits=limits).frames
        except MediaError as error:
            raise MediaError(f"frame '{files[number].name}': {error}") from error
    scale = min(1.0, max_side / max(frames[0].size))
    size = tuple(max(1, round(side * scale)) for side in frames[0].size)
    frames = [frame.resize(size, Image.Resampling.BICUBIC) if frame.size != size else frame for frame in frames]
    times = tuple(number / FOLDER_FPS for number in wanted)
    return Media(tuple(frames), times, kind="video", size=size, duration=len(files) / FOLDER_FPS)


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
def _opened(source: Path, limits: MediaLimits, clock: Clock) -> Iterator[av.VideoStream]:
    """The first moving picture. Headers may lie: the decoder has the pixel cap too, doubled as it rounds sizes up."""
    options, cover = {"max_pixels": str(2 * limits.max_frame_pixels)}, av.stream.Disposition.attached_pic
    rules = {"format_whitelist": VIDEO_FORMATS, "protocol_whitelist": "none"}
    with TimedFile(source, clock) as file:
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
                raise beyond("a video frame has", pixels / 1e6, cap / 1e6, "megapixels")
            codec.options = options
            codec.thread_type, codec.thread_count = "AUTO", min(MAX_DECODER_THREADS, os.cpu_count() or 1)
            yield moving[0]


def _packets(stream: av.VideoStream, clock: Clock) -> Iterator[av.Packet]:
    """Demuxes from here to the end, or to the damage in a cut-off file, without incomplete packets."""
    with suppress(av.FFmpegError, IndexError):  # PyAV's answer to a stream that begins late
        for packet in stream.container.demux(stream):
            clock.check()
            if not packet.is_corrupt:
                yield packet


def _decoded(stream: av.VideoStream, clock: Clock) -> Iterator[av.VideoFrame]:
    """Frames from here on without those that do not decode; the decoder drops what an edit list hides."""
    for packet in _packets(stream, clock):
        with suppress(av.FFmpegError):
            yield from packet.decode()


def _survey(source: Path, max_side: int, limits: MediaLimits, clock: Clock) -> _Clip:
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
                raise beyond("the video has", len(stamps), limits.max_frames, "frames or more", "Cut it, try again.")
        unit, plain = stream.time_base, stream.container.format.name.startswith("mov")
        aspect = float(stream.sample_aspect_ratio or 1)  # width of a stored pixel over its height
    if not stamps or first is None:
        raise MediaError(NO_FRAME)
    stamps = sorted(set(stamps))
    *times, duration = [float((stamp - stamps[0]) * unit) for stamp in (*stamps, end)]
    if duration > limits.max_seconds:
        raise beyond("the video lasts", duration, limits.max_seconds, "s", "Cut it and try again.")
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
