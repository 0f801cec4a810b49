"""`explain`: a photo or clip in, a page out on where its answer looked and whether that can be trusted."""

import argparse
from pathlib import Path

from ..explain import judged_maps, look_inside
from ..explain.faithfulness import STEPS
from ..explain.randomisation import DRAWS
from ..schema import FaceAttributes
from .explain_figures import Explained, figures_of, most_looked_at, slug, source_overlay
from .explain_numbers import numbers
from .explain_page import better, page
from .progress import Steps
from .reports import Asked, write_figures, write_json, write_report

QUICK_STEPS = 3  # of a curve: half the pictures


def explain(arguments: argparse.Namespace, options: tuple[str, ...], attributes: FaceAttributes | None) -> int:
    """Writes the folder and returns the exit code."""

    def fill(asked: Asked, folder: Path, steps: Steps) -> str:
        found = _look(asked, arguments.method, arguments.quick, steps)
        steps("drawing the figures")
        figures = figures_of(found)
        trouble = write_figures(folder / "figures", figures)
        if trouble:
            steps(trouble)
        for each in found.judged:
            source_overlay(found, each).save(folder / "figures" / f"{slug(each)}-source.png")
        write_json(folder / "explain.json", numbers(found))
        (folder / "explain.html").write_text(page(found, figures), encoding="utf-8", errors="replace")
        return _summary(found, arguments.out)

    return write_report(arguments, options, attributes, fill)


def _look(asked: Asked, method: str, quick: bool, steps: Steps) -> Explained:
    steps("asking the model and keeping where it looked")
    seen = look_inside(asked.pipeline, asked.reading, asked.prompt, gradients=True, neutral=True)
    judged = judged_maps(
        asked.pipeline,
        asked.reading,
        asked.prompt,
        seen,
        method=method,
        steps=QUICK_STEPS if quick else STEPS,
        draws=0 if quick else DRAWS,
        report=steps,
    )
    found = Explained(asked, seen, judged, method, [], steps.seconds)
    return found._replace(shown=most_looked_at(seen, found.word_method))


def _summary(found: Explained, out: Path) -> str:
    """The answer and the verdicts, for a terminal."""
    seen = found.seen
    answer = f"{seen.label} ({seen.scores[seen.label]:.1%})" if seen.label else seen.text
    lines = [f"{found.asked.path}: {answer}", better(found)]
    lines += [f"  {each.name:<24} {each.faithfulness.verdict}" for each in found.judged if each.faithfulness]
    return "\n".join([*lines, f"page: {out / 'explain.html'}"])
