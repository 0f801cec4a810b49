"""Photos and clips that trip up readers of files, and how each one ends: "no_face", or words of the error."""

import io
import struct
from pathlib import Path

import numpy as np
from media_clips import (
    cut_with_edit_list,
    heic_bytes,
    pixel_bomb,
    png_bytes,
    scan_bomb,
    write_clip,
    write_sound,
)
from PIL import ExifTags, Image

SIZE = (128, 96)
QUICK = {"preset": "ultrafast"}
REALTIME = {"deadline": "realtime", "cpu-used": "8"}
QUIET = {"preset": "ultrafast", "x265-params": "log-level=error"}
DAMAGED = "damaged"
Ends = dict[Path, str]


def awkward_clips(folder: Path) -> Ends:
    """Files in `folder` -> how they end."""
    clips = {
        write_clip(folder / name, **{"count": 8, "size": SIZE, **settings}): ending
        for name, (settings, ending) in {
            "plain.mp4": ({"options": QUICK}, "no_face"),
            "vfr.mp4": ({"options": QUICK, "numbers": (0, 1, 2, 10, 11, 40)}, "no_face"),
            "turned.mp4": ({"options": QUICK, "turn": 90}, "no_face"),
            "mirrored.mov": ({"options": QUICK, "turn": 180, "mirrored": True}, "no_face"),
            "live.webm": (
                {"codec": "libvpx", "options": REALTIME, "container": "webm", "container_options": {"live": "1"}},
                "no_face",
            ),
            "vp9.webm": ({"codec": "libvpx-vp9", "options": REALTIME}, "no_face"),
            "alpha.webm": ({"codec": "libvpx-vp9", "options": REALTIME, "pix_fmt": "yuva420p"}, "no_face"),
            "hevc.mp4": ({"codec": "libx265", "options": QUIET}, "no_face"),
            "ten_bit.mp4": ({"codec": "libx265", "options": QUIET, "pix_fmt": "yuv420p10le"}, "no_face"),
            "grey.mkv": ({"codec": "ffv1", "pix_fmt": "gray"}, "no_face"),
            "one_frame.mp4": ({"options": QUICK, "count": 1}, "no_face"),
            "one_pixel.mkv": ({"codec": "ffv1", "pix_fmt": "bgr0", "size": (1, 1)}, "no_face"),
            "odd.mp4": ({"options": QUICK, "size": (133, 97), "pix_fmt": "yuv444p"}, "no_face"),
            "thin.mkv": ({"codec": "ffv1", "pix_fmt": "bgr0", "size": (4000, 3)}, "no_face"),
            "mpeg2.mpg": ({"codec": "mpeg2video"}, "no_face"),
            "motion.avi": ({"codec": "mjpeg", "pix_fmt": "yuvj420p"}, "no_face"),
            "stream.ts": ({"options": QUICK}, "no_face"),
            "an_hour.mp4": ({"options": QUICK, "numbers": (0, 1, 30 * 3600)}, "lasts"),
            "old.flv": ({"codec": "flv1"}, "unknown kind"),
        }.items()
    }
    whole = (folder / "plain.mp4").read_bytes()
    moved = (folder / "motion.avi").read_bytes()
    stored = struct.pack("<ii", *SIZE)
    header = whole.index(b"mvhd") + 20  # to its duration
    small, large = (write_clip(folder / f"{side}.ts", 4, size=(side, side)).read_bytes() for side in (64, 160))
    written = {
        "empty.mp4": (b"", "is empty"),
        "junk.mp4": (np.random.default_rng(0).bytes(20_000), DAMAGED),
        "cut_before_index.mp4": (whole[: len(whole) // 2], DAMAGED),
        "cut_off.ts": ((folder / "stream.ts").read_bytes()[:5000], "no_face"),
        "cut_off.webm": ((folder / "vp9.webm").read_bytes()[:1500], "no_face"),
        "huge_header.avi": (moved.replace(stored, struct.pack("<ii", 30_000, 30_000)), "no_face"),
        "huge_frames.avi": (moved.replace(struct.pack(">HH", *SIZE[::-1]), b"\xff\xdc\xff\xdc"), "decoded"),
        "ages_in_header.mp4": (whole[:header] + b"\xff\xff\xff\xff" + whole[header + 4 :], "no_face"),
        "grows.ts": (small + large, "no_face"),
        "a_clip.jpg": (whole, "no_face"),
        "list.m3u8": (b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n", "unknown kind"),
        "list.ffconcat": (b"ffconcat version 1.0\nfile '/etc/passwd'\n", "unknown kind"),
    }
    return (
        clips
        | write_all(folder, written)
        | {
            cut_with_edit_list(folder / "edit_list.mp4", folder / "plain.mp4", 0.1): "no_face",
            write_sound(folder / "sound.mp4"): "only sound",
        }
    )


def awkward_photos(folder: Path, face: Path) -> Ends:
    """Files in `folder` -> how they end. Those that show the `face` end in "ok"."""
    photo = Image.open(face).convert("RGB").resize((256, 256))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    sixteen = np.asarray(photo.convert("L")).astype(np.uint16) * 257
    clear = photo.copy()
    clear.putalpha(photo.convert("L").point(lambda value: 255 if value > 3 else 0))
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    frames = {"save_all": True, "append_images": [noise.resize(photo.size)]}
    saves: dict[str, tuple[Image.Image, str, dict[str, object], str]] = {
        "turned.jpg": (photo.transpose(Image.Transpose.ROTATE_90), "JPEG", {"exif": exif}, "ok"),
        "cmyk.jpg": (photo.convert("CMYK"), "JPEG", {}, "ok"),
        "progressive.jpg": (noise, "JPEG", {"progressive": True}, "no_face"),
        "sixteen_bits.png": (Image.fromarray(sixteen), "PNG", {}, "ok"),
        "palette.png": (clear.quantize(64), "PNG", {}, "ok"),
        "moving.gif": (photo, "GIF", frames, "ok"),
        "pages.tif": (noise, "TIFF", frames, "no_face"),
        "modern.avif": (noise, "AVIF", {}, "no_face"),
        "modern.webp": (noise.convert("RGBA"), "WEBP", {}, "no_face"),
        "grey_alpha.png": (noise.convert("LA"), "PNG", {}, "no_face"),
        "bits.png": (noise.convert("1"), "PNG", {}, "no_face"),
        "floats.tif": (noise.convert("F"), "TIFF", {}, "32 bits"),
        "icon.ico": (noise, "ICO", {}, "unknown kind"),
        "one_pixel.png": (noise.crop((0, 0, 1, 1)), "PNG", {}, "no_face"),
        "thin.png": (Image.new("L", (1, 20_000)), "PNG", {}, "no_face"),
        "flat.png": (Image.new("L", (20_000, 1)), "PNG", {}, "no_face"),
        "a_photo.mp4": (noise, "PNG", {}, "no_face"),
    }
    files: Ends = {}
    for name, (picture, kind, options, ending) in saves.items():
        picture.save(folder / name, kind, **options)
        files[folder / name] = ending
    file = io.BytesIO()
    noise.save(file, "JPEG", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xff" + b"\xff" * 40)
    written = {
        "broken_exif.jpg": (file.getvalue(), "no_face"),
        "cut_off.jpg": (file.getvalue()[:2000], DAMAGED),
        "empty.png": (b"", "is empty"),
        "bomb.png": (pixel_bomb(), "megapixels"),
        "great_bomb.png": (pixel_bomb(20_000), "megapixels"),
        "scans.jpg": (scan_bomb(500, 300), "no_face"),
        "nothing.png": (png_bytes(0, 0, depth=8, colour=0, rows=b""), DAMAGED),
        "short_rows.png": (png_bytes(5000, 4000, depth=8, colour=2, rows=bytes(99)), DAMAGED),
        "drawing.svg": (b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', "unknown kind"),
        "page.png": (b"<!doctype html><script>alert(1)</script>", "unknown kind"),
        "paper.jpg": (b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\n%%EOF\n", "unknown kind"),
        "script.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n", "unknown kind"),
        "phone.heic": (heic_bytes(), "HEIC"),
    }
    return files | write_all(folder, written)


def write_all(folder: Path, contents: dict[str, tuple[bytes, str]]) -> Ends:
    for name, (content, _) in contents.items():
        (folder / name).write_bytes(content)
    return {folder / name: ending for name, (_, ending) in contents.items()}
