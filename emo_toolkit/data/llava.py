"""Instructions <-> rows of LLaVA JSON, the list that the loaders of LLaVA and LLaMA-VID read:

{"id": "1", "image": "a.jpg", "conversations": [{"from": "human", "value": "<image>\\nWhy?"}, {"from": "gpt", ...}]}
"""

import json
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import EmoError
from ..prompts import CATEGORY_QUESTION, question_text
from ..schema import EmoPrompt, EmoSample
from .instructions import Instruction

PLACEHOLDER = "<image>"  # of a video, too
CATEGORY = re.compile(
    re.escape(CATEGORY_QUESTION.format(kind="KIND", options="OPTIONS"))
    .replace("KIND", "(?:image|video)")
    .replace("OPTIONS", "(.+)")
)
REMEDY = "a row of LLaVA JSON has id, image or video, and conversations of human and gpt in turn"


def llava_row(sample: EmoSample, instructions: Sequence[Instruction], *, root: Path) -> dict[str, Any]:
    """One row: the instructions of a sample as the turns of one conversation.

    The path is relative to `root` where the file lies there, so that the list can move with the set. Attributes of a
    prompt are left out: a training run adds them from its own priors.

    Args:
        sample: whose id and file the row names.
        instructions: at least one.
        root: what a loader gets as its folder of images and videos.
    """
    path, turns = Path(sample.path), []
    for instruction in instructions:
        mark = "" if turns else f"{PLACEHOLDER}\n"
        turns.append({"from": "human", "value": mark + question_text(instruction.prompt)})
        turns.append({"from": "gpt", "value": instruction.answer})
    file = path.relative_to(root) if path.is_relative_to(root) else path
    return {"id": sample.id, sample.kind: file.as_posix(), "conversations": turns}


def instructions_of(row: dict[str, Any]) -> tuple[Instruction, ...]:
    """The turns of a row, each as an instruction of its own; FERID's category question gets its options back.

    Takes rows of a JSON list and rows of `datasets.load_dataset("json", data_files=...)`, which fills up with None.

    Raises:
        EmoError: saying what is wrong with the row.
    """
    try:
        kind = next(kind for kind in ("video", "image") if row.get(kind))
        spoken = [(turn["from"], str(turn["value"]).replace(PLACEHOLDER, "").strip()) for turn in row["conversations"]]
    except (KeyError, TypeError, AttributeError, StopIteration) as error:
        raise EmoError(f"{_name(row)}: {REMEDY}") from error
    questions, answers = spoken[::2], spoken[1::2]
    speakers = ["human", "gpt"] * len(questions)
    if not spoken or [speaker for speaker, _ in spoken] != speakers or not all(text for _, text in spoken):
        raise EmoError(f"{_name(row)}: {REMEDY}, none of them empty")
    return tuple(
        Instruction(_prompt(question, kind), answer)
        for (_, question), (_, answer) in zip(questions, answers, strict=True)
    )


def load_instructions(path: str | Path) -> dict[str, tuple[Instruction, ...]]:
    """The instructions of a LLaVA JSON file by sample id; rows that share an id are joined in their order.

    Raises:
        EmoError: naming the file and the row that cannot be read.
    """
    try:
        rows = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EmoError(f"{path} cannot be read as JSON ({error}); train/generate_instructions.py writes it") from error
    if not isinstance(rows, list):
        raise EmoError(f"{path} holds no list; {REMEDY}")
    found: dict[str, list[Instruction]] = defaultdict(list)
    for number, row in enumerate(rows):
        try:
            found[row["id"]] += instructions_of(row)
        except (EmoError, KeyError, TypeError) as error:
            reason = error if isinstance(error, EmoError) else f"{_name(row)}: {REMEDY}"
            raise EmoError(f"{path}, row {number}: {reason}") from error
    return {name: tuple(instructions) for name, instructions in found.items()}


def _prompt(question: str, kind: str) -> EmoPrompt:
    if category := CATEGORY.fullmatch(question):
        return EmoPrompt(kind=kind, options=tuple(category.group(1).split(", ")))
    return EmoPrompt(kind=kind, question=question)


def _name(row: Any) -> str:
    return repr(row["id"]) if isinstance(row, dict) and "id" in row else "a row without id"
