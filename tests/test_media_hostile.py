"""load_media meets broken and hostile files: a MediaError for a person, in little time and memory."""

import io
import os
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from media_clips import (
    FPS,
    barcode,
    barcodes,
    clip,
    heic_bytes,
    pixel_bomb,
    png_bytes,
    scan_bomb,
    write_clip,
    write_sound,
)
from PIL import Image

from emo_toolkit import media
from emo_toolkit.errors import MediaError
from emo_toolkit.media import MediaLimits, load_media, load_trusted_clip, segment_centres
from emo_toolkit.photos import Clock


def peak_growth(work: Callable[[], object]) -> float:
    """MB of resident memory that `work` needs at its peak beyond what the process has before."""

    def status(field: str) -> float:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return int(next(line for line in lines if line.startswith(field)).split()[1]) / 1000

    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # forget the peak so far
    except OSError:
        pytest.skip("peak memory cannot be measured on this system")
    before = status("VmRSS")
    work()
    return status("VmHWM") - before


# ------------------------------------------------------------------ broken files


@pytest.mark.parametrize("name", ["faststart.mp4", "fragments.mp4", "live.webm", "h264.mkv", "h264.ts", "mpeg4.avi"])
def test_cut_off_clip_gives_what_decodes(tmp_path: Path, name: str) -> None:
    whole = clip(name).read_bytes()
    path = tmp_path / name
    path.write_bytes(whole[: len(whole) // 2])
    loaded = load_media(path)
    seen = barcodes(loaded)
    assert len(seen) >= 14
    assert seen == sorted(set(seen))
    assert 30 < seen[-1] < 90
    assert loaded.times == pytest.approx([number / FPS for number in seen], abs=0.002)


def test_half_a_frame_at_the_cut_is_left_out(tmp_path: Path) -> None:
    whole = clip("faststart.mp4").read_bytes()
    with av.open(str(clip("faststart.mp4"))) as container:
        last = max((packet for packet in container.demux(video=0) if packet.size), key=lambda packet: packet.pos)
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole[: last.pos + last.size // 2])
    assert barcodes(load_media(path, num_frames=999)) == [*range(118), 119]  # 118 refers to 119, which comes first


def test_cut_off_before_the_index(tmp_path: Path) -> None:
    whole = clip("gop12.mp4").read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(MediaError, match="damaged, cut off"):
        load_media(path)


PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{}\n#EXT-X-ENDLIST\n"
BROKEN = {
    "text.jpg": b"this is no picture\n" * 50,
    "junk.mp4": np.random.default_rng(0).bytes(20_000),
    "drawing.svg": b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>",
    "paper.pdf": b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n",
    "files.zip": b"PK\x03\x04" + bytes(60) + b"PK\x05\x06" + bytes(18),
    "script.eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n",
    "zero.png": png_bytes(0, 0, depth=8, colour=0, rows=b""),
    "header.png": png_bytes(9, 9, depth=8, colour=0, rows=b"")[:20],
    "header.jpg": b"\xff\xd8\xff\xe0\x00\x10JFIF",
    "header.mp4": b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom",
    "header.webm": b"\x1a\x45\xdf\xa3",
    "list.m3u8": PLAYLIST.encode(),
    "list.ffconcat": b"ffconcat version 1.0\nfile clip.ts\n",
    "photo.heic": heic_bytes(),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_file_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(BROKEN[name])
    for load in (load_media, load_trusted_clip):
        with pytest.raises(MediaError, match="choose|export|save"):
            load(path)


def test_playlist_opens_no_other_file(tmp_path: Path) -> None:
    other = write_clip(tmp_path / "clip.ts", 10)
    for name, text in {
        "l.m3u8": PLAYLIST.format(other),
        "l.ffconcat": f"ffconcat version 1.0\nfile '{other}'\n",
    }.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
        with pytest.raises(MediaError, match="unknown kind"):
            load_media(tmp_path / name)


def test_missing_empty_and_folder(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    os.mkfifo(tmp_path / "pipe.mp4")
    expected = {
        "none.mp4": "none.mp4' does not exist",
        "none\0.mp4": "damaged",
        "n" * 300: "does not exist",
        "empty.mp4": "empty.mp4' is empty",
        ".": "is a folder",
        "pipe.mp4": "is a folder or a device",
    }
    for name, message in expected.items():
        with pytest.raises(MediaError, match=message):
            load_media(tmp_path / name)
    with pytest.raises(MediaError, match="does not exist"):
        load_media("https://example.org/clip.mp4")


def test_other_containers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="unknown kind"):
        load_media(write_clip(tmp_path / "clip.flv", 5))


@pytest.mark.parametrize("name", ["sound.mp4", "sound.m4a", "sound.mkv"])
def test_sound_alone_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(MediaError, match="only sound"):
        load_media(write_sound(tmp_path / name))


def test_wrong_arguments_are_the_callers_fault() -> None:
    with pytest.raises(ValueError, match="num_frames is 0"):
        load_media(clip("one.mp4"), num_frames=0)
    with pytest.raises(ValueError, match="max_side is -1"):
        load_media(clip("one.mp4"), max_side=-1)
    with pytest.raises(TypeError):
        load_media(None)


@pytest.mark.parametrize("seed", range(3))
def test_random_damage_raises_nothing_else(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    file = io.BytesIO()
    Image.fromarray(barcode(5, (64, 48))).save(file, "PNG")
    sources = [clip(name).read_bytes() for name in ("three.mp4", "odd.webm", "mjpeg.avi")] + [file.getvalue()]
    for source in sources * 6:
        bytes_ = np.frombuffer(source, np.uint8).copy()
        places = rng.integers(0, min(len(bytes_), 1500), 8)
        bytes_[places] = rng.integers(0, 256, 8)
        (tmp_path / "damaged").write_bytes(bytes_[: rng.integers(1, len(bytes_) + 1)].tobytes())
        try:
            loaded = load_media(tmp_path / "damaged", num_frames=2)
        except MediaError:
            continue
        assert {frame.size for frame in loaded.frames} == {loaded.size}


# ------------------------------------------------------------------ caps


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (MediaLimits(max_bytes=10_000), r"the file has [\d.]+ MB; the cap is 0\.01\."),
        (MediaLimits(max_seconds=4), r"the video lasts 10 s; the cap is 4\."),
        (MediaLimits(max_frames=100), r"the video has 101 frames or more; the cap is 100\."),
        (MediaLimits(max_frame_pixels=50_000), r"a video frame has 0\.0768 megapixels; the cap is 0\.05\."),
        (MediaLimits(max_decode_seconds=0), r"reading the file takes more than 0 s; the cap is 0\."),
    ],
)
def test_clip_beyond_a_cap(limits: MediaLimits, message: str) -> None:
    with pytest.raises(MediaError, match=message):
        load_media(clip("gop12.mp4"), limits=limits)


def test_decoding_stops_when_the_time_is_up() -> None:
    with (
        media._opened(clip("three.mp4"), MediaLimits(), Clock(9)) as stream,
        pytest.raises(MediaError, match="takes more than -1 s"),
    ):
        list(media._decoded(stream, Clock(-1)))


def test_caps_are_inclusive() -> None:
    path = clip("gop12.mp4")
    limits = MediaLimits(path.stat().st_size, max_seconds=10, max_frames=300, max_frame_pixels=320 * 240)
    assert len(load_media(path, limits=limits).frames) == 16


def test_frames_that_grow_beyond_the_cap_are_not_decoded(tmp_path: Path) -> None:
    small, large = (write_clip(tmp_path / f"{side}.ts", 30, size=(side, side)) for side in (240, 480))
    both = tmp_path / "both.ts"
    both.write_bytes(small.read_bytes() + large.read_bytes())
    seen = {}
    for cap in (60_000, 300_000):
        with media._opened(both, MediaLimits(max_frame_pixels=cap), Clock(9)) as stream:
            seen[cap] = {frame.width for frame in media._decoded(stream, Clock(9))}
    assert seen == {60_000: {240}, 300_000: {240, 480}}


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(("side", "value"), [(12_000, "144"), (20_000, r"more than 89\.478")])
def test_pixel_bomb_is_refused_unopened(tmp_path: Path, side: int, value: str) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(pixel_bomb(side))
    assert path.stat().st_size < 60_000

    def refused() -> None:
        with pytest.raises(
            MediaError, match=rf"the photo has {value} megapixels; the cap is 25\. Resize it and try again"
        ):
            load_media(path)

    start = time.process_time()
    assert peak_growth(refused) < 10
    assert time.process_time() - start < 0.5


def test_scan_bomb_runs_out_of_time(tmp_path: Path) -> None:
    path = tmp_path / "bomb.jpg"
    path.write_bytes(scan_bomb())
    start = time.process_time()
    with pytest.raises(MediaError, match=r"takes more than 0\.1 s; the cap is 0\.1"):
        load_media(path, limits=MediaLimits(max_decode_seconds=0.1))
    assert time.process_time() - start < 6


def test_memory_does_not_grow_with_the_clip(tmp_path: Path) -> None:
    options = {"preset": "ultrafast", "g": "250"}
    short, long = (write_clip(tmp_path / f"{count}.mp4", count, options=options) for count in (100, 3000))
    load_media(short)  # whatever is allocated once
    assert barcodes(load_media(long)) == segment_centres(3000, 16)
    assert peak_growth(lambda: load_media(long)) < peak_growth(lambda: load_media(short)) + 15
