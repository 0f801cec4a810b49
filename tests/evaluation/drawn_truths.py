"""Truths of faces that nobody rendered: three by hand, and any number from the sampler."""

import numpy as np

from emo_toolkit.schema import FaceTruth
from emo_toolkit.synthetic import sample_expression


def face(label: str, units: dict[str, float], second: str | None = None) -> FaceTruth:
    return FaceTruth(
        **{"label": label, "action_units": units, "second": second, "identity": 1, "seed": 1},
        **{"age": 30.0, "gender": "female", "race": "Black"},
        **dict.fromkeys(("yaw", "pitch", "roll", "valence", "arousal"), 0.0),
        landmarks=np.zeros((68, 2), np.float32),
        visible=np.ones(68, bool),
    )


def faces(count: int) -> list[FaceTruth]:
    drawn = [
        sample_expression(seed, factor=("ordinary", "compound", "low_intensity")[seed % 3]) for seed in range(count)
    ]
    return [face(each.label, each.action_units, each.second) for each in drawn]


SMILE = face("happiness", {"AU6": 0.8, "AU12": 0.9})
SMIRK = face("contempt", {"L12": 0.5, "L14": 0.8})
CALM = face("neutral", {})
