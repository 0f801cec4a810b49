"""Made trees of data sets in their published layouts: lists of given rows; pictures and clips when asked for."""

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image


def write_text(path: Path, text: str | bytes) -> Path:
    """Writes a file and the folders above it; text is UTF-8."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def save(picture: Image.Image, *paths: Path) -> None:
    """The picture under each of the paths."""
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path)


def copy(clip: Path, *paths: Path) -> None:
    """The clip under each of the paths."""
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(clip, path)


def frame_folder(folder: Path, pictures: Iterable[Image.Image], pattern: str = "{}.jpg") -> Path:
    """A folder with frames 1, 2, ... named by the pattern."""
    for number, picture in enumerate(pictures, start=1):
        save(picture, folder / pattern.format(number))
    return folder


def rafdb(root: Path, rows: Sequence[str], *, folder: str = "aligned") -> Path:
    """EmoLabel/ and an empty Image/FOLDER; returns the list."""
    (root / "Image" / folder).mkdir(parents=True, exist_ok=True)
    return write_text(root / "EmoLabel" / "list_patition_label.txt", "".join(f"{row}\n" for row in rows))


AFFECTNET_HEADER = (
    "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"
)


def affectnet_row(path: str, expression: object, box: str = "10,20,30,40") -> str:
    return f"{path},{box},{';'.join(['12.5'] * 136)},{expression},-0.25,0.5"


def affectnet_csv(root: Path, name: str, rows: Sequence[str], *, header: bool) -> Path:
    """A list of the older release and an empty folder of pictures."""
    (root / "Manually_Annotated_Images").mkdir(parents=True, exist_ok=True)
    lines = [AFFECTNET_HEADER] * header + list(rows)
    return write_text(root / "Manually_Annotated_file_lists" / name, "".join(f"{line}\r\n" for line in lines))


def affectnet_arrays(root: Path, split: str, codes: dict[str, object]) -> Path:
    """Annotations of the release of 2021, with the three kinds that tell no expression; returns their folder."""
    folder = root / split / "annotations"
    folder.mkdir(parents=True, exist_ok=True)
    for name, code in codes.items():
        for kind, value in {"exp": code, "val": -0.5, "aro": 0.5, "lnd": np.zeros(136)}.items():
            np.save(folder / f"{name}_{kind}.npy", np.array(value))
    return folder


def dfew(root: Path, split: str, fold: int, rows: Sequence[str], *, clips: str = "original") -> Path:
    """A list and an empty folder of clips; returns the list."""
    (root / "Clip" / clips).mkdir(parents=True, exist_ok=True)
    path = root / "EmoLabel_DataSplit" / f"{split}(single-labeled)" / f"set_{fold}.csv"
    return write_text(path, "".join(f"{row}\n" for row in ("video_name,label", *rows)))


def ferv39k(root: Path, split: str, rows: Sequence[str]) -> Path:
    """A list and an empty folder of clips; returns the list."""
    (root / "2_ClipsforFaceCrop").mkdir(parents=True, exist_ok=True)
    return write_text(root / "4_setups" / "All_scenes" / f"{split}_All.csv", "".join(f"{row}\n" for row in rows))


def mafw(root: Path, split: str, fold: int, rows: Sequence[str], *, above: str = "Train & Test Set") -> Path:
    """The list without captions and an empty folder of clips; returns the list."""
    (root / "data" / "clips").mkdir(parents=True, exist_ok=True)
    path = root / above / "single" / "no_caption" / f"set_{fold}" / f"{split}.txt"
    return write_text(path, "".join(f"{row}\n" for row in rows))


def mafw_captions(path: Path, rows: Sequence[Sequence[str]], encoding: str) -> Path:
    """The list with captions that belongs to one without."""
    place = path.parents[2] / "with_caption" / path.parent.name / path.name
    return write_text(place, "".join("\t".join(row) + "\n" for row in rows).encode(encoding))
