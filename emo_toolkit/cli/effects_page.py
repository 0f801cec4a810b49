"""What an effects command found -> its figures, and one HTML page that explains itself."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..explain.attributes import counting
from ..plots import ablation_bars, effect_forest, effect_map, grid_map, label_bars
from ..plots.pages import Section, html_page, paragraphs, text_table
from ..schema import AttributeEffects, PriorAblations
from .parser import NOTICE
from .reports import Asked

GIVEN = (
    "The pixels never change here; only the words of the prompt do. Age, gender and race words are told to the model "
    "one after the other. They are what somebody might tell it: nothing on this page says, estimates or infers whose "
    "age, gender or race is shown, and race is never inferred by this toolkit."
)
COUNTS = (
    "An effect counts when it is larger than the noise floor of its label, the largest that any meaningless change "
    "of the sentence or of the question did, and when chance among meaningless changes would hardly be as steady "
    "(p below 0.05, corrected by Holm for all words and labels). It then says that this word moves this model's "
    "answer about this file. It says nothing about people, and little about other files: run train/audit.py for many."
)
TERMS = {
    "Effect": "the log-odds of a label when the sentence before the question tells this word alone, less those when "
    "there is no such sentence; mean over several wordings of the question and, for a clip, parts of its frames.",
    "Log-odds": "the natural logarithm of p / (1 - p). +0.69 doubles the odds of a label, -0.69 halves them.",
    "Noise floor": "what nothing does: sentences that tell no attribute, the same attribute in another sentence, the "
    "same question in other words. The largest of these, for each label.",
    "95 % interval": "where the middle 95 % of the mean lie when wordings and parts of the frames are drawn again.",
    "Without a prior": "its clue is zero where it would enter the language model. The model never met that in "
    "training, so this says what the answer leans on, not what a model trained without the prior would say.",
}


class Affected(NamedTuple):
    """All that one effects command found."""

    asked: Asked
    told: AttributeEffects
    priors: PriorAblations
    seconds: float

    @property
    def answer(self) -> str:
        """The likeliest label when nothing is told."""
        return self.told.labels[int(self.told.grid_scores[0].argmax())]


def figures_of(found: Affected) -> dict[str, Any]:
    """Every figure by name, in the order of the page."""
    told = found.told
    return {
        "answer": label_bars(dict(zip(told.labels, told.grid_scores[0].tolist(), strict=True))),
        "effects": effect_map(told),
        "forest": effect_forest(told, found.answer),
        "grid": grid_map(told, found.answer),
        "priors": ablation_bars(found.priors, found.answer),
    }


def page(found: Affected, figures: Mapping[str, Any]) -> str:
    """The whole page; its figures are those of `figures_of`."""
    label, told = found.answer, found.told
    sections = [
        Section("The answer when nothing is told", figures["answer"]),
        Section("What each word did", figures["effects"], paragraphs([COUNTS]), _counted(told)),
        Section(
            f"“{label}”, with intervals",
            figures["forest"],
            paragraphs(
                [f"{told.units} units: wordings of the question, and parts of a clip. Within the band: noise."]
            ),
        ),
        Section(
            f"“{label}” under every combination",
            figures["grid"],
            paragraphs(
                ["All ages, genders and races together, question as asked. Grey does not leave the noise floor."]
            ),
            _answers(told),
        ),
        Section("What means nothing, and what it did", above=_floor(found)),
        Section("What each prior did", figures["priors"], _told(found), _ablations(found)),
    ]
    chance = told.grid_scores[0].max()
    head = [f"{found.asked.pipeline.checkpoint.name} answers “{label}” ({chance:.1%}; {NOTICE})."]
    head += [counting(found.told), GIVEN]
    title = f"What words and priors do to the answer to {Path(found.asked.path).name}"
    return html_page(title, paragraphs(head), sections, terms=TERMS)


def _counted(told: AttributeEffects) -> str:
    places = np.argwhere(told.counts)
    if not len(places):
        return paragraphs(["No effect counts."])
    rows = []
    for word, label in places[np.argsort(-np.abs(told.effects[tuple(places.T)]))]:
        low, high = told.intervals[word, label]
        values = f"{told.effects[word, label]:+.2f}", f"[{low:+.2f}, {high:+.2f}]"
        rest = f"±{told.floor[label]:.2f}", f"{told.p_holm[word, label]:.2g}"
        rows.append((f"{told.values[word][0]} {told.values[word][1]}", told.labels[label], *values, *rest))
    return text_table(("told", "label", "log-odds", "95 % interval", "noise floor", "corrected p"), rows)


def _answers(told: AttributeEffects) -> str:
    """How often each label is the answer, over the grid."""
    wins = np.bincount(told.grid_scores.argmax(1), minlength=len(told.labels))
    low, high = told.grid_scores.min(0), told.grid_scores.max(0)
    rows = [
        (told.labels[at], f"{wins[at]}", f"{low[at]:.1%} to {high[at]:.1%}")
        for at in sorted(range(len(wins)), key=lambda at: -high[at])
    ]
    return text_table(("label", f"the answer in, of {len(told.grid)}", "probability"), rows)


def _floor(found: Affected) -> str:
    told, at = found.told, found.told.labels.index(found.answer)
    words = [each.format(kind=found.asked.reading.media.kind, who="…") for each in told.changes]
    rows = list(zip(words, told.change_effects[:, at], strict=True))
    rows += list(zip(told.questions[1:], told.question_effects[:, at], strict=True))
    rows.sort(key=lambda row: -abs(row[1]))
    said = paragraphs([f"Effects on “{found.answer}” in log-odds, the largest first: it is the noise floor."])
    table = text_table(("log-odds", "said instead"), [(f"{value:+.2f}", words) for words, value in rows])
    return f'{said}<div class="words">{table}</div>'


def _told(found: Affected) -> str:
    known = found.asked.prompt.attributes
    words = [word for word in (known.age, known.gender, known.race) if word]
    sentence = (
        f"The prompt told {', '.join(words)} ({known.origin})."
        if words
        else "The prompt told no attribute, so the sentence could not be taken away: see --attributes."
    )
    return paragraphs(["The answer with all priors beside the answer without each.", sentence])


def _ablations(found: Affected) -> str:
    priors, at = found.priors, found.priors.labels.index(found.answer)
    rows = [("with all", f"{priors.baseline[at]:.1%}", priors.labels[int(priors.baseline.argmax())], "")]
    for name, scores, effects in zip(priors.names, priors.scores, priors.effects, strict=True):
        if not np.isnan(effects[at]):
            answer = priors.labels[int(scores.argmax())]
            rows.append((f"without {name}", f"{scores[at]:.1%}", answer, f"{effects[at]:+.2f}"))
    return text_table(("", f"“{found.answer}”", "answer", "what it added, log-odds"), rows)
