"""A map, and the map of the same model with shuffled weights: alike maps are not about what the model learned.

Sanity checks for saliency maps, Adebayo et al. (2018).
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ..model import EmoLlamaForConditionalGeneration
from ..pipeline import EmoPipeline, Reading
from ..schema import EmoPrompt, RandomisationCheck
from ..statistics import mean_intervals

FACE, LANGUAGE = "face_info_mining", "language_model.layers"  # the parts whose attention is shown
DRAWS = 5
ALIKE, UNLIKE = 0.7, 0.5  # correlations: half the variance is the same, only a quarter is

MakeMap = Callable[[EmoPipeline, Reading, EmoPrompt], np.ndarray]
MakeMaps = Callable[[EmoPipeline, Reading, EmoPrompt], Mapping[str, np.ndarray]]


def randomisation_check(
    pipeline: EmoPipeline,
    reading: Reading,
    prompt: EmoPrompt,
    make_map: MakeMap,
    *,
    parts: Sequence[str] = (FACE, LANGUAGE),
    draws: int = DRAWS,
    seed: int = 0,
) -> RandomisationCheck:
    """How alike a map stays when weights are shuffled, in copies; the pipeline's own model is not touched.

    Args:
        pipeline, reading, prompt: as for `EmoPipeline.answer`.
        make_map: makes the map, any shape, from these three.
        parts: names of modules, shuffled together. FACE alone and then FACE and LANGUAGE make a cascade.
        draws: shuffled models, at least 2; seed: of the shuffles.

    Raises:
        ValueError: a part without weights, or fewer than two draws.
    """

    def make_maps(*asked: Any) -> dict[str, np.ndarray]:
        return {"map": make_map(*asked)}

    return randomisation_checks(pipeline, reading, prompt, make_maps, parts=parts, draws=draws, seed=seed)["map"]


def randomisation_checks(
    pipeline: EmoPipeline,
    reading: Reading,
    prompt: EmoPrompt,
    make_maps: MakeMaps,
    *,
    parts: Sequence[str] = (FACE, LANGUAGE),
    draws: int = DRAWS,
    seed: int = 0,
) -> dict[str, RandomisationCheck]:
    """`randomisation_check` of several named maps that are made together, with the same shuffled models for all."""
    if draws < 2:
        raise ValueError(f"{draws} draws give no interval; take at least 2")
    trained = make_maps(pipeline, reading, prompt)
    correlations: dict[str, list[float]] = {name: [] for name in trained}
    for draw in range(draws):
        model = shuffled(pipeline.model, parts, torch.Generator().manual_seed(seed + draw))
        twin = EmoPipeline(replace(pipeline.checkpoint, model=model), pipeline.extractor)
        for name, values in make_maps(twin, reading, prompt).items():
            correlations[name].append(spearman(trained[name], values))
    return {name: _weighed(parts, np.array(found), seed) for name, found in correlations.items()}


def _weighed(parts: Sequence[str], found: np.ndarray, seed: int) -> RandomisationCheck:
    low, high = map(float, mean_intervals(found, np.random.default_rng(seed)))
    if low > ALIKE:
        verdict = "The map stays when the weights are random: it is not about what the model learned."
    elif high < UNLIKE:
        verdict = "The map changes with the weights, as a map of what the model learned should."
    else:
        verdict = "The map changes only in part with the weights: much of it comes from the layout alone."
    return RandomisationCheck(tuple(parts), found, float(found.mean()), (low, high), verdict)


def shuffled(
    model: EmoLlamaForConditionalGeneration, parts: Sequence[str], generator: torch.Generator
) -> EmoLlamaForConditionalGeneration:
    """A copy in which every weight tensor of `parts` has its values in random places; all others are shared.

    Shuffled rather than drawn anew, so that scales and gates stay and only what was learned goes.
    """
    inside = tuple(f"{part}." for part in parts)
    chosen = {name for name, _ in model.named_parameters() if name.startswith(inside)}
    for part in inside:
        if not any(name.startswith(part) for name in chosen):
            raise ValueError(f"the model has no weights in '{part[:-1]}'")
    shared = [value for name, value in model.named_parameters() if name not in chosen]
    twin = copy.deepcopy(model, {id(value): value for value in [*shared, *model.buffers()]})
    with torch.no_grad():
        for name, value in twin.named_parameters():
            if name in chosen:
                places = torch.randperm(value.numel(), generator=generator).to(value.device)
                value.copy_(value.flatten()[places].view_as(value))
    return twin


def spearman(one: np.ndarray, other: np.ndarray) -> float:
    """Rank correlation of two arrays of one shape; equal values share their mean rank, a constant array gives 0."""
    ranks = []
    for values in (one, other):
        _, place, count = np.unique(np.asarray(values, float), return_inverse=True, return_counts=True)
        ranks.append((np.cumsum(count) - (count - 1) / 2)[place.ravel()])
    if min(np.ptp(each) for each in ranks) == 0:
        return 0.0
    return float(np.corrcoef(*ranks)[0, 1])
