"""One picture -> one row of plain numbers: what every kind of map earns on it when parts of the face are hidden.

All maps share one look and one set of masked pictures, few of them: the intervals come from many pictures.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..pipeline import EmoPipeline, Reading
from ..schema import EmoPrompt, FaceAttention
from .attention import look_inside
from .curves import centre_map, masking_curves, moved_copy
from .judging import ALL, chosen_maps
from .maps import VIEWS, region_clues, region_values
from .masking import Score, masked_score
from .randomisation import randomisation_checks

STEPS = 3  # 4 pictures a map beside the whole face and none of it
ANSWER_TOKENS = 16  # an answer is one of the options
DRAWS = 2
CLUES = "landmark clues"  # the clue queries' weights on landmarks themselves, not followed to patches
Row = dict[str, Any]


def score_maps(
    pipeline: EmoPipeline,
    reading: Reading,
    prompt: EmoPrompt,
    *,
    scorer: EmoPipeline | None = None,
    steps: int = STEPS,
    draws: int = 0,
    seed: int = 0,
) -> Row:
    """The row of one reading, for `summarise_maps`: plain JSON.

    Args:
        pipeline, reading, prompt: as for `EmoPipeline.answer`; the prompt has at least two options.
        scorer: the same model in another number format, which reads the masked pictures; maps are made by `pipeline`.
        steps: of a curve.
        draws: shuffled models, at least 2, or 0 for no such check (`DRAWS` is enough for several pictures).
        seed: of moves, ties and shuffles.

    Raises:
        EmoError: for a reading without a usable face.
    """
    seen = look(pipeline, reading, prompt)
    score = masked_score(scorer or pipeline, reading, prompt, seen.label)
    row = {"label": seen.label} | areas(score, named_maps(seen), steps=steps, seed=seed)
    row["regions"] = region_table(seen)
    if draws:

        def make_maps(*asked: Any) -> dict[str, np.ndarray]:
            return named_maps(seen if asked[0] is pipeline else look(*asked))

        checks = randomisation_checks(pipeline, reading, prompt, make_maps, draws=draws, seed=seed)
        row["alike"] = {name: check.mean for name, check in checks.items()}
    return row


def look(pipeline: EmoPipeline, reading: Reading, prompt: EmoPrompt) -> FaceAttention:
    """The look that has data for every method."""
    return look_inside(pipeline, reading, prompt, max_new_tokens=ANSWER_TOKENS, gradients=True, neutral=True)


def named_maps(seen: FaceAttention) -> dict[str, np.ndarray]:
    """The map (F, side, side) of every view by every method, by its name such as "word, raw"."""
    side = round(seen.context.shape[1] ** 0.5)
    return {each.name: each.values.reshape(-1, side, side) for each in chosen_maps(seen, ALL)}


def region_table(seen: FaceAttention) -> dict[str, list[float]]:
    """The values of the nine regions in every map, mean over frames; and the clue queries' own weights of them."""
    found = {each.name: region_values(seen, each.values) for each in chosen_maps(seen, ALL)}
    for method in VIEWS["local_clues"]:
        found[f"{CLUES}, {method}"] = region_clues(seen, method=method)
    return {name: values.mean(0).tolist() for name, values in found.items()}


def areas(score: Score, maps: Mapping[str, np.ndarray], *, steps: int = STEPS, seed: int = 0) -> Row:
    """Areas of the maps, of a centre guess, and of one moved copy a view, of a method by chance; one call of `score`.

    Args:
        score: as for `masking_curves`.
        maps: names "view, method" and maps (F, side, side).
        steps, seed: as for `score_maps`.

    Returns:
        "areas" and "copies" by name of map and of view, "centre", and "whole": what hiding everything takes.
    """
    rng = np.random.default_rng(seed)
    views: dict[str, list[np.ndarray]] = {}
    for name, values in maps.items():
        views.setdefault(view_of(name), []).append(values)
    copies = [moved_copy(known[rng.integers(len(known))], rng) for known in views.values()]
    orders = [*maps.values(), centre_map(copies[0].shape), *copies]
    curves = masking_curves(score, orders, steps=steps, rng=rng)
    found = curves.area.tolist()
    count = len(maps)
    return {
        "areas": dict(zip(maps, found[:count], strict=True)),
        "centre": found[count],
        "copies": dict(zip(views, found[count + 1 :], strict=True)),
        "whole": float(curves.deletion[0, 0] - curves.deletion[0, -1]),
    }


def view_of(name: str) -> str:
    """ "word, raw" -> "word"."""
    return name.split(", ")[0]
