"""Photo sets in their published layouts -> EmoSample, one generator a set: RAF-DB, FERPlus, AffectNet.

Sources: the sets' own releases and, where those are silent, public loaders of DAN, POSTER and FERPlus.
"""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..labels import LABELS
from ..schema import EmoSample
from .lists import bad_row, find, numbered_lines

FERPLUS_FOLDERS = {"train": "FER2013Train", "valid": "FER2013Valid", "test": "FER2013Test"}
RAFDB_ALIGNED = (0.0, 0.0, 100.0, 100.0)  # an aligned picture is all face
AFFECTNET_FOLDERS = {"train": "train_set", "valid": "val_set"}  # of the release of 2021
AFFECTNET_LISTS = {"train": "training.csv", "valid": "validation.csv"}  # of the older one
AFFECTNET_FIRST = "subDirectory_filePath"  # the first word of training.csv; validation.csv has no header
AFFECTNET_NO_LABEL = ("8", "9", "10")  # none, uncertain, no face

Box = tuple[float, float, float, float]


def read_rafdb(root: Path, split: str) -> Iterator[EmoSample]:
    """RAF-DB, basic: lines `train_00001.jpg 5` with labels 1 to 7 in `EmoLabel/list_patition_label.txt` (sic).

    The whole photos of `Image/original` are read where they are there, with the boxes of `Annotation/boundingbox`
    (four numbers a file), since a photo may show several people; else the 100 x 100 crops of `Image/aligned`.
    """
    labels = dict(enumerate(LABELS["rafdb"], start=1))
    pictures = find(root, "Image/original", "Image/aligned")
    aligned = pictures.name == "aligned"
    for where, line in numbered_lines(find(root, "EmoLabel/list_patition_label.txt")):
        try:
            name, code = line.split()
            stem, part, label = Path(name).stem, name.split("_")[0], labels[int(code)]
            if part not in ("train", "test"):  # one list for both: the name tells the split
                raise ValueError(part)
        except (KeyError, ValueError) as error:
            raise bad_row(where, "a name and a label 1 to 7, as in 'train_00001.jpg 5'") from error
        if part == split:
            yield EmoSample(
                id=f"rafdb/{stem}",
                path=str(pictures / (f"{stem}_aligned.jpg" if aligned else name)),  # the list lacks "_aligned"
                kind="image",
                label=label,
                dataset="rafdb",
                split=split,
                box=RAFDB_ALIGNED if aligned else _rafdb_box(root / f"Annotation/boundingbox/{stem}_boundingbox.txt"),
                row=where,
            )


def _rafdb_box(path: Path) -> Box | None:
    if not path.is_file():
        return None
    try:
        x0, y0, x1, y1 = map(float, path.read_text(encoding="utf-8").split())
    except ValueError as error:
        raise bad_row(str(path), "four numbers x0 y0 x1 y1") from error
    return x0, y0, x1, y1


def read_ferplus(root: Path, split: str) -> Iterator[EmoSample]:
    """FERPlus as microsoft/FERPlus exports it: `FER2013Train/fer0000000.png` and `label.csv` without a header.

    A row is name, "(x0, y0, x1, y1)" and ten votes; the label is the arg-max of the first eight (the protocol behind
    28.5k training images). Rows whose eight votes are all zero, "unknown" and "not a face", carry no label and are
    left out.
    """
    labels = LABELS["ferplus"]
    path = find(root, f"{FERPLUS_FOLDERS[split]}/label.csv")
    for where, line in numbered_lines(path):
        try:
            name, edges, *cells = next(csv.reader([line]))
            votes = [float(cell) for cell in cells]
            x0, y0, x1, y1 = (float(edge) for edge in edges.strip("()").split(","))
            if len(votes) != 10:
                raise ValueError(f"{len(votes)} votes")
        except (ValueError, csv.Error) as error:
            raise bad_row(where, "a name, a box and ten votes") from error
        known = dict(zip(labels, votes, strict=False))
        if any(known.values()):
            yield EmoSample(
                id=f"ferplus/{path.parent.name}/{Path(name).stem}",
                path=str(path.parent / name),
                kind="image",
                label=max(known, key=known.__getitem__),
                dataset="ferplus",
                split=split,
                box=(x0, y0, x1, y1),
                votes=known,
                row=where,
            )


def read_affectnet(root: Path, split: str, *, dataset: str = "affectnet") -> Iterator[EmoSample]:
    """AffectNet's manually labelled photos in either published layout; "affectnet7" leaves contempt out.

    The release of 2021 has `train_set|val_set/images/ID.jpg` with `annotations/ID_exp.npy`; the older one has
    `Manually_Annotated_Images/DIR/HASH.jpg` with `training.csv` and `validation.csv`. Labels 0 to 7; the csv also
    has 8 none, 9 uncertain and 10 no face, which are left out. There is no test split: "valid" is what papers report.
    """
    labels = {str(code): label for code, label in enumerate(LABELS["affectnet"])}
    name = AFFECTNET_LISTS[split]
    source = find(root, f"{AFFECTNET_FOLDERS[split]}/annotations", name, f"Manually_Annotated_file_lists/{name}")
    rows = _affectnet_arrays(source) if source.is_dir() else _affectnet_lines(root, source)
    for where, path, code, box in rows:
        if code not in labels and code not in AFFECTNET_NO_LABEL:
            raise bad_row(where, f"an expression 0 to 10, not '{code}'")
        if labels.get(code) in LABELS[dataset]:
            yield EmoSample(
                id=f"affectnet/{split}/{path.parent.name}/{path.stem}",  # without 7 or 8: a prior cache serves both
                path=str(path),
                kind="image",
                label=labels[code],
                dataset=dataset,
                split=split,
                box=box,
                row=where,
            )


def _affectnet_arrays(annotations: Path) -> Iterator[tuple[str, Path, str, Box | None]]:
    """(where, picture, code, box) of the release of 2021: one array a label, of a number or of its text."""
    for path in sorted(annotations.glob("*_exp.npy")):  # beside _val, _aro and _lnd
        try:
            code = str(int(np.load(path).item()))
        except (OSError, EOFError, ValueError) as error:
            raise bad_row(str(path), "an array of one expression code") from error
        yield str(path), annotations.parent / "images" / f"{path.name.removesuffix('_exp.npy')}.jpg", code, None


def _affectnet_lines(root: Path, path: Path) -> Iterator[tuple[str, Path, str, Box | None]]:
    """(where, picture, code, box) of the older release: nine columns, of which 0 is a path, 1 to 4 a box, 6 a code."""
    pictures = find(root, "Manually_Annotated_Images", "Manually_Annotated/Manually_Annotated_Images")
    for where, line in numbered_lines(path):
        try:
            cells = next(csv.reader([line]))
        except csv.Error as error:
            raise bad_row(where, "columns with commas between") from error
        if cells[0] == AFFECTNET_FIRST:
            continue
        if len(cells) != 9:
            raise bad_row(where, f"nine columns from {AFFECTNET_FIRST} to arousal, not {len(cells)}")
        try:
            x, y, width, height = map(float, cells[1:5])
        except ValueError:  # "NULL": the face detector of the set's makers found none
            width = height = 0
        box = (x, y, x + width, y + height) if width > 0 and height > 0 else None
        yield where, pictures / cells[0], cells[6], box
