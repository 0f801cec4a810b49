"""People's own tables: what is read is what was written, and every row that cannot be used is named."""

import json
import re

import dataset_trees as trees
import pytest

from emo_toolkit.data import category_item, load_samples
from emo_toolkit.data.checks import check_samples
from emo_toolkit.errors import EmoError

ROWS = [
    {"path": "a.jpg", "label": "Happy", "split": "train", "caption": "She smiles, looking left.", "kind": ""},
    {"path": "b.png", "label": "anger", "split": "valid", "caption": "", "kind": ""},
    {"path": "c.MP4", "label": "helplessness", "split": "", "caption": "", "kind": ""},
    {"path": "clips/d", "label": "sad", "split": "train", "caption": "", "kind": ""},
    {"path": "e.bin", "label": "neutral", "split": "test", "caption": "", "kind": "image"},
]


def as_csv(rows: list[dict]) -> str:
    cells = [[json.dumps(row[name]) if "," in row[name] else row[name] for name in rows[0]] for row in rows]
    return "\n".join(",".join(line) for line in [list(rows[0]), *cells]) + "\n"


def as_jsonl(rows: list[dict]) -> str:
    return "".join(json.dumps({"age": 33} | {k: v for k, v in row.items() if v}) + "\n" for row in rows)


@pytest.fixture
def media(tmp_path, faces, clip):
    """The files of `ROWS`."""
    for name in ("a.jpg", "b.png", "e.png"):
        trees.save(faces[0], tmp_path / name)
    (tmp_path / "e.png").rename(tmp_path / "e.bin")
    trees.copy(clip, tmp_path / "c.MP4")
    trees.frame_folder(tmp_path / "clips/d", faces)
    return tmp_path


@pytest.mark.parametrize("name", ["manifest.csv", "manifest.jsonl"])
@pytest.mark.parametrize("by_folder", [True, False])
def test_a_manifest_is_read_back(media, name, by_folder):
    path = trees.write_text(media / name, as_csv(ROWS) if name.endswith("csv") else as_jsonl(ROWS))
    samples = load_samples("manifest", media if by_folder else path, "all")
    assert [sample.label for sample in samples] == ["happiness", "anger", "helplessness", "sadness", "neutral"]
    assert [sample.kind for sample in samples] == ["image", "image", "video", "video", "image"]
    assert [sample.split for sample in samples] == ["train", "valid", "all", "train", "test"]
    assert samples[0].caption == "She smiles, looking left." and samples[1].caption is None
    assert samples[0].row == f"{path}, line {2 if name.endswith('csv') else 1}"
    assert check_samples(samples) == []
    assert category_item(samples[2]).answer == "helplessness"
    assert len(load_samples("manifest", path, "train")) == 2


def test_what_excel_writes_is_read(media):
    trees.write_text(media / "manifest.csv", "\ufeffpath,label,\r\na.jpg, joy ,\r\n\r\nb.png,Fear,\r\n")
    assert [sample.label for sample in load_samples("manifest", media, "all")] == ["happiness", "fear"]


def test_all_bad_rows_are_named_at_once(media):
    text = "path,label,split,kind\na.jpg,happy,,\nb.png,bored,,\nc.xyz,fear,,\n,fear,,\na.jpg,fear,dev,\na.jpg,,,\n"
    path = trees.write_text(media / "mine.csv", text + "b.png,fear,,photo\n")
    with pytest.raises(EmoError) as caught:
        load_samples("manifest", path, "all")
    lines = str(caught.value).splitlines()
    assert [re.search(r"line (\d+)", line).group(1) for line in lines] == ["3", "4", "5", "6", "7", "8"]
    for line, words in zip(lines, ["'bored'", "'kind'", "path is empty", "'dev'", "''", "'kind'"], strict=True):
        assert words in line
    path.write_text("path,label\n" + "a.jpg,bored\n" * 300)
    with pytest.raises(EmoError) as caught:
        load_samples("manifest", path, "all")
    assert len(str(caught.value).splitlines()) == 11 and str(caught.value).endswith("and 290 more")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: expected the names of the columns"),
        ("a.jpg,happy\n", "line 1: expected the names of the columns"),
        ("path;label\na.jpg;happy\n", "line 1: expected the names of the columns"),
        ("path,label\na.jpg,happy,She smiles, too\n", "line 2: more cells than columns"),
        ("path,label\na.jpg,fröhlich\n".encode("latin-1"), "not UTF-8"),
        ("path,label,split\na.jpg,happy,\n", "manifest train at .* holds no labelled row"),
        ("path,label,split\n", "holds no labelled row"),
    ],
)
def test_a_broken_table_is_explained(media, text, message):
    path = trees.write_text(media / "mine.csv", text)
    with pytest.raises(EmoError, match=message):
        load_samples("manifest", path, "train")


@pytest.mark.parametrize("line", ["{", "[1]", '"a.jpg"', b"\xff\xfe"])
def test_a_broken_line_is_named(media, line):
    line = line if isinstance(line, bytes) else line.encode()
    path = trees.write_text(media / "mine.jsonl", b'{"path": "a.jpg", "label": "fear"}\n\n' + line)
    with pytest.raises(EmoError, match=re.escape(f"{path}, line 3: ")):
        load_samples("manifest", path, "all")


def test_a_missing_manifest(tmp_path):
    for root, name in ((tmp_path, "manifest.csv"), (tmp_path / "gone.csv", "gone.csv")):
        with pytest.raises(EmoError, match=f"{name} does not exist"):
            load_samples("manifest", root, "all")
