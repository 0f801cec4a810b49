"""EmoPrediction -> a flat row -> a line of JSON, or a table of Parquet."""

import json
import math
import re
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow
from pyarrow import parquet

from ..schema import EmoPrediction

TEXT, WHOLE, REAL = pyarrow.string(), pyarrow.int64(), pyarrow.float64()
COLUMNS = {  # of every row; a column "score_LABEL" for each label stands behind `label`
    "path": TEXT,
    "kind": TEXT,
    "status": TEXT,
    "label": TEXT,
    "text": TEXT,
    "attribute_age": TEXT,
    "attribute_gender": TEXT,
    "attribute_race": TEXT,
    "attribute_origin": TEXT,
    "faces": WHOLE,  # frames with a usable face
    "frames": WHOLE,
    "seconds": REAL,
    "checkpoint": TEXT,
    "message": TEXT,
}
SCORE, CARRIED = "score_", "manifest_"
LONE_SURROGATE = re.compile("[\ud800-\udfff]")  # a byte of a file name that is no UTF-8; no JSON reader takes it
GROUP = 1000  # rows of Parquet in memory


def carried_name(column: str) -> str:
    """What a manifest's column is called in the row: its own name, or "manifest_label" where "label" is ours."""
    column = LONE_SURROGATE.sub(_spelt, column)
    bare = re.sub(f"^({CARRIED})*", "", column)
    return CARRIED + column if bare in COLUMNS or bare.startswith(SCORE) else column


def flat_row(prediction: EmoPrediction, options: Sequence[str], columns: dict[str, Any]) -> dict[str, Any]:
    """One file's row: `COLUMNS`, a score for each option (None where there is none), then the manifest's columns."""
    used = prediction.attributes
    row = {
        "path": prediction.path,
        "kind": prediction.kind,
        "status": prediction.status,
        "label": prediction.label,
        **{SCORE + option: prediction.scores.get(option) for option in options},
        "text": prediction.text,
        "attribute_age": used.age,
        "attribute_gender": used.gender,
        "attribute_race": used.race,
        "attribute_origin": used.origin,
        "faces": sum(frame.found for frame in prediction.frames),
        "frames": len(prediction.frames),
        "seconds": prediction.seconds,
        "checkpoint": prediction.checkpoint,
        "message": prediction.message,
    }
    broken = [name for name, value in row.items() if isinstance(value, float) and not math.isfinite(value)]
    return row | dict.fromkeys(broken) | columns


def json_line(value: Any) -> bytes:
    """One line of strict JSON in UTF-8; a lone surrogate is spelt out as backslash, u and four digits."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return LONE_SURROGATE.sub(lambda found: "\\" + _spelt(found), text).encode() + b"\n"


def write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """One row a line."""
    with path.open("wb") as file:
        file.writelines(map(json_line, rows))


def write_parquet(path: Path, rows: Iterable[dict[str, Any]], schema: pyarrow.Schema) -> None:
    """The rows under a schema. In a column of text, what is no text is written as JSON."""
    texts = {field.name for field in schema if field.type == TEXT}
    with parquet.ParquetWriter(path, schema) as writer:
        rows = iter(rows)
        while group := list(islice(rows, GROUP)):
            plain = [{name: _as_text(cell) if name in texts else cell for name, cell in row.items()} for row in group]
            writer.write_table(pyarrow.Table.from_pylist(plain, schema=schema))


def schema_of(options: Sequence[str], carried: Iterable[dict[str, Any]]) -> pyarrow.Schema:
    """The types of a row. A carried column of one kind keeps it; a mixed or nested one becomes text."""
    met: dict[str, set[type]] = {}
    for columns in carried:
        for name, value in columns.items():
            kinds = met.setdefault(name, set())
            if value is not None:
                large = type(value) is int and abs(value) > 2**53
                kinds.add(object if large else type(value))
    kept = {frozenset({bool}): pyarrow.bool_(), frozenset({int}): WHOLE}
    kept |= dict.fromkeys((frozenset({float}), frozenset({int, float})), REAL)
    fields = list(COLUMNS.items())
    place = list(COLUMNS).index("label") + 1
    fields[place:place] = [(SCORE + option, REAL) for option in options]
    fields += [(name, kept.get(frozenset(kinds), TEXT)) for name, kinds in met.items()]
    return pyarrow.schema(fields)


def _spelt(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def _as_text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)
