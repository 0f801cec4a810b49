"""Samples -> one JSON row each from one reading of the file: label scores, on request also groups and an explanation.

Rows are appended as they come, so that a run that was stopped goes on where it was.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from emo_toolkit.data.synthetic_writer import write_whole
from emo_toolkit.evaluation import QUESTION, estimated_groups, true_groups
from emo_toolkit.labels import LABELS
from emo_toolkit.pipeline import EmoPipeline, Reading
from emo_toolkit.schema import EmoPrompt, EmoSample, FaceAttributes

FOLD = "{fold}"  # in the name of a checkpoint: the number of the fold
ORIGINS = ("exact", "estimated")  # of groups
MAX_EXPLANATION_TOKENS = 192  # the longest of 4,000 captions of drawn clips has 146 tokens of SmolLM2


@dataclass(frozen=True)
class Asked:
    """What is asked about every sample: `estimate` puts estimated age and gender into the prompt, `explain` asks for
    an explanation in words too, `groups` is a word of ORIGINS or None, `options` the labels to choose from (None: all
    of the data set)."""

    checkpoint: str
    estimate: bool = False
    explain: bool = False
    groups: str | None = None
    options: tuple[str, ...] | None = None

    def options_of(self, dataset: str) -> tuple[str, ...]:
        """The labels to choose from, for a sample of that set."""
        return self.options or LABELS[dataset]

    def of_fold(self, fold: int | None) -> "Asked":
        """The same of the checkpoint of one fold."""
        return replace(self, checkpoint=self.checkpoint.replace(FOLD, str(fold)))

    def answered_by(self, row: dict[str, Any], fold: int | None) -> bool:
        """Whether a row of an earlier run answers the same."""
        known = (row["checkpoint"], row.get("estimate"), "explanation" in row, row.get("groups_origin"))
        same = known == (self.checkpoint, self.estimate, self.explain, self.groups) and row.get("fold", 0) == fold
        return same and tuple(row.get("options") or ()) == (self.options or ())


class Reader(EmoPipeline):
    """The pipeline that users meet; it keeps its last reading, for a second question about the same file."""

    reading: Reading | None = None
    estimating = False  # age and gender of every face, whether the prompt holds them or not

    def read(self, path: str | Path, *, estimate: bool = False, **words: Any) -> Reading:
        """As `EmoPipeline.read`."""
        self.reading = None  # of the file before, should this one not open
        self.reading = super().read(path, estimate=estimate or self.estimating, **words)
        return self.reading

    def explain(self, attributes: FaceAttributes) -> str | None:
        """What the model answers to the fixed question about the last reading; None without a face."""
        if self.reading is None or self.reading.priors is None:
            return None
        kind = self.reading.media.kind
        prompt = EmoPrompt(kind=kind, question=QUESTION.format(kind=kind), attributes=attributes)
        return self.answer(self.reading, prompt, max_new_tokens=MAX_EXPLANATION_TOKENS)[1]

    def groups(self) -> dict[str, str | None]:
        """The estimated groups of the last reading."""
        found = self.reading and self.reading.priors
        return estimated_groups(found.attributes if found else FaceAttributes())


def answer_rows(
    pipeline: Reader, samples: Iterable[EmoSample], asked: Asked, *, rows_file: Path, fold: int | None = None
) -> None:
    """Appends one row a sample. With an explanation, the label comes from the scores alone and `text` stays empty."""
    pipeline.estimating = asked.groups == "estimated"
    with rows_file.open("a", encoding="utf-8") as rows:
        rows.write("\n")  # ends a row that an interruption cut short
        for sample in samples:
            prediction = pipeline.predict(
                sample.path,
                options=asked.options_of(sample.dataset),
                attributes=None if asked.estimate else FaceAttributes(),
                estimate=asked.estimate,
                box=sample.box,
                **({"max_new_tokens": 0} if asked.explain else {}),
            )
            row = {"id": sample.id, "truth": sample.label, "split": sample.split, "fold": fold}
            row |= {"estimate": asked.estimate, "options": asked.options, **asdict(prediction)}
            del row["prompt"], row["path"]
            if asked.groups:
                groups = true_groups(sample.truth) if asked.groups == "exact" else pipeline.groups()
                row |= {"groups_origin": asked.groups, "groups": groups}
            if asked.explain:
                row["explanation"] = pipeline.explain(prediction.attributes)
            rows.write(json.dumps(row) + "\n")
            rows.flush()


def read_rows(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """Rows of JSONL files; a line that an interruption cut short is dropped."""
    rows = []
    for path in paths:
        for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError:
                continue
    return rows


def write_text(path: Path, text: str) -> None:
    """Writes a file that is never half there."""
    write_whole(path, lambda partial: partial.write_text(text, encoding="utf-8"))
