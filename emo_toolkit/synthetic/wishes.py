"""What somebody wishes to see -> a checked FaceWish -> its recipe; what was drawn -> words and data.

action units, person, pose, light, from any program or slider -> FaceWish -> FaceSpec; DrawnFace -> caption, JSON.
"""

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..errors import EmoError
from .action_units import ACTION_UNITS, intensity_letter, intensity_word, split_code
from .captions import conversation, movements
from .convention import conventional
from .renderer import DrawnFace
from .sampler import sample_identity, sample_scene
from .specs import Expression, FaceSpec

BACKDROP = 60  # seed of the calm studio scene behind every face
RANGES = {  # what a wish may hold: lowest, highest
    "age": (4, 85),  # years
    "person": (0, 99_999),  # seed
    "yaw": (-60, 60),  # degrees, as the viewer sees them
    "pitch": (-30, 30),
    "roll": (-30, 30),
    "light": (-75, 75),  # degrees; negative is from the viewer's left
    "height": (5, 65),  # degrees of the light above the face
    "brightness": (0.6, 1.4),
}


@dataclass(frozen=True)
class FaceWish:
    """One face to draw, checked and hashable. The defaults are the face that the view begins with."""

    units: tuple[tuple[str, float], ...] = ()  # FACS code, intensity above 0
    person: int = 531
    age: float = 35
    gender: str = "female"
    race: str = "Black"
    yaw: float = 0
    pitch: float = 0
    roll: float = 0
    light: float = 32
    height: float = 32
    brightness: float = 1.0

    @property
    def spec(self) -> FaceSpec:
        """The whole recipe. Where no convention names the units, its label is "neutral" and means nothing."""
        label, second = conventional(dict(self.units)) or ("neutral", None)
        scene = sample_scene(BACKDROP, frontal=True)
        scene = replace(
            scene,
            yaw=self.yaw,
            pitch=self.pitch,
            roll=self.roll,
            light=(self.light, self.height),
            exposure=scene.exposure * self.brightness,
        )
        person = sample_identity(self.person, age=self.age, gender=self.gender, race=self.race)
        return FaceSpec(person, Expression(label, dict(self.units), second), scene, seed=self.person)


def make_wish(action_units: Any, **traits: Any) -> FaceWish:
    """A wish from anything that a visitor or a program sent.

    Args:
        action_units: {"AU12": 0.8, "L14": 0.5}; intensities 0..1, and 0 is left out.
        traits: other fields of FaceWish.

    Raises:
        EmoError: something is no number, out of range, or a code or word that cannot be drawn.
    """
    if not isinstance(action_units, Mapping):
        raise EmoError('action units are an object with FACS codes and intensities, such as {"AU12": 0.8}')
    units = {}
    for code, value in action_units.items():
        split_code(code)
        units[code] = _number(f"the intensity of {code}", value, 0, 1)
    for name, (low, high) in RANGES.items():
        if name in traits:
            traits[name] = _number(f"the value of {name}", traits[name], low, high)
    for name in ("gender", "race"):
        if not isinstance(traits.get(name, ""), str):
            raise EmoError(f"the {name} must be a word")
    if "person" in traits:
        traits["person"] = int(traits["person"])
    return with_units(FaceWish(**traits), units)


def with_units(wish: FaceWish, action_units: Mapping[str, float]) -> FaceWish:
    """The same person and scene with these action units, in the order of FACS."""
    moved = [(code, value) for code, value in action_units.items() if value]
    moved.sort(key=lambda unit: (list(ACTION_UNITS).index(split_code(unit[0])[0]), unit[0]))
    return replace(wish, units=tuple(moved))


def _number(what: str, value: Any, low: float, high: float) -> float:
    usable = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if not (usable and low <= value <= high):
        raise EmoError(f"{what} must be a number from {low} to {high}")
    return float(value)


def caption(wish: FaceWish, face: DrawnFace) -> str:
    """The face in words, always the same ones; it names an emotion only where a convention does."""
    words = random.Random(wish.person)
    if conventional(dict(wish.units)):
        return conversation(face.truth, words)[0].answer
    return movements(face.truth, words)


def truth_data(wish: FaceWish, face: DrawnFace) -> dict[str, Any]:
    """What is exactly known of the face, for JSON."""
    truth, named = face.truth, conventional(dict(wish.units))
    label, second = named or (None, None)
    return {
        "label": label,
        "second": second,
        "convention": "EMFACS prototypes; nobody rated this picture",
        "action_units": [
            {
                "code": code,
                "name": ACTION_UNITS[split_code(code)[0]].name,
                "intensity": round(value, 3),
                "letter": intensity_letter(value),
                "word": intensity_word(value),
            }
            for code, value in wish.units
        ],
        "caption": caption(wish, face),
        "valence": round(truth.valence, 3),
        "arousal": round(truth.arousal, 3),
        **{name: getattr(wish, name) for name in ("person", "age", "gender", "race", "yaw", "pitch", "roll")},
        "landmarks": truth.landmarks.round(1).tolist(),
    }
