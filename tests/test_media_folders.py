"""A folder of numbered frames is a clip: in order, of one size, and each damaged frame is named."""

from pathlib import Path

import dataset_trees as trees
import pytest
from media_clips import barcode, barcodes
from PIL import Image

from emo_toolkit.errors import MediaError
from emo_toolkit.media import MediaLimits, load_media, load_trusted_clip, segment_centres


def pictures(count: int, size: tuple[int, int] = (120, 80)) -> list[Image.Image]:
    return [Image.fromarray(barcode(number, size)) for number in range(count)]


@pytest.mark.parametrize("pattern", ["{}.png", "{:05d}.png", "clip7_{}.jpg", "{:03d}_face.png"])
@pytest.mark.parametrize("load", [load_media, load_trusted_clip])
def test_frames_come_in_the_order_of_their_numbers(tmp_path: Path, pattern: str, load) -> None:
    media = load(trees.frame_folder(tmp_path / "00011", pictures(40), pattern), num_frames=8)
    wanted = segment_centres(40, 8)
    assert barcodes(media) == wanted  # 10.png comes after 9.png
    assert media.kind == "video" and media.times == tuple(n / 25 for n in wanted) and media.duration == 1.6


def test_few_frames_come_once_and_one_is_a_clip(tmp_path: Path) -> None:
    assert barcodes(load_media(trees.frame_folder(tmp_path / "a", pictures(3)))) == [0, 1, 2]
    media = load_media(trees.frame_folder(tmp_path / "b", pictures(1)))
    assert (media.kind, len(media.frames)) == ("video", 1)


def test_all_frames_take_the_size_of_the_first(tmp_path: Path) -> None:
    folder = trees.frame_folder(tmp_path / "a", [*pictures(1), *pictures(2, (240, 160))])
    assert {frame.size for frame in load_media(folder).frames} == {(120, 80)}
    media = load_media(folder, max_side=60)
    assert media.size == (60, 40) == media.frames[2].size


def test_what_systems_leave_behind_is_no_frame(tmp_path: Path) -> None:
    folder = trees.frame_folder(tmp_path / "a", pictures(2))
    for name in ("Thumbs.db", "._1.jpg", ".DS_Store", "notes.txt"):
        trees.write_text(folder / name, "no picture")
    (folder / "3.jpg").mkdir()
    assert barcodes(load_media(folder)) == [0, 1]


def test_folders_that_are_no_clip(tmp_path: Path) -> None:
    album = tmp_path / "album"
    trees.save(pictures(1)[0], album / "anna.jpg", album / "ben.jpg")
    with pytest.raises(MediaError, match="'album' is a folder, but not of one clip's numbered frames"):
        load_media(album)
    (tmp_path / "empty").mkdir()
    with pytest.raises(MediaError, match="'empty' is a folder without frames"):
        load_media(tmp_path / "empty")
    with pytest.raises(MediaError, match="the folder has 5 frames; the cap is 4"):
        load_media(trees.frame_folder(tmp_path / "a", pictures(5)), limits=MediaLimits(max_frames=4))


@pytest.mark.parametrize(("content", "message"), [(b"", "empty"), (b"no picture", "damaged"), (None, "pixels")])
def test_a_damaged_frame_is_named(tmp_path: Path, content: bytes | None, message: str) -> None:
    folder = trees.frame_folder(tmp_path / "a", pictures(3))
    limits = MediaLimits(max_pixels=120 * 80)
    if content is None:
        pictures(1, (240, 160))[0].save(folder / "2.jpg")
    else:
        (folder / "2.jpg").write_bytes(content)
    with pytest.raises(MediaError, match=f"frame '2.jpg': .*{message}"):
        load_media(folder, limits=limits)
