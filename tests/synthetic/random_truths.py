"""Truths of faces that nobody rendered: prototypes, compounds, weak and strong, with stray units on one side."""

import random

import numpy as np

from emo_toolkit.schema import FaceTruth
from emo_toolkit.synthetic.action_units import COMPOUNDS, PROTOTYPES, VISIBLE_FROM, by_side, valence_arousal

STRAY = ("AU43", "L1", "R6", "L43", "AU38", "R10", "L24", "AU34", "AU18", "AU21", "AU28", "R4")


def truth_of(label: str, units: dict[str, float], *, second: str | None = None, yaw: float = 0, pitch: float = 0):
    valence, arousal = valence_arousal(units)
    return FaceTruth(
        label=label,
        action_units=units,
        age=30.0,
        gender="female",
        race="Black",
        yaw=yaw,
        pitch=pitch,
        roll=0.0,
        valence=valence,
        arousal=arousal,
        landmarks=np.zeros((68, 2), np.float32),
        visible=np.ones(68, bool),
        identity=1,
        seed=1,
        second=second,
    )


def random_truth(rng: random.Random) -> FaceTruth:
    second = None
    if rng.random() < 0.25:
        (label, second), variants = rng.choice(list(COMPOUNDS.items()))
    else:
        label, variants = rng.choice(list(PROTOTYPES.items()))
    strength = rng.choice((rng.uniform(0.1, 0.4), rng.uniform(0.5, 1.05)))
    units = {code: min(1.0, v * strength * rng.uniform(0.85, 1.15)) for code, v in rng.choice(variants).items()}
    if rng.random() < 0.3:
        units[rng.choice(STRAY)] = rng.random()
    return truth_of(label, units, second=second, yaw=rng.uniform(-40, 40), pitch=rng.uniform(-25, 25))


def visible(truth: FaceTruth) -> set[str]:
    """The units that either side shows."""
    return {unit for (unit, _), value in by_side(truth.action_units).items() if value >= VISIBLE_FROM}
