"""What is known of a face -> the group that it belongs to, under each key: age, gender, pose, strength, ..."""

from bisect import bisect_right

from ..labels import age_group
from ..schema import FaceAttributes, FaceTruth

YAW = {0: "0-10", 10: "10-20", 20: "20-30", 30: "30-45", 45: "45+"}  # degrees, to either side
STRENGTH = {0: "0-30 %", 30: "30-60 %", 60: "60-80 %", 80: "80-100 %"}  # of the prototype's action units


def true_groups(truth: FaceTruth) -> dict[str, str | None]:
    """The groups of a drawn face, exactly. A face on which nothing moves has no intensity."""
    return {
        "age": age_group(truth.age),
        "gender": truth.gender,
        "race": truth.race,
        "yaw": _bin(YAW, abs(truth.yaw)),
        "intensity": _bin(STRENGTH, 100 * truth.intensity) if truth.action_units else None,
        "factor": truth.factor,
    }


def estimated_groups(attributes: FaceAttributes) -> dict[str, str | None]:
    """The groups of a real face as a net estimates them: age and gender. Race is never estimated."""
    return {"age": attributes.age, "gender": attributes.gender}


def _bin(bins: dict[int, str], value: float) -> str:
    return list(bins.values())[bisect_right(list(bins), value) - 1]
