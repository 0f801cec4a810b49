"""One look -> the map of every view, each with what speaks for and against it: masking, and shuffled weights.

All maps share one `masked_score` and one set of shuffled models, so that the next map costs less than the first.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from ..pipeline import EmoPipeline, Reading
from ..schema import EmoPrompt, FaceAttention, Faithfulness, RandomisationCheck
from .attention import look_inside
from .faithfulness import RANDOMS, STEPS, judge
from .maps import VIEWS, methods, patch_map
from .masking import masked_score
from .randomisation import DRAWS, randomisation_checks

ALL = "all"
METHODS = tuple(dict.fromkeys(method for known in VIEWS.values() for method in known))
TWIN_TOKENS = 4  # that a shuffled model writes: its text means nothing, but the map of words needs some


class JudgedMap(NamedTuple):
    """A view's map (F, P) by one method. `faithfulness` is None where no options were asked, `randomisation` where no
    models were shuffled."""

    view: str
    method: str
    values: np.ndarray
    faithfulness: Faithfulness | None = None
    randomisation: RandomisationCheck | None = None

    @property
    def name(self) -> str:
        """Such as "word, raw"."""
        return f"{self.view.replace('_', ' ')}, {self.method}"


def judged_maps(
    pipeline: EmoPipeline,
    reading: Reading,
    prompt: EmoPrompt,
    seen: FaceAttention,
    *,
    method: str = "raw",
    steps: int = STEPS,
    randoms: int = RANDOMS,
    draws: int = DRAWS,
    report: Callable[[str], None] = lambda what: None,
) -> list[JudgedMap]:
    """Every view's map by a method, judged.

    Args:
        pipeline, reading, prompt: what `seen` was made from.
        seen: the look.
        method: one of `METHODS`, where a view lacks it "raw"; or "all", every method that the look has data for.
        steps, randoms: as for `judge`.
        draws: shuffled models, as for `randomisation_check`; 0 leaves that check out.
        report: called with what is being done.

    Raises:
        ValueError: another method, or one that the look has no data for; as `masked_score` and `judge` do.
    """
    made = chosen_maps(seen, method)
    checks: Mapping[str, RandomisationCheck] = {}
    if draws:
        report(f"shuffling the model's weights, {draws} times")
        used = {each.method for each in made}
        needs = {"gradients": "gradient" in used, "neutral": "relative" in used, "max_new_tokens": TWIN_TOKENS}

        def make_maps(asked: EmoPipeline, reading: Reading, prompt: EmoPrompt) -> dict[str, np.ndarray]:
            look = seen if asked is pipeline else look_inside(asked, reading, prompt, **needs)
            return {each.name: patch_map(look, each.view, method=each.method) for each in made}

        checks = randomisation_checks(pipeline, reading, prompt, make_maps, draws=draws)
    score = masked_score(pipeline, reading, prompt, seen.label) if seen.label else None
    judged = []
    for number, each in enumerate(made, start=1):
        found = None
        if score is not None:
            report(f"hiding parts of the face, map {number} of {len(made)}: {each.name}")
            side = round(each.values.shape[1] ** 0.5)
            squares = each.values.reshape(-1, side, side)
            found = judge(score, squares, label=seen.label, steps=steps, randoms=randoms)
        judged.append(each._replace(faithfulness=found, randomisation=checks.get(each.name)))
    return judged


def chosen_maps(seen: FaceAttention, method: str) -> list[JudgedMap]:
    """The maps of `judged_maps`, not judged yet."""
    if method not in (ALL, *METHODS):
        raise ValueError(f"there is no method '{method}'; choose one of {', '.join((*METHODS, ALL))}")
    chosen = []
    for view, known in VIEWS.items():
        wanted = methods(seen, view) if method == ALL else [method if method in known else "raw"]
        chosen += [JudgedMap(view, each, patch_map(seen, view, method=each)) for each in wanted]
    return chosen
