"""Frames -> H.264 mp4 and back through the door that reads uploads: every frame, its time, its colours."""

import math
import resource
from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image, ImageDraw

from emo_toolkit import recording
from emo_toolkit.errors import MediaError
from emo_toolkit.media import load_media, load_trusted_clip
from emo_toolkit.recording import write_clip

COLOURS = ("red", "lime", "blue", "white", "black", "orange", "purple", "teal", "grey", "pink")


def picture(number: int, size: tuple[int, int] = (96, 64)) -> Image.Image:
    """A soft ramp with a square whose colour and place tell the number."""
    ramp = np.linspace(40, 210, size[0] * size[1]).reshape(size[::-1]).astype(np.uint8)
    drawn = Image.merge("RGB", [Image.fromarray(ramp)] * 3)
    ImageDraw.Draw(drawn).rectangle((4 * number, 16, 4 * number + 23, 47), fill=COLOURS[number % len(COLOURS)])
    return drawn


FRAMES = [picture(number) for number in range(16)]


@pytest.mark.parametrize("read", [load_media, load_trusted_clip])
@pytest.mark.parametrize("fps", [Fraction(1000, 187), 5.926, 30000 / 1001, 60, 0.5])
def test_every_frame_comes_back_in_its_place(tmp_path, fps, read):
    write_clip(iter(FRAMES), tmp_path / "clip.mp4", fps=fps)
    media = read(tmp_path / "clip.mp4")
    assert media.kind == "video" and media.size == (96, 64) and len(media.frames) == 16
    assert np.allclose(media.times, np.arange(16) / float(fps), rtol=1e-5, atol=2e-3)
    assert math.isclose(media.duration, 16 / fps, rel_tol=1e-4)
    for number, (sent, seen) in enumerate(zip(FRAMES, media.frames, strict=True)):
        square = np.s_[20:44, 4 * number + 4 : 4 * number + 20]
        away = np.abs(np.asarray(sent, float) - np.asarray(seen, float))
        assert away[square].max() < 16, number  # far from any edge, where 2 x 2 pixels share a colour
        assert away.mean() < 4


def test_the_file_is_what_browsers_play(tmp_path):
    write_clip(FRAMES, tmp_path / "clip.mp4", fps=8)
    data = (tmp_path / "clip.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")  # starts before it is loaded
    with av.open(str(tmp_path / "clip.mp4")) as container:
        (stream,) = container.streams
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert container.decode(stream).__next__().key_frame


def test_same_frames_same_bytes(tmp_path):
    for name in ("a.mp4", "b.mp4"):
        write_clip(FRAMES, tmp_path / name, fps=8)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_other_modes_are_made_rgb(tmp_path):
    write_clip([FRAMES[0].convert("L"), FRAMES[1].convert("RGBA")], tmp_path / "clip.mp4", fps=2)
    grey, coloured = load_media(tmp_path / "clip.mp4").frames
    assert np.ptp(np.asarray(grey, int), axis=2).max() < 8
    assert np.abs(np.asarray(coloured, int)[24:40, 8:20] - np.array([0, 255, 0])).max() < 16


def interrupted() -> Iterator[Image.Image]:
    yield from FRAMES[:5]
    raise KeyboardInterrupt


def unreadable() -> Iterator[Image.Image]:
    yield FRAMES[0]
    raise OSError("the camera is gone")


@pytest.mark.parametrize(
    ("frames", "error", "message"),
    [
        ([], MediaError, "no frame to write"),
        ([picture(0, (95, 64))], MediaError, "95 x 64 cannot be stored as yuv420p; both sides must be even"),
        ([picture(0), picture(1, (96, 66))], MediaError, "frame 1 is 96 x 66, frame 0 is 96 x 64"),
        (unreadable(), MediaError, "cannot be written"),
        (interrupted(), KeyboardInterrupt, None),
    ],
)
def test_what_fails_leaves_the_older_file(tmp_path, frames, error, message):
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"older")
    with pytest.raises(error, match=message):
        write_clip(frames, path, fps=8)
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("clip.mp4", b"older")]


@pytest.mark.parametrize("fps", [0, -1, 241, 0.0001, float("nan"), float("inf")])
def test_a_rate_out_of_range(tmp_path, fps):
    with pytest.raises(ValueError, match="fps"):
        write_clip(FRAMES, tmp_path / "clip.mp4", fps=fps)
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written(tmp_path):
    with pytest.raises(MediaError, match="gone.*No such file or directory"):
        write_clip(FRAMES, tmp_path / "gone" / "clip.mp4", fps=8)


def test_no_encoder(tmp_path, monkeypatch):
    monkeypatch.setattr(recording, "ENCODER", "libx264_of_another_build")
    with pytest.raises(MediaError, match="no H.264 encoder"):
        write_clip(FRAMES, tmp_path / "clip.mp4", fps=8)


def test_a_file_that_may_not_grow(tmp_path):
    """A process that may write 4 KB a file gets one error and leaves nothing, as on a full disk."""
    noise = [Image.effect_noise((128, 128), 90) for _ in range(8)]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(MediaError, match="cannot be written: File too large"):
            write_clip(noise, tmp_path / "clip.mp4", fps=8)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.iterdir())
