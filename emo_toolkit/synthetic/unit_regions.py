"""Action units of a drawn face -> which of the nine regions of its landmarks move, so that a map can be held to it."""

import numpy as np

from ..schema import FACE_REGIONS, FaceTruth
from .action_units import VISIBLE_FROM, by_side

BROWS, EYES = ("brow",), ("eye",)  # of the side that moves
LIPS = ("outer lips", "inner lips")
# What moves when a unit acts: Ekman, Friesen & Hager, Facial Action Coding System: the manual (2002), "appearance
# changes", reduced by us to what carries landmarks. Cheeks, chin boss and neck carry none: AU6 is its eye, AU17 its
# lower lip, AU34 the cheeks' outline, which belongs to the jaw line, and AU21 has no region here.
UNIT_REGIONS: dict[str, tuple[str, ...]] = {
    "AU1": BROWS,
    "AU2": BROWS,
    "AU4": BROWS,
    "AU5": EYES,
    "AU6": EYES,
    "AU7": EYES,
    "AU9": (*BROWS, "nose bridge", "nostrils"),
    "AU10": ("nostrils", *LIPS),
    "AU12": LIPS,
    "AU14": LIPS,
    "AU15": LIPS,
    "AU16": LIPS,
    "AU17": LIPS,
    "AU18": LIPS,
    "AU20": LIPS,
    "AU21": (),
    "AU22": LIPS,
    "AU23": LIPS,
    "AU24": LIPS,
    "AU25": LIPS,
    "AU26": ("jaw", *LIPS),
    "AU27": ("jaw", *LIPS),
    "AU28": LIPS,
    "AU34": ("jaw",),
    "AU38": ("nostrils",),
    "AU43": EYES,
}
SEEN = 0.5  # a region is judged if at least so much of its landmarks can be seen


def regions_of(unit: str, side: str) -> tuple[str, ...]:
    """Names of `FACE_REGIONS` that a unit ("AU4") moves on the person's own "left" or "right"."""
    return tuple(f"{side} {part}" if part in (*BROWS, *EYES) else part for part in UNIT_REGIONS[unit])


def moving_regions(truth: FaceTruth) -> np.ndarray:
    """(9,) in the order of `FACE_REGIONS`: 1 a visible unit moves it, 0 none does, NaN it is hidden in the picture."""
    moving = {
        region
        for (unit, side), value in by_side(truth.action_units).items()
        if value >= VISIBLE_FROM
        for region in regions_of(unit, side)
    }
    return np.array(
        [
            float(name in moving) if truth.visible[points.start : points.stop].mean() >= SEEN else np.nan
            for name, points in FACE_REGIONS.items()
        ]
    )
