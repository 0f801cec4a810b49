"""load_media meets awkward, broken and hostile files: right frames, right times, or a MediaError for a person."""

import io
import os
import pickle
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from media_clips import (
    CLIP_SIZE,
    barcode,
    cut_with_edit_list,
    heic_bytes,
    pixel_bomb,
    png_bytes,
    read_barcode,
    scan_bomb,
    write_clip,
    write_sound,
)
from PIL import ExifTags, Image, ImageOps

from emo_toolkit import media
from emo_toolkit.errors import MediaError
from emo_toolkit.media import MediaLimits, load_media, load_trusted_clip, segment_centres
from emo_toolkit.schema import Media

FPS = 30
FAST = {"preset": "veryfast", "crf": "18"}
REALTIME = {"deadline": "realtime", "cpu-used": "8", "b": "3M", "g": "60"}
QUIET = {"preset": "ultrafast", "x265-params": "log-level=error"}
MPEG = {"b": "3M", "g": "12", "bf": "2"}
FRAGMENTS = {"movflags": "frag_keyframe+empty_moov"}
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


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Writes the clip of that name in `CLIPS` once."""
    folder = tmp_path_factory.mktemp("clips")

    def written(name: str) -> Path:
        settings = {"count": 120, **CLIPS[name]}
        codec = settings.get("codec", "libx264")
        if codec not in av.codecs_available:
            pytest.skip(f"this PyAV has no {codec} encoder")
        if not (folder / name).exists():
            write_clip(folder / name, **settings)
        return folder / name

    return written


def numbers_of(name: str) -> list[int]:
    """The barcodes in the clip, in order of showing."""
    return list(CLIPS[name].get("numbers", range(CLIPS[name].get("count", 120))))


def barcodes(loaded: Media) -> list[int]:
    return [read_barcode(frame) for frame in loaded.frames]


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


# ------------------------------------------------------------------ which frames


@pytest.mark.parametrize("count", [0, 1, 2, 15, 16, 17, 71, 300, 9000])
@pytest.mark.parametrize("num", [1, 3, 16])
def test_segment_centres(count: int, num: int) -> None:
    centres = segment_centres(count, num)
    assert len(centres) == min(count, num)
    assert all(a < b for a, b in zip(centres, centres[1:], strict=False))
    for i, centre in enumerate(centres):
        low, high = i * count / len(centres), (i + 1) * count / len(centres)
        assert abs(centre + 0.5 - (low + high) / 2) <= 0.5
    assert [count - 1 - c for c in reversed(segment_centres(count, num))] == pytest.approx(centres, abs=1)


def test_segment_centres_by_hand() -> None:
    assert segment_centres(32, 16) == list(range(1, 32, 2))
    assert segment_centres(9, 3) == [1, 4, 7]
    with pytest.raises(ValueError, match="0 frames"):
        segment_centres(5, 0)


@pytest.mark.parametrize("name", CLIPS)
def test_frames_are_the_segment_centres(clip: Callable[[str], Path], name: str) -> None:
    numbers = numbers_of(name)
    wanted = [numbers[i] for i in segment_centres(len(numbers), 16)]
    loaded = load_media(clip(name))
    assert barcodes(loaded) == wanted
    assert loaded.times == pytest.approx([number / FPS for number in wanted], abs=0.002)
    assert loaded.duration == pytest.approx((numbers[-1] + 1) / FPS, abs=0.1)
    assert loaded.kind == "video"
    assert loaded.size == (CLIP_SIZE if "odd" not in name else (321, 241))
    assert {(frame.size, frame.mode) for frame in loaded.frames} == {(loaded.size, "RGB")}


@pytest.mark.parametrize("num_frames", [1, 5, 60, 120, 999])
@pytest.mark.parametrize("name", ["gop2.mp4", "h264.ts", "live.webm", "h264.avi"])
def test_number_of_frames(clip: Callable[[str], Path], name: str, num_frames: int) -> None:
    assert barcodes(load_media(clip(name), num_frames=num_frames)) == segment_centres(120, num_frames)


def test_live_clip_has_no_duration(clip: Callable[[str], Path]) -> None:
    with av.open(str(clip("live.webm"))) as container:
        assert container.duration is None


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_clip_is_shown_upright(tmp_path: Path, turn: int, mirrored: bool) -> None:
    path = write_clip(tmp_path / "clip.mp4", 20, turn=turn, mirrored=mirrored)
    with av.open(str(path)) as container:
        codec = container.streams.video[0].codec_context
        assert (codec.width, codec.height) == (CLIP_SIZE if turn % 180 == 0 else CLIP_SIZE[::-1])
    loaded = load_media(path, num_frames=4)
    assert loaded.size == CLIP_SIZE
    assert barcodes(loaded) == segment_centres(20, 4)


@pytest.mark.parametrize("source", ["gop250.mp4", "gop12.mp4"])
def test_edit_list_hides_frames(clip: Callable[[str], Path], tmp_path: Path, source: str) -> None:
    path = cut_with_edit_list(tmp_path / "cut.mp4", clip(source), 3.3)
    with av.open(str(path)) as container:
        hidden = sum(packet.is_discard for packet in container.demux(video=0))
    assert b"elst" in path.read_bytes()
    assert hidden > 0
    for load in (load_media, load_trusted_clip):
        loaded = load(path)
        assert barcodes(loaded) == [99 + i for i in segment_centres(201, 16)]
        assert loaded.times[0] == pytest.approx(6 / FPS, abs=0.002)
        assert loaded.duration == pytest.approx(201 / FPS, abs=0.04)


def test_no_jump_is_needed_for_the_right_frames(clip: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    jumping = load_media(clip("gop12.mp4"))
    monkeypatch.setattr(media, "SEEK_GAIN", 10**9)
    walking = load_media(clip("gop12.mp4"))
    assert all(a.tobytes() == b.tobytes() for a, b in zip(jumping.frames, walking.frames, strict=True))


def test_large_frames_are_scaled_down(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "large.mp4", 4, size=(1920, 1080))
    loaded = load_media(path)
    assert loaded.size == loaded.frames[0].size == (1280, 720)
    assert barcodes(loaded) == [0, 1, 2, 3]
    assert load_media(path, max_side=100).size == (100, 56)
    assert load_media(path, max_side=4000).size == (1920, 1080)


def test_size_that_changes_on_the_way(tmp_path: Path) -> None:
    small, large = (write_clip(tmp_path / f"{side}.ts", 30, size=(side, side)) for side in (240, 480))
    both = tmp_path / "both.ts"
    both.write_bytes(small.read_bytes() + large.read_bytes())
    assert {frame.size for frame in load_media(both).frames} == {(240, 240)}


def test_decord_gives_the_same_frames(clip: Callable[[str], Path]) -> None:
    pytest.importorskip("decord")
    for name in ("gop12.mp4", "gop250.mp4", "vfr.mp4", "fragments.mp4", "three.mp4"):
        assert_same(load_media(clip(name)), load_trusted_clip(clip(name)))


@pytest.mark.parametrize(
    "name", ["open_gop.mp4", "mpeg4.mp4", "h264.avi", "live.webm", "turned.mp4", "wide_pixels.mp4"]
)
def test_trusted_clips_that_decord_misreads(clip: Callable[[str], Path], name: str) -> None:
    assert_same(load_media(clip(name)), load_trusted_clip(clip(name)))


def test_trusted_clip_without_decord(clip: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "decord", None)
    assert_same(load_media(clip("gop12.mp4")), load_trusted_clip(clip("gop12.mp4")))


def assert_same(one: Media, other: Media) -> None:
    assert (one.times, one.size, one.duration) == (other.times, other.size, other.duration)
    for a, b in zip(one.frames, other.frames, strict=True):
        assert np.abs(np.asarray(a, int) - np.asarray(b, int)).mean() < 1


# ------------------------------------------------------------------ broken files


@pytest.mark.parametrize("name", ["faststart.mp4", "fragments.mp4", "live.webm", "h264.mkv", "h264.ts", "mpeg4.avi"])
def test_cut_off_clip_gives_what_decodes(clip: Callable[[str], Path], tmp_path: Path, name: str) -> None:
    whole = clip(name).read_bytes()
    path = tmp_path / name
    path.write_bytes(whole[: len(whole) // 2])
    loaded = load_media(path)
    seen = barcodes(loaded)
    assert len(seen) >= 14
    assert seen == sorted(set(seen))
    assert 30 < seen[-1] < 90
    assert loaded.times == pytest.approx([number / FPS for number in seen], abs=0.002)


def test_half_a_frame_at_the_cut_is_left_out(clip: Callable[[str], Path], tmp_path: Path) -> None:
    whole = clip("faststart.mp4").read_bytes()
    with av.open(str(clip("faststart.mp4"))) as container:
        last = max((packet for packet in container.demux(video=0) if packet.size), key=lambda packet: packet.pos)
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole[: last.pos + last.size // 2])
    assert barcodes(load_media(path, num_frames=999)) == [*range(118), 119]  # 118 refers to 119, which comes first


def test_cut_off_before_the_index(clip: Callable[[str], Path], tmp_path: Path) -> None:
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


def test_wrong_arguments_are_the_callers_fault(clip: Callable[[str], Path]) -> None:
    with pytest.raises(ValueError, match="num_frames is 0"):
        load_media(clip("one.mp4"), num_frames=0)
    with pytest.raises(ValueError, match="max_side is -1"):
        load_media(clip("one.mp4"), max_side=-1)
    with pytest.raises(TypeError):
        load_media(None)


@pytest.mark.parametrize("seed", range(3))
def test_random_damage_raises_nothing_else(clip: Callable[[str], Path], tmp_path: Path, seed: int) -> None:
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
def test_clip_beyond_a_cap(clip: Callable[[str], Path], limits: MediaLimits, message: str) -> None:
    with pytest.raises(MediaError, match=message):
        load_media(clip("gop12.mp4"), limits=limits)


def test_decoding_stops_when_the_time_is_up(clip: Callable[[str], Path]) -> None:
    with (
        media._opened(clip("three.mp4"), MediaLimits(), media._Clock(9)) as stream,
        pytest.raises(MediaError, match="takes more than -1 s"),
    ):
        list(media._decoded(stream, media._Clock(-1)))


def test_caps_are_inclusive(clip: Callable[[str], Path]) -> None:
    path = clip("gop12.mp4")
    limits = MediaLimits(path.stat().st_size, max_seconds=10, max_frames=300, max_frame_pixels=320 * 240)
    assert len(load_media(path, limits=limits).frames) == 16


def test_frames_that_grow_beyond_the_cap_are_not_decoded(tmp_path: Path) -> None:
    small, large = (write_clip(tmp_path / f"{side}.ts", 30, size=(side, side)) for side in (240, 480))
    both = tmp_path / "both.ts"
    both.write_bytes(small.read_bytes() + large.read_bytes())
    seen = {}
    for cap in (60_000, 300_000):
        with media._opened(both, MediaLimits(max_frame_pixels=cap), media._Clock(9)) as stream:
            seen[cap] = {frame.width for frame in media._decoded(stream, media._Clock(9))}
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

    start = time.perf_counter()
    assert peak_growth(refused) < 10
    assert time.perf_counter() - start < 0.5


def test_scan_bomb_runs_out_of_time(tmp_path: Path) -> None:
    path = tmp_path / "bomb.jpg"
    path.write_bytes(scan_bomb())
    start = time.perf_counter()
    with pytest.raises(MediaError, match=r"takes more than 0\.1 s; the cap is 0\.1"):
        load_media(path, limits=MediaLimits(max_decode_seconds=0.1))
    assert time.perf_counter() - start < 6


def test_memory_does_not_grow_with_the_clip(tmp_path: Path) -> None:
    options = {"preset": "ultrafast", "g": "250"}
    short, long = (write_clip(tmp_path / f"{count}.mp4", count, options=options) for count in (100, 3000))
    load_media(short)  # whatever is allocated once
    assert barcodes(load_media(long)) == segment_centres(3000, 16)
    assert peak_growth(lambda: load_media(long)) < peak_growth(lambda: load_media(short)) + 15


# ------------------------------------------------------------------ photos


def saved(tmp_path: Path, image: Image.Image, suffix: str, **options: object) -> Path:
    path = tmp_path / f"photo.{suffix}"
    image.save(path, **options)
    return path


def colour(loaded: Media, x: int = 4, y: int = 4) -> tuple[int, ...]:
    return loaded.frames[0].getpixel((x, y))


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "gif", "bmp", "tif", "avif"])
def test_photo_comes_whole(tmp_path: Path, suffix: str) -> None:
    picture = barcode(1234, (1500, 1000))
    loaded = load_media(saved(tmp_path, Image.fromarray(picture), suffix))
    assert (loaded.kind, loaded.size, loaded.times, loaded.duration) == ("image", (1500, 1000), (0.0,), 0.0)
    assert (len(loaded.frames), loaded.frames[0].size, loaded.frames[0].mode) == (1, (1500, 1000), "RGB")
    assert barcodes(loaded) == [1234]
    assert np.abs(np.asarray(loaded.frames[0], int) - picture).mean() < 5


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif", "avif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path: Path, orientation: int, suffix: str) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    upright = Image.fromarray(barcode(1234))
    undo = {5: 5, 6: 8, 7: 7, 8: 6}.get(orientation, orientation)
    stored = upright.transpose(media.TURN_OF_EXIF[undo]) if undo > 1 else upright
    path = saved(tmp_path, stored, suffix, exif=exif)
    loaded = load_media(path)
    assert loaded.size == CLIP_SIZE
    assert barcodes(loaded) == [1234]
    with Image.open(path) as image:
        assert ImageOps.exif_transpose(image).size == CLIP_SIZE


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_broken_exif_does_not_cost_the_photo(tmp_path: Path) -> None:
    path = saved(
        tmp_path, Image.fromarray(barcode(7)), "jpg", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xff" + b"\xff" * 40
    )
    assert barcodes(load_media(path)) == [7]


def test_transparency_lies_on_mid_grey(tmp_path: Path) -> None:
    half_red = Image.new("RGBA", (8, 8), (255, 0, 0, 128))
    assert colour(load_media(saved(tmp_path, half_red, "png"))) == pytest.approx((192, 64, 64), abs=1)
    assert colour(load_media(saved(tmp_path, Image.new("LA", (8, 8), (0, 0)), "png"))) == (128, 128, 128)
    assert colour(load_media(saved(tmp_path, Image.new("LA", (8, 8), (200, 255)), "png"))) == (200, 200, 200)
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([0, 0, 0, 0, 255, 0])
    assert colour(load_media(saved(tmp_path, palette, "png"))) == (0, 255, 0)
    assert colour(load_media(saved(tmp_path, palette, "png", transparency=1))) == (128, 128, 128)
    assert colour(load_media(saved(tmp_path, palette, "gif", transparency=1))) == (128, 128, 128)
    key = Image.new("RGB", (8, 8), (1, 2, 3))
    assert colour(load_media(saved(tmp_path, key, "png", transparency=(1, 2, 3)))) == (128, 128, 128)


def test_sixteen_bits_are_scaled(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(8, axis=0)
    for suffix in ("png", "tif"):
        grey = np.asarray(load_media(saved(tmp_path, Image.fromarray(ramp), suffix)).frames[0])
        assert (grey[0] == np.arange(256)[:, None]).all()
    rows = b"".join(b"\0" + np.repeat(row[:, None], 3, axis=1).astype(">u2").tobytes() for row in ramp)
    path = tmp_path / "colour.png"
    path.write_bytes(png_bytes(256, 8, depth=16, colour=2, rows=rows))
    assert (np.asarray(load_media(path).frames[0])[0] == np.arange(256)[:, None]).all()
    with pytest.raises(MediaError, match="32 bits"):
        load_media(saved(tmp_path, Image.fromarray(ramp.astype(np.float32)), "tif"))


def test_other_colour_modes(tmp_path: Path) -> None:
    cmyk = Image.new("CMYK", (64, 64), (0, 255, 255, 0))
    assert colour(load_media(saved(tmp_path, cmyk, "jpg", quality=100))) == pytest.approx((255, 0, 0), abs=8)
    assert colour(load_media(saved(tmp_path, Image.new("1", (64, 64), 1), "png"))) == (255, 255, 255)
    assert colour(load_media(saved(tmp_path, Image.new("L", (64, 64), 77), "bmp"))) == (77, 77, 77)


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "avif", "tif"])
def test_animation_gives_its_first_picture(tmp_path: Path, suffix: str) -> None:
    first, *rest = (Image.fromarray(barcode(number)) for number in (11, 22, 33))
    loaded = load_media(saved(tmp_path, first, suffix, save_all=True, append_images=rest))
    assert (loaded.kind, len(loaded.frames)) == ("image", 1)
    assert barcodes(loaded) == [11]


def test_phone_photo_with_a_second_picture(tmp_path: Path) -> None:
    first, second = (Image.fromarray(barcode(number)) for number in (11, 22))
    first.save(tmp_path / "photo.jpg", "MPO", save_all=True, append_images=[second])
    assert barcodes(load_media(tmp_path / "photo.jpg")) == [11]


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "gif", "bmp", "tif", "avif"])
def test_cut_off_photo_is_refused(tmp_path: Path, suffix: str) -> None:
    path = saved(tmp_path, Image.fromarray(barcode(1234)), suffix)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(MediaError, match="damaged"):
        load_media(path)


# ------------------------------------------------------------------ names, threads, pickles


def test_content_counts_not_the_name(clip: Callable[[str], Path], tmp_path: Path) -> None:
    (tmp_path / "clip.jpg").write_bytes(clip("three.mp4").read_bytes())
    assert load_media(tmp_path / "clip.jpg").kind == "video"
    photo = saved(tmp_path, Image.fromarray(barcode(5)), "png").rename(tmp_path / "photo.mp4")
    assert load_media(str(photo)).kind == "image"


@pytest.mark.parametrize("name", ["смех 笑い 🙂.mp4", "a:b|c?.mp4", "frame%03d.png", "-i.mp4", "http:"])
def test_strange_names_and_links(clip: Callable[[str], Path], tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(clip("three.mp4").read_bytes())
    (tmp_path / "link").symlink_to(tmp_path / name)
    for path in (tmp_path / name, tmp_path / "link"):
        assert barcodes(load_media(path)) == barcodes(load_trusted_clip(path)) == [0, 1, 2]


def test_relative_path(clip: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(clip("three.mp4").parent)
    assert barcodes(load_media("three.mp4")) == [0, 1, 2]


def test_four_at_once(clip: Callable[[str], Path]) -> None:
    names = ["gop12.mp4", "live.webm", "mpeg4.avi", "h264.ts"]
    alone = {name: load_media(clip(name)) for name in names}
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda name: (name, load_media(clip(name))), names * 4))
    for name, loaded in together:
        assert_same(alone[name], loaded)


def test_media_pickles(clip: Callable[[str], Path]) -> None:
    loaded = load_media(clip("three.mp4"))
    assert_same(loaded, pickle.loads(pickle.dumps(loaded)))
