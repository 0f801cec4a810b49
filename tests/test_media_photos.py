"""load_media gives a photo upright, whole and in RGB, from every kind of image file."""

from pathlib import Path

import numpy as np
import pytest
from media_clips import CLIP_SIZE, barcode, barcodes, png_bytes
from PIL import ExifTags, Image, ImageOps

from emo_toolkit.errors import MediaError
from emo_toolkit.media import load_media
from emo_toolkit.photos import TURN_OF_EXIF
from emo_toolkit.schema import Media


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
    stored = upright.transpose(TURN_OF_EXIF[undo]) if undo > 1 else upright
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
