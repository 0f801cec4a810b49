"""`effects`: a photo or clip in, a page out on what words of age, gender and race, and each prior, did to it."""

import argparse
from pathlib import Path
from typing import Any

from ..explain import attribute_effects, prior_ablations
from ..explain.attributes import counting
from ..schema import FaceAttributes
from .effects_page import Affected, figures_of, page
from .progress import Steps
from .reports import Asked, write_figures, write_json, write_report

KEYS = {
    "keys": "what the keys mean",
    "path": "the file",
    "kind": "image or video",
    "checkpoint": "the model that answered",
    "seconds": "what it took",
    "attributes": "words that the prompt of `priors` tells, and whose they are; race is only ever given",
    "labels": "axis L: the options",
    "baseline": "L, their probabilities when the prompt tells no attribute",
    "answer": "the likeliest of them",
    "grid": "axis V: [age, gender, race] told in each variant, null for what is not told; the first tells nothing",
    "grid_scores": "V x L, probabilities",
    "values": "axis A: [kind, word] of each attribute word",
    "effects": "A x L, log-odds when this word alone is told less those when nothing is told, mean over units",
    "intervals": "A x L x 2, 95 % over units",
    "marginals": "A x L, the same averaged over the whole grid, whatever else is told",
    "p": "A x L, exchange test against meaningless changes",
    "p_holm": "A x L, corrected by Holm for all A x L",
    "counts": "A x L, whether an effect counts: larger than the noise floor of its label, and p_holm below 0.05",
    "floor": "L, the noise floor: the largest effect of any meaningless change",
    "changes": "axis C: meaningless changes of the sentence",
    "change_effects": "C x L, what they do",
    "questions": "axis Q: the question as asked, then in other words",
    "question_effects": "(Q - 1) x L, what the other words do",
    "units": "over how many questions and parts of the frames effects were measured",
    "priors": "names: axis N; baseline L, probabilities with all priors; scores N x L without each; effects N x L, "
    "what having it adds to the log-odds; null where the prompt has no attribute sentence",
}


def effects(arguments: argparse.Namespace, options: tuple[str, ...], attributes: FaceAttributes | None) -> int:
    """Writes the folder and returns the exit code."""

    def fill(asked: Asked, folder: Path, steps: Steps) -> str:
        steps("telling the model every age, gender and race, and what means nothing")
        told = attribute_effects(asked.pipeline, asked.reading, asked.prompt)
        steps("taking each prior away")
        found = Affected(asked, told, prior_ablations(asked.pipeline, asked.reading, asked.prompt), steps.seconds)
        steps("drawing the figures")
        figures = figures_of(found)
        trouble = write_figures(folder / "figures", figures)
        if trouble:
            steps(trouble)
        write_json(folder / "effects.json", numbers(found))
        (folder / "effects.html").write_text(page(found, figures), encoding="utf-8", errors="replace")
        return f"{asked.path}: {found.answer}\n{counting(told)}\npage: {arguments.out / 'effects.html'}"

    return write_report(arguments, options, attributes, fill, fewest=2)


def numbers(found: Affected) -> dict[str, Any]:
    """The file's values under `KEYS`; arrays are still arrays."""
    asked, told = found.asked, found.told
    known = asked.prompt.attributes
    values = {
        "keys": KEYS,
        "path": asked.path,
        "kind": asked.reading.media.kind,
        "checkpoint": asked.pipeline.checkpoint.name,
        "seconds": round(found.seconds, 1),
        "attributes": {name: getattr(known, name) for name in ("age", "gender", "race", "origin")},
        "baseline": told.grid_scores[0],
        "answer": found.answer,
        "counts": told.counts,
        "floor": told.floor,
        "priors": {name: value for name, value in vars(found.priors).items() if name != "labels"},
    } | vars(told)
    return {key: values[key] for key in KEYS}
