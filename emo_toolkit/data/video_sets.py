"""Clip sets in their published layouts -> EmoSample, one generator a set: DFEW, FERV39k, MAFW.

Sources: the sets' own releases and, where those are silent, public loaders of MAE-DFER, DFER-CLIP and S2D. A clip is a
video file or, where only frames are there, a folder of frames.
"""

from collections.abc import Iterator
from pathlib import Path

from ..errors import EmoError
from ..labels import LABELS, canonical
from ..schema import EmoSample
from .lists import bad_row, find, numbered_lines

FACE_224 = (0.0, 0.0, 224.0, 224.0)  # a frame of the published face crops is all face


def read_dfew(root: Path, split: str, fold: int) -> Iterator[EmoSample]:
    """DFEW, single-labelled: `EmoLabel_DataSplit/train(single-labeled)/set_1.csv`, header `video_name,label`.

    Labels are 1 to 7. Names are numbers without zeros in front, as the files of `Clip/original` are
    (`1.mp4`, in some copies below `part_1/`), while frames lie in folders of five digits (`Clip/jpg_256/00001/`).
    """
    labels = dict(enumerate(LABELS["dfew"], start=1))
    clips = find(root, "Clip/original", "Clip/jpg_256", "Clip/clip_224x224", "Clip/clip_224x224_16f")
    original = clips.name == "original"
    videos = {int(path.stem): path for path in clips.glob("**/*.mp4") if path.stem.isdecimal()} if original else {}
    for where, line in numbered_lines(find(root, f"EmoLabel_DataSplit/{split}(single-labeled)/set_{fold}.csv")):
        if line == "video_name,label":
            continue
        try:
            number, code = map(int, line.split(","))
            if code == 0:
                raise EmoError(f"{where}: labels are 1 to 7; a list with 0 is a copy with other codes, not DFEW's own")
            label = labels[code]
        except (KeyError, ValueError) as error:
            raise bad_row(where, "a clip number and a label 1 to 7, as in '522,3'") from error
        video, frames = videos.get(number, clips / f"{number}.mp4"), clips / f"{number:05d}"
        yield EmoSample(
            id=f"dfew/{number:05d}",
            path=str(video if original else frames),
            kind="video",
            label=label,
            dataset="dfew",
            split=split,
            fold=fold,
            box=FACE_224 if clips.name.startswith("clip_224x224") else None,
            row=where,
        )


def read_ferv39k(root: Path, split: str) -> Iterator[EmoSample]:
    """FERV39k, all scenes: `4_setups/All_scenes/train_All.csv`, lines `Action/Happy/0267 Happy` without a header.

    In spite of its name the list has no commas. Clips are published as frames in
    `2_ClipsforFaceCrop/Action/Happy/0267/`.
    """
    clips = find(root, "2_ClipsforFaceCrop")
    for where, line in numbered_lines(find(root, f"4_setups/All_scenes/{split}_All.csv")):
        clip, _, word = line.partition(" ")
        label = canonical(word)
        if label not in LABELS["ferv39k"]:
            raise bad_row(where, "a clip and its emotion, as in 'Action/Happy/0267 Happy'")
        yield EmoSample(
            id=f"ferv39k/{clip}",  # whole: the numbers start anew in every scene and emotion
            path=str(clips / clip),
            kind="video",
            label=label,
            dataset="ferv39k",
            split=split,
            row=where,
        )


def read_mafw(root: Path, split: str, fold: int) -> Iterator[EmoSample]:
    """MAFW, its 11 single classes: `single/no_caption/set_1/train.txt`, lines `03747.mp4 anger`.

    The folder above `single` has another name in every copy. Captions come from `single/with_caption`, which lacks
    the neutral clips and some others; those get none. `compound/` (labels joined by `_`) is not read.
    """
    clips, name = find(root, "data/clips", "data/frames", "data/faces"), f"set_{fold}/{split}.txt"
    lists = [*root.glob(f"single/no_caption/{name}"), *root.glob(f"*/single/no_caption/{name}")]
    if not lists:
        raise EmoError(f"neither {root} nor a folder in it has single/no_caption/{name}; --root must be MAFW's folder")
    captions = _mafw_captions(lists[0].parents[2] / "with_caption" / name)
    for where, line in numbered_lines(lists[0]):
        clip, _, label = line.partition(" ")
        if label not in LABELS["mafw"]:  # by name: public code disagrees on the numbers
            raise bad_row(where, "a clip and one of the 11 labels, as in '03747.mp4 anger'")
        stem = clip.removesuffix(".mp4")
        yield EmoSample(
            id=f"mafw/{stem}",
            path=str(clips / (clip if clips.name == "clips" else stem)),
            kind="video",
            label=label,
            dataset="mafw",
            split=split,
            fold=fold,
            caption=captions.get(clip),
            row=where,
        )


def _mafw_captions(path: Path) -> dict[str, str]:
    """Clip -> English caption; lines are clip, label, Chinese and English, with tabs between them."""
    captions = {}
    for where, line in numbered_lines(path) if path.is_file() else ():
        cells = line.split("\t")
        if len(cells) != 4:
            raise bad_row(where, f"clip, label, Chinese and English caption with tabs between, not {len(cells)} cells")
        captions[cells[0]] = cells[3].strip()
    return captions
