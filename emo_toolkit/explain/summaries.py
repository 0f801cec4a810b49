"""AttributeEffects of many pictures -> how often a told word counts, how large effects are beside the noise floor.

One flat row of numbers a picture, which JSON keeps -> EffectsSummary.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from ..errors import EmoError
from ..schema import AttributeEffects, EffectsSummary
from ..statistics import mean_intervals

SIZES = ("any_counts", "size", "change_size", "floor")


def measures_of(effects: AttributeEffects) -> dict[str, float]:
    """What one picture adds to the summary: `SIZES`, and of each word ("race=Asian") whether it counts."""
    found = {
        "any_counts": float(effects.counts.any()),
        "size": float(np.abs(effects.effects).mean()),
        "change_size": float(np.abs(effects.change_effects).mean()),
        "floor": float(effects.floor.mean()),
    }
    words = zip(effects.values, effects.counts.any(1), strict=True)
    return found | {f"{name}={word}": float(counts) for (name, word), counts in words}


def summarise_effects(rows: Sequence[Mapping[str, float]], *, seed: int = 0) -> EffectsSummary:
    """Means over pictures with bootstrap intervals.

    Args:
        rows: `measures_of` each picture.
        seed: of resampling.

    Raises:
        EmoError: no picture.
    """
    if not rows:
        raise EmoError("no picture with a usable face was given; nothing can be said about attribute effects")
    table = np.array([[row[name] for name in SIZES] for row in rows])
    bounds = mean_intervals(table, np.random.default_rng(seed)).tolist()
    words = [name for name in rows[0] if name not in SIZES]
    return EffectsSummary(
        n=len(rows),
        **dict(zip(SIZES, table.mean(0).tolist(), strict=True)),
        **{f"{name}_interval": (low, high) for name, (low, high) in zip(SIZES, bounds, strict=True)},
        words={name: float(np.mean([row[name] for row in rows])) for name in words},
    )
