"""The files of a batch: folders and manifests as people have them; a bad file is a row."""

import csv
import os
import shutil
import subprocess

import pytest
from batch_rows import rows_of, run
from PIL import Image
from pyarrow import parquet

from emo_toolkit.batch.files import entries
from emo_toolkit.labels import DEFAULT_OPTIONS

ODD_NAMES = ("größe 笑顔.png", "two\nlines.png", "UPPER.PNG", " space.png", "\udcff.png", '"quoted", comma.png')


def test_bad_files_are_rows(photos, words, face, tmp_path, capsys):
    root, out = tmp_path / "in", tmp_path / "in" / "rows.jsonl"  # the output lies in the input
    (root / "folder.jpg").mkdir(parents=True)
    (root / "clip.mp4").mkdir()
    face.save(root / "clip.mp4" / "1.png")
    face.save(root / "clip.mp4" / "2.png")
    (root / "empty.jpg").touch()
    (root / "torn.png").write_bytes((photos / "set0" / "0.png").read_bytes()[:2000])
    (root / "bomb.gif").write_bytes(b"GIF89a" + b"\xff" * 40)
    (root / "text.mov").write_text("hello")
    (root / "gone.webp").symlink_to(root / "nowhere.webp")
    (root / "self.png").symlink_to(root / "self.png")
    os.mkfifo(root / "pipe.png")
    Image.new("RGB", (64, 64), "grey").save(root / "grey.png")
    face.save(root / "good.png")
    face.save(root / ".hidden.png")
    (root / "notes.txt").write_text("no picture")
    assert run(root, out, *words) == 1
    rows = {row["path"]: row for row in rows_of(out)}
    good = {"good.png": "ok", "clip.mp4": "ok", "grey.png": "no_face"}
    bad = ("folder.jpg", "empty.jpg", "torn.png", "bomb.gif", "text.mov", "gone.webp", "self.png", "pipe.png")
    assert {path: row["status"] for path, row in rows.items()} == good | dict.fromkeys(bad, "error")
    assert all(rows[path]["message"] and rows[path]["score_fear"] is None for path in bad)
    assert rows["clip.mp4"]["kind"] == "video" and rows["clip.mp4"]["faces"] == 2
    assert "11 of 11 files, 2 ok, 1 without a face, 8 errors" in capsys.readouterr().err
    assert run(root, out, *words) == 1


def test_odd_names(words, face, tmp_path):
    root, out = tmp_path / "in", tmp_path / "rows.parquet"
    root.mkdir()
    for name in ODD_NAMES:
        face.save(root / name)
    assert run(root, out, *words) == 0
    rows = parquet.read_table(out).to_pylist()
    assert [row["path"] for row in rows] == [name.replace("\udcff", "\\udcff") for name in sorted(ODD_NAMES)]
    assert {row["status"] for row in rows} == {"ok"}


def test_loops_of_links_end(photos, tmp_path):
    root = tmp_path / "in"
    (root / "a").mkdir(parents=True)
    (root / "a" / "up").symlink_to(root)
    (root / "b").symlink_to(root / "a")
    (root / "more").symlink_to(photos / "set0")
    (root / "a" / "x.png").touch()
    assert [entry.path for entry in entries(root)] == ["a/x.png", *(f"more/{n}.png" for n in (0, 2, 4, 6, 8))]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open everything")
def test_a_closed_folder_is_a_row(tmp_path):
    (tmp_path / "closed").mkdir(mode=0)
    (entry,) = entries(tmp_path)
    assert entry.path == "closed" and "cannot be opened: Permission denied" in entry.problem


def test_a_deep_tree(tmp_path):
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1500):  # deeper than Python's stack, longer than a path may be
        os.mkdir("sub", dir_fd=here)
        inside = os.open("sub", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inside
    os.close(here)
    (entry,) = entries(tmp_path)
    assert "File name too long" in entry.problem
    subprocess.run(["rm", "-rf", str(tmp_path / "sub")], check=True)


def test_a_csv_manifest(photos, words, tmp_path):
    manifest, out = tmp_path / "list.csv", tmp_path / "rows.jsonl"
    shutil.copytree(photos, tmp_path / "copy")
    with manifest.open("w", newline="", encoding="utf-8-sig") as file:
        table = csv.writer(file)
        table.writerow(["id", "path", "label", "score_x", "manifest_label", "note"])
        table.writerow(["1", "copy/set0/0.png", "happy", "2", "3", "zwei\nZeilen"])
        table.writerow(["2", str(photos / "set1" / "1.png"), "", "", "", ""])
        table.writerow(["3", "copy/set0/0.png", "sad", "", "", "again"])
        table.writerow(["4", "", "", "", "", ""])
        table.writerow(["5", "nul\0.png", "", "", "", ""])
    assert run(manifest, out, *words) == 1
    rows = rows_of(out)
    assert [row["id"] for row in rows] == ["1", "2", "3", "4", "5"]
    assert [row["status"] for row in rows] == ["ok", "ok", "ok", "error", "error"]
    first, _, third, fourth, _ = rows
    carried = {"manifest_label": "happy", "manifest_score_x": "2", "manifest_manifest_label": "3"}
    assert first.items() >= (carried | {"note": "zwei\nZeilen", "path": "copy/set0/0.png"}).items()
    assert first["label"] == third["label"] in DEFAULT_OPTIONS and third["manifest_label"] == "sad"
    assert "line 6 of the manifest has no path" in fourth["message"]


def test_a_changed_manifest_is_refused(photos, words, tmp_path, capsys):
    manifest, out = tmp_path / "list.csv", tmp_path / "rows.jsonl"
    manifest.write_text(f"path\n{photos}/set0/0.png\n")
    assert run(manifest, out, *words) == 0
    manifest.write_text(f"path\n{photos}/set0/0.png\n{photos}/set0/2.png\n")
    assert run(manifest, out, *words) == 2 and "contents of the manifest" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("a.csv", b"file,label\nx.png,fear\n", "one is 'path'"),
        ("a.csv", b"path,a,a\nx.png,1,2\n", "each once"),
        ("a.csv", b"path\nx.png,more\n", "line 2: more cells than columns"),
        ("a.csv", b"path\n\xff\xfe.png\n", "not UTF-8"),
        ("a.csv", b"", "one is 'path'"),
        ("a.jsonl", b'{"path": "x.png"}\nx.png\n', "line 2: no JSON"),
        ("a.jsonl", b'["x.png"]\n', "line 1: expected an object"),
        ("a.jsonl", b"[" * 100_000, "line 1: no JSON"),
        ("a.jsonl", b"\n\n", "no photo or clip"),
    ],
)
def test_a_broken_manifest_is_refused(words, tmp_path, capsys, name, text, why):
    (tmp_path / name).write_bytes(text)
    assert run(tmp_path / name, tmp_path / "rows.jsonl", *words) == 2 and why in capsys.readouterr().err
