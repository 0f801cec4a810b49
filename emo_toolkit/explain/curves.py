"""Maps -> orders of patches -> masks -> log-odds while patches are hidden or shown: one call for all maps together."""

from collections.abc import Sequence

import numpy as np

from ..schema import MaskingCurves
from .masking import Score


def masking_curves(score: Score, maps: Sequence[np.ndarray], *, steps: int, rng: np.random.Generator) -> MaskingCurves:
    """The (M, S + 1) curves of M maps, most salient patches first; `score` is asked once.

    Args:
        score: masks (n, F, side, side) bool, True is shown, -> n log-odds.
        maps: M arrays (F, side, side).
        steps: S, 1 to as many as there are patches.
        rng: puts equal patches in random order.

    Raises:
        ValueError: as `as_map` does; maps of unlike shapes, or steps that are too many for their patches.
    """
    values = np.stack([as_map(each) for each in maps])
    shape = values.shape[1:]
    patches = values[0].size
    if not 1 <= steps <= patches:
        raise ValueError(f"{steps} steps for {patches} patches; take at least 1 and at most {patches}")
    ranks = np.argsort([np.lexsort([rng.random(patches), -each.ravel()]) for each in values], axis=1)  # (M, patches)
    touched = np.rint(np.linspace(0, patches, steps + 1)).astype(int)
    first = ranks[:, None] < touched[:, None]  # (M, S + 1, patches)
    masks = np.stack([~first, first])
    deletion, insertion = np.asarray(score(masks.reshape(-1, *shape)), float).reshape(masks.shape[:-1])
    return MaskingCurves(deletion, insertion)


def as_map(values: np.ndarray) -> np.ndarray:
    """The values as a map (F, side, side) of floats. Raises ValueError for another shape, or values not finite."""
    values = np.asarray(values, float)
    if values.ndim != 3 or values.shape[1] != values.shape[2] or not np.isfinite(values).all():
        raise ValueError(f"a map has the shape (frames, side, side) and finite values; this one has {values.shape}")
    return values


def centre_map(shape: tuple[int, ...]) -> np.ndarray:
    """(F, side, side), the nearer to the centre the larger."""
    squares = (np.arange(shape[1]) - (shape[1] - 1) / 2) ** 2
    return np.broadcast_to(-(squares[:, None] + squares), shape)


def moved_copy(saliency: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The map elsewhere: frames shuffled, and each one mirrored or not, turned, and shifted over the edges."""
    moved = []
    for frame in rng.permutation(saliency):
        turned = np.rot90(frame.T if rng.random() < 0.5 else frame, rng.integers(4))
        moved.append(np.roll(turned, rng.integers(len(frame), size=2), axis=(0, 1)))
    return np.stack(moved)
