"""Labelled samples -> questions with the answers to learn, in FERID's item format.

`category_item` is FERID's category question word for word. `rater_item` and `action_unit_items` are ours: free
questions answered from the votes of human raters or from a rendered face's exact truth, so that nothing is made up.
"""

import random
from dataclasses import dataclass

from ..labels import LABELS
from ..schema import EmoPrompt, EmoSample, FaceAttributes
from ..synthetic.captions import conversation

OPEN_QUESTIONS = (
    "What is the facial expression of the person in the {kind}?",
    "Which expression does this face show?",
    "How would most people read this face?",
    "Describe the perceived expression of this person.",
    "What emotion does the face in the {kind} seem to express?",
    "Does the expression look clear or mixed?",
)
CLEAR = 0.7  # share of the votes from which the raters are said to agree
SECOND = 0.2  # share from which a second reading is mentioned


@dataclass(frozen=True)
class Instruction:
    """One training item: what is asked and the answer to learn."""

    prompt: EmoPrompt
    answer: str


def category_item(sample: EmoSample, attributes: FaceAttributes = FaceAttributes()) -> Instruction:
    """FERID's category item: all labels of the set as options, the bare lower-case label as answer."""
    prompt = EmoPrompt(kind=sample.kind, options=LABELS[sample.dataset], attributes=attributes)
    return Instruction(prompt, sample.label)


def rater_item(sample: EmoSample, rng: random.Random, attributes: FaceAttributes = FaceAttributes()) -> Instruction:
    """A free question whose answer reports how human raters voted; needs `sample.votes`."""
    total = sum(sample.votes.values())
    shares = sorted(((votes / total, label) for label, votes in sample.votes.items()), reverse=True)
    (first_share, first), (second_share, second) = shares[:2]
    if first_share >= CLEAR:
        answer = f"Most raters would call this expression {first}."
    elif second_share >= SECOND:
        answer = f"Raters disagree: {first} is named most often, followed by {second}."
    else:
        answer = f"Raters disagree, but {first} is named most often."
    question = rng.choice(OPEN_QUESTIONS).format(kind=sample.kind)
    return Instruction(EmoPrompt(kind=sample.kind, question=question, attributes=attributes), answer)


def action_unit_items(
    sample: EmoSample, rng: random.Random, attributes: FaceAttributes = FaceAttributes()
) -> tuple[Instruction, ...]:
    """One to three questions on what a rendered face shows, each answer readable alone; needs `sample.truth`."""
    return tuple(
        Instruction(EmoPrompt(kind=sample.kind, question=turn.question, attributes=attributes), turn.answer)
        for turn in conversation(sample.truth, rng, kind=sample.kind)
    )
