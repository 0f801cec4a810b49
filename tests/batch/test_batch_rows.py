"""Rows of a batch: strict JSON, the same in Parquet, and the manifest's columns beside ours."""

import json

import pyarrow
import pytest
from batch_rows import rows_of, run
from pyarrow import parquet

from emo_toolkit.batch.rows import COLUMNS, carried_name, json_line, schema_of


def test_parquet_equals_jsonl(photos, words, tmp_path):
    manifest = tmp_path / "list.jsonl"
    lines = [
        {"path": f"{photos}/set0/0.png", "age": 31, "weight": 1, "tags": ["a", {"b": None}], "mixed": 1, "yes": True},
        {"path": f"{photos}/set0/2.png", "age": 2**60, "weight": 0.5, "tags": [], "mixed": "one"},
        {"path": 7, "weight": None, "yes": None, "rare": "\ud800"},
    ]
    text = "\n".join(map(json.dumps, lines)).replace('"weight": null', '"weight": NaN, "huge": 1e999')
    manifest.write_text(text)
    assert run(manifest, tmp_path / "rows.jsonl", *words, "--question", "Why?") == 1
    assert run(manifest, tmp_path / "rows.parquet", *words, "--question", "Why?") == 1
    plain, table = rows_of(tmp_path / "rows.jsonl"), parquet.read_table(tmp_path / "rows.parquet")
    assert table.schema.field("manifest_age" if "manifest_age" in table.column_names else "age").type == "string"
    assert table.schema.field("weight").type == "double" and table.schema.field("yes").type == "bool"
    assert not any(name.startswith("score_") for name in table.column_names) and isinstance(plain[0]["text"], str)
    for row, flat in zip(plain, table.to_pylist(), strict=True):
        row = dict.fromkeys(table.column_names) | row
        assert {name: row[name] for name in ("tags", "mixed", "age")} == {
            name: None if flat[name] is None else row[name] if flat[name] == row[name] else json.loads(flat[name])
            for name in ("tags", "mixed", "age")
        }
        apart = ("tags", "mixed", "age", "seconds")
        assert {k: v for k, v in row.items() if k not in apart} == {k: v for k, v in flat.items() if k not in apart}
    assert plain[2]["rare"] == "\\ud800" and plain[2]["weight"] is None and plain[2]["huge"] is None


def test_text_only_on_demand(photos, words, tmp_path):
    out = tmp_path / "rows.jsonl"
    assert run(photos / "set0", out, *words, "--answer", "--attributes", "age=30-39") == 0
    for row in rows_of(out):
        assert isinstance(row["text"], str) and (row["attribute_age"], row["attribute_origin"]) == ("30-39", "given")


@pytest.mark.parametrize("name", ["label", "score_fear", "path", "manifest_label", "manifest_manifest_score_x"])
def test_no_column_clobbers_ours(name):
    assert carried_name(name) == f"manifest_{name}"


def test_free_columns_keep_their_names():
    assert [carried_name(name) for name in ("id", "manifest_id", "scores")] == ["id", "manifest_id", "scores"]
    assert carried_name("\ud800") == "\\ud800"


def test_a_line_is_strict_json():
    assert json.loads(json_line({"a\ud800": "\udcff\n"})) == {"a\\ud800": "\\udcff\n"}
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_line(float("nan"))


def test_schema_of_nothing():
    assert schema_of((), []).names == list(COLUMNS)
    assert schema_of(("a",), [{"x": None}]).field("x").type == pyarrow.string()
