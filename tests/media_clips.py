"""Writes awkward photos and clips: every clip frame carries its own number as a barcode that survives lossy coding."""

import io
import multiprocessing
import struct
import tempfile
import zlib
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from emo_toolkit.schema import Media

BITS = 12
CLIP_SIZE = (320, 240)  # width, height of the upright picture
FOLDER = tempfile.TemporaryDirectory(prefix="clips-")  # goes when Python ends
FPS = 30
FAST = {"preset": "veryfast", "crf": "18"}
REALTIME = {"deadline": "realtime", "cpu-used": "8", "b": "3M", "g": "60"}
QUIET = {"preset": "ultrafast", "x265-params": "log-level=error"}
MPEG = {"b": "3M", "g": "12", "bf": "2"}
FRAGMENTS = {"movflags": "frag_keyframe+empty_moov"}
# As root, SVT-AV1 makes the process that calls it a real-time one. Whatever that starts later, such as a browser,
# inherits it, and its waiting threads starve those they wait for.
GREEDY = {"libsvtav1"}
OPEN_GOP = "open-gop=1:keyint=24:min-keyint=24:scenecut=0"
CLIPS = {
    "gop12.mp4": {"count": 300, "options": {**FAST, "g": "12", "bf": "2"}},
    "gop250.mp4": {"count": 300, "options": {**FAST, "g": "250", "bf": "3"}},
    "gop2.mp4": {"options": {**FAST, "g": "2", "bf": "1"}},
    "open_gop.mp4": {"count": 300, "options": {**FAST, "bf": "3", "x264-params": OPEN_GOP}},
    "fragments.mp4": {"options": {**FAST, "g": "24", "bf": "3"}, "container_options": FRAGMENTS},
    "faststart.mp4": {"options": FAST, "container_options": {"movflags": "faststart"}},
    "vfr.mp4": {"numbers": (*range(60), *range(60, 150, 3)), "options": {**FAST, "g": "40", "bf": "2"}},
    "mpeg4.mp4": {"codec": "mpeg4", "options": MPEG},
    "h264.mkv": {"options": {**FAST, "g": "50", "bf": "3"}},
    "h264.ts": {"options": {**FAST, "g": "50", "bf": "3"}},
    "h264.avi": {"options": {**FAST, "g": "50", "bf": "3"}},
    "mpeg4.avi": {"codec": "mpeg4", "options": MPEG},
    "mjpeg.avi": {"codec": "mjpeg", "pix_fmt": "yuvj420p", "count": 40},
    "mpeg2.mpg": {"codec": "mpeg2video", "options": MPEG},
    "vp8.webm": {"codec": "libvpx", "options": REALTIME},
    "live.webm": {
        "codec": "libvpx",
        "options": REALTIME,
        "container": "webm",
        "container_options": {"live": "1"},
    },
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"cpu-used": "8", "b": "3M", "lag-in-frames": "16"}},
    "av1.mp4": {"codec": "libsvtav1", "options": {"preset": "12"}, "count": 60},
    "hevc.mp4": {"codec": "libx265", "options": QUIET, "count": 60},
    "ten_bit_hevc.mp4": {"codec": "libx265", "options": QUIET, "pix_fmt": "yuv420p10le", "count": 60},
    "ten_bit_h264.mp4": {"options": FAST, "pix_fmt": "yuv420p10le", "count": 60},
    "odd.webm": {"codec": "libvpx", "options": REALTIME, "size": (321, 241), "count": 40},
    "odd.mp4": {"options": FAST, "size": (321, 241), "pix_fmt": "yuv444p", "count": 40},
    "one.mp4": {"count": 1},
    "three.mp4": {"count": 3},
    "turned.mp4": {"count": 20, "turn": 90},
    "wide_pixels.mp4": {"count": 40, "size": (160, 240), "pixel_aspect": Fraction(2)},
}


@cache
def clip(name: str) -> Path:
    """The clip of that name in `CLIPS`, written once."""
    settings = {"count": 120, **CLIPS[name]}
    codec = settings.get("codec", "libx264")
    if codec not in av.codecs_available:
        pytest.skip(f"this PyAV has no {codec} encoder")
    path = Path(FOLDER.name) / name
    if codec not in GREEDY:
        return write_clip(path, **settings)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as apart:
        return apart.submit(write_clip, path, **settings).result()


def numbers_of(name: str) -> list[int]:
    """The barcodes in the clip, in order of showing."""
    return list(CLIPS[name].get("numbers", range(CLIPS[name].get("count", 120))))


def barcodes(loaded: Media) -> list[int]:
    return [read_barcode(frame) for frame in loaded.frames]


def barcode(number: int, size: tuple[int, int] = CLIP_SIZE) -> np.ndarray:
    """(height, width, 3) picture: 12 bars over the upper half, least significant bit first, over a moving ramp."""
    width, height = size
    ramp = (np.add.outer(np.arange(height), np.arange(width)) + 3 * number) % 256
    picture = np.repeat(ramp[..., None], 3, axis=2).astype(np.uint8)
    for bit in range(BITS):
        picture[: height // 2, bit * width // BITS : (bit + 1) * width // BITS] = 255 * (number >> bit & 1)
    return picture


def read_barcode(picture: Image.Image) -> int:
    """The number that `barcode` wrote."""
    grey = np.asarray(picture.convert("L"), float)
    height, width = grey.shape
    centres = [int((bit + 0.5) * width / BITS) for bit in range(BITS)]
    row = grey[height // 8 : height // 3].mean(axis=0)
    return sum(int(row[centre - 2 : centre + 3].mean() > 128) << bit for bit, centre in enumerate(centres))


def write_clip(
    path: Path,
    count: int = 300,
    *,
    codec: str = "libx264",
    size: tuple[int, int] = CLIP_SIZE,
    fps: int = 30,
    numbers: Sequence[int] | None = None,
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    container: str | None = None,
    container_options: dict[str, str] | None = None,
    turn: int = 0,
    mirrored: bool = False,
    pixel_aspect: Fraction | None = None,
) -> Path:
    """Frames `numbers` (all of `count` when None), each at the time number / fps.

    A player has to turn the stored frames by `turn` degrees anticlockwise, then mirror them when `mirrored`.
    """
    with av.open(str(path), "w", format=container, container_options=container_options or {}) as out:
        stream = out.add_stream(codec, rate=fps, options=dict(options or {}))
        stream.width, stream.height = size if turn % 180 == 0 else size[::-1]
        stream.pix_fmt = pix_fmt
        stream.time_base = stream.codec_context.time_base = Fraction(1, fps)
        if pixel_aspect:
            stream.codec_context.sample_aspect_ratio = pixel_aspect
        if turn or mirrored:
            stream.set_display_rotation(turn, hflip=mirrored)
        for number in range(count) if numbers is None else numbers:
            shown = barcode(number, size)[:, ::-1] if mirrored else barcode(number, size)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(np.rot90(shown, -turn // 90)))
            frame.time_base = stream.codec_context.time_base
            frame.pts = number
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def cut_with_edit_list(path: Path, source: Path, seconds: float) -> Path:
    """Copies the packets but lets the clip begin at `seconds`: the mp4 muxer writes that as an edit list."""
    with av.open(str(source)) as inp, av.open(str(path), "w") as out:
        stream = inp.streams.video[0]
        copy = out.add_stream_from_template(stream)
        offset = round(seconds / stream.time_base)
        for packet in inp.demux(stream):
            if packet.size:
                packet.pts, packet.dts, packet.stream = packet.pts - offset, packet.dts - offset, copy
                out.mux(packet)
    return path


def write_sound(path: Path, seconds: float = 1.0) -> Path:
    """A file with sound only."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("aac", rate=16_000, layout="mono")
        for start in range(0, int(16_000 * seconds), 1024):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 16_000, start, Fraction(1, 16_000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def png_bytes(width: int, height: int, *, depth: int, colour: int, rows: bytes) -> bytes:
    """A PNG from raw rows (a filter byte before each), for modes that Pillow does not write."""

    def chunk(tag: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + tag + body + struct.pack(">I", zlib.crc32(tag + body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def pixel_bomb(side: int = 12_000) -> bytes:
    """A PNG of a few KiB that decodes to `side` squared pixels."""
    return png_bytes(side, side, depth=1, colour=0, rows=bytes((side + 7) // 8 + 1) * side)


def scan_bomb(side: int = 2000, repeats: int = 5000) -> bytes:
    """A progressive JPEG whose last scan comes again and again: little to read, much to decode."""
    file = io.BytesIO()
    Image.new("RGB", (side, side), (128, 100, 50)).save(file, "JPEG", progressive=True)
    body = file.getvalue()[:-2]
    last_scan = body[body.rindex(b"\xff\xc4") :]  # from its Huffman table on
    return body + last_scan * repeats + b"\xff\xd9"


def heic_bytes() -> bytes:
    """An AVIF file that says HEIC, which nothing here can write."""
    file = io.BytesIO()
    Image.new("RGB", (64, 64)).save(file, "AVIF")
    return file.getvalue().replace(b"ftypavif", b"ftypheic")
