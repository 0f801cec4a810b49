"""Action units -> the emotion that they stand for by convention, where they resemble one of its prototypes."""

import numpy as np

from .action_units import ACTION_UNITS, COMPOUNDS, PROTOTYPES, VISIBLE_FROM, by_side

FITS = 0.85  # cosine with the prototype from which a face counts as one; ours, EMFACS's tables give units only
_SIDES = [(code, side) for code in ACTION_UNITS for side in ("left", "right")]


def conventional(action_units: dict[str, float]) -> tuple[str, str | None] | None:
    """The label of the prototype or compound that a face resembles most, or None where it resembles none.

    Args:
        action_units: FACS codes with intensity 0..1, one-sided codes included; what is not visible counts as absent.

    Returns:
        (label, second label of a compound or None); ("neutral", None) where nothing is visible.

    Raises:
        EmoError: for a code that is drawn nowhere.
    """
    face = _vector(action_units)
    face = np.where(face >= VISIBLE_FROM, face, 0)
    if not face.any():
        return "neutral", None
    likeness = _PATTERNS @ face / np.linalg.norm(face)
    return _NAMES[likeness.argmax()] if likeness.max() >= FITS else None


def _vector(action_units: dict[str, float]) -> np.ndarray:
    found = by_side(action_units)
    return np.array([found.get(key, 0.0) for key in _SIDES])


_KNOWN = [((label, None), units) for label in PROTOTYPES for units in PROTOTYPES[label] if units]
_KNOWN += [(pair, units) for pair in COMPOUNDS for units in COMPOUNDS[pair]]
_NAMES = [name for name, _ in _KNOWN]
_PATTERNS = np.array([_vector(units) / np.linalg.norm(_vector(units)) for _, units in _KNOWN])
