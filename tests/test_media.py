"""load_media gives the frames that a player would show, at the right times, from every kind of clip."""

import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import numpy as np
import pytest
from media_clips import (
    CLIP_SIZE,
    CLIPS,
    FPS,
    barcode,
    barcodes,
    clip,
    cut_with_edit_list,
    numbers_of,
    write_clip,
)
from PIL import Image

from emo_toolkit import media
from emo_toolkit.media import load_media, load_trusted_clip, segment_centres
from emo_toolkit.schema import Media


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
def test_frames_are_the_segment_centres(name: str) -> None:
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
def test_number_of_frames(name: str, num_frames: int) -> None:
    assert barcodes(load_media(clip(name), num_frames=num_frames)) == segment_centres(120, num_frames)


def test_live_clip_has_no_duration() -> None:
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
def test_edit_list_hides_frames(tmp_path: Path, source: str) -> None:
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


def test_no_jump_is_needed_for_the_right_frames(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_decord_gives_the_same_frames() -> None:
    pytest.importorskip("decord")
    for name in ("gop12.mp4", "gop250.mp4", "vfr.mp4", "fragments.mp4", "three.mp4"):
        assert_same(load_media(clip(name)), load_trusted_clip(clip(name)))


@pytest.mark.parametrize(
    "name", ["open_gop.mp4", "mpeg4.mp4", "h264.avi", "live.webm", "turned.mp4", "wide_pixels.mp4"]
)
def test_trusted_clips_that_decord_misreads(name: str) -> None:
    assert_same(load_media(clip(name)), load_trusted_clip(clip(name)))


def test_trusted_clip_without_decord(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "decord", None)
    assert_same(load_media(clip("gop12.mp4")), load_trusted_clip(clip("gop12.mp4")))


def assert_same(one: Media, other: Media) -> None:
    assert (one.times, one.size, one.duration) == (other.times, other.size, other.duration)
    for a, b in zip(one.frames, other.frames, strict=True):
        assert np.abs(np.asarray(a, int) - np.asarray(b, int)).mean() < 1


def test_content_counts_not_the_name(tmp_path: Path) -> None:
    (tmp_path / "clip.jpg").write_bytes(clip("three.mp4").read_bytes())
    assert load_media(tmp_path / "clip.jpg").kind == "video"
    Image.fromarray(barcode(5)).save(tmp_path / "photo.mp4", "PNG")
    assert load_media(str(tmp_path / "photo.mp4")).kind == "image"


@pytest.mark.parametrize("name", ["смех 笑い 🙂.mp4", "a:b|c?.mp4", "frame%03d.png", "-i.mp4", "http:"])
def test_strange_names_and_links(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(clip("three.mp4").read_bytes())
    (tmp_path / "link").symlink_to(tmp_path / name)
    for path in (tmp_path / name, tmp_path / "link"):
        assert barcodes(load_media(path)) == barcodes(load_trusted_clip(path)) == [0, 1, 2]


def test_relative_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(clip("three.mp4").parent)
    assert barcodes(load_media("three.mp4")) == [0, 1, 2]


def test_four_at_once() -> None:
    names = ["gop12.mp4", "live.webm", "mpeg4.avi", "h264.ts"]
    alone = {name: load_media(clip(name)) for name in names}
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda name: (name, load_media(clip(name))), names * 4))
    for name, loaded in together:
        assert_same(alone[name], loaded)


def test_media_pickles() -> None:
    loaded = load_media(clip("three.mp4"))
    assert_same(loaded, pickle.loads(pickle.dumps(loaded)))


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="this system has no such call")
@pytest.mark.parametrize("name", CLIPS)
def test_a_clip_is_written_and_read_without_a_change_of_priority(name: str) -> None:
    load_media(clip(name))
    assert os.sched_getscheduler(0) not in (os.SCHED_FIFO, os.SCHED_RR)
