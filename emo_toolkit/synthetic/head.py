"""Identity x action units -> vertices: MakeHuman's shapes bent by its and ARKit's face units.

Identity -> macro and detail targets -> neutral head (V, 3); action units -> face units -> the same head in motion.
"""

import numpy as np

from ..errors import EmoError
from .action_units import by_side
from .pack import FacePack
from .specs import Identity

MACRO = {"Black": "african", "Asian": "asian", "White": "caucasian"}  # MakeHuman's words for RENDERED_RACES

# Action unit -> (face unit, gain). "*" stands for the side; "mh:" is one of MakeHuman's own units.
# The gains are ours, set by eye so that intensity 1 is FACS "E, maximum" and no unit tears the mesh.
FACE_UNITS: dict[str, tuple[tuple[str, float], ...]] = {
    "AU1": (("browInnerUp", 2.1),),
    "AU2": (("browOuterUp*", 1.5),),
    "AU4": (("browDown*", 2.0), ("mh:eyebrows-*-down", 0.7)),
    "AU5": (("eyeWide*", 1.6),),
    "AU6": (("cheekSquint*", 1.5), ("eyeSquint*", 0.55)),
    "AU7": (("eyeSquint*", 1.2),),
    "AU9": (("noseSneer*", 1.9), ("mh:nose-compression", 1.0)),
    "AU10": (("mouthUpperUp*", 1.45),),
    "AU12": (("mouthSmile*", 1.28), ("cheekSquint*", 0.25)),
    "AU14": (("mouthDimple*", 1.5),),
    "AU15": (("mouthFrown*", 1.8),),
    "AU16": (("mouthLowerDown*", 1.4),),
    "AU17": (("mouthShrugLower", 1.4), ("mouthShrugUpper", 0.65)),
    "AU18": (("mouthPucker", 1.4),),
    "AU20": (("mouthStretch*", 1.7), ("mouthFrown*", 0.35)),
    "AU21": (("mh:neck-platysma", 1.5),),
    "AU22": (("mouthFunnel", 1.35),),
    "AU23": (("mouthPucker", 0.55), ("mouthRollLower", 0.5), ("mouthRollUpper", 0.5), ("mouthFrown*", 0.3)),
    "AU24": (("mouthPress*", 0.6), ("mouthRollLower", 0.4), ("mouthRollUpper", 0.4), ("mouthFrown*", 0.4)),
    "AU25": (("mouthLowerDown*", 0.6), ("mouthUpperUp*", 0.6), ("jawOpen", 0.08)),
    "AU26": (("jawOpen", 0.55),),
    "AU27": (("jawOpen", 1.15),),
    "AU28": (("mouthRollLower", 1.2), ("mouthRollUpper", 1.2)),
    "AU34": (("cheekPuff", 1.2),),
    "AU38": (("mh:nose-*-dilatation", 1.5),),
    "AU43": (("eyeBlink*", 1.04),),
}
# The base mesh at rest looks stern: a little of these makes neutral read as neutral. Ours, set by eye and by two nets.
REST = {
    "arkit/browInnerUp": 0.2,
    "arkit/browDownLeft": -0.35,
    "arkit/browDownRight": -0.35,
    "arkit/mouthSmileLeft": 0.04,
    "arkit/mouthSmileRight": 0.04,
}


class Head:
    """The morphable head of one asset pack."""

    def __init__(self, pack: FacePack) -> None:
        self.pack = pack
        self._width = self._eye_distance(pack.vertices)

    def neutral(self, identity: Identity) -> np.ndarray:
        """The head at rest, (V, 3) float32 in decimetres: x to the person's left, y up, z forward."""
        return self.pack.vertices + self.pack.blend(macro_weights(identity) | REST | identity.shape)

    def moved(self, identity: Identity, action_units: dict[str, float], neutral: np.ndarray) -> np.ndarray:
        """`neutral` with the action units done, (V, 3). A smaller head moves by less."""
        return neutral + self.scale(neutral) * self.pack.blend(face_unit_weights(identity, action_units))

    def scale(self, neutral: np.ndarray) -> np.float32:
        """Size of a head against the base mesh, by the distance between its eyes."""
        return np.float32(self._eye_distance(neutral) / self._width)

    def eyes(self, neutral: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Centres (2, 3) and radii (2,) of the left and right eyeball, by least squares over the eye vertices."""
        fits = [_sphere(neutral[self.pack.eye_vertices[side]]) for side in ("left", "right")]
        return np.stack([centre for centre, _ in fits]), np.array([radius for _, radius in fits])

    def _eye_distance(self, vertices: np.ndarray) -> float:
        left, right = (vertices[self.pack.eye_vertices[side]].mean(0) for side in ("left", "right"))
        return float(np.linalg.norm(left - right))


def macro_weights(identity: Identity) -> dict[str, float]:
    """MakeHuman's macro targets: age is 1 year at 0, 12 at 0.1875, 25 at 0.5 and 90 at 1; products of the shares.

    MakeHuman says 10 years at 0.1875; its child looks older than that, so ours is 12.
    """
    at = np.interp(identity.age, (1, 12, 25, 90), (0, 0.1875, 0.5, 1))
    knots = {"baby": 0, "child": 0.1875, "young": 0.5, "old": 1}
    ages = {name: _tent(at, knot, list(knots.values())) for name, knot in knots.items()}
    muscles = {f"{name}muscle": _tent(identity.muscle, k, [0, 0.5, 1]) for name, k in _BUILD}
    weights = {f"{name}weight": _tent(identity.weight, k, [0, 0.5, 1]) for name, k in _BUILD}
    gender = identity.gender
    found = {}
    for age, share in ages.items():
        for race, part in identity.mix.items():
            found[f"macro/{MACRO[race]}-{gender}-{age}"] = part * share
        for muscle, m in muscles.items():
            for weight, w in weights.items():
                found[f"macro/universal-{gender}-{age}-{muscle}-{weight}"] = share * m * w
    return {name: value for name, value in found.items() if value}


def face_unit_weights(identity: Identity, action_units: dict[str, float]) -> dict[str, float]:
    """Action units ("AU12", "L12") -> targets of the pack with their weights.

    Raises:
        EmoError: for a code that is no action unit of the house, or an intensity outside 0..1.
    """
    for code, intensity in action_units.items():
        if not 0 <= intensity <= 1:
            raise EmoError(f"the intensity of {code} is {intensity}; it must lie in 0..1")
    sided = by_side(action_units)
    lifted = max((value for (base, _), value in sided.items() if base == "AU1"), default=0.0)
    found: dict[str, float] = {}
    for (base, side), intensity in sided.items():
        if base == "AU4":  # against a lifted inner brow the corrugator draws the brows together and cannot lower them
            intensity *= 1 - 0.55 * lifted
        for unit, gain in FACE_UNITS[base]:
            half = 1.0 if "*" in unit else 0.5  # a unit without sides moves by half for each side
            for name, share in _targets(unit, side, identity):
                found[name] = found.get(name, 0.0) + share * gain * intensity * half
    return found


_BUILD = (("min", 0.0), ("average", 0.5), ("max", 1.0))


def _targets(unit: str, side: str, identity: Identity) -> list[tuple[str, float]]:
    if unit.startswith("mh:"):
        name = unit[3:].replace("*", side)
        return [(f"mhexpr/{MACRO[race]}/{name}", share) for race, share in identity.mix.items() if share]
    return [("arkit/" + unit.replace("*", side.capitalize()), 1.0)]


def _tent(value: float, knot: float, knots: list[float]) -> float:
    """1 at `knot`, falling to 0 at its neighbours."""
    return float(np.interp(value, knots, [float(k == knot) for k in knots]))


def _sphere(points: np.ndarray) -> tuple[np.ndarray, float]:
    system = np.column_stack([2 * points, np.ones(len(points))])
    solution, *_ = np.linalg.lstsq(system.astype(np.float64), (points.astype(np.float64) ** 2).sum(1), rcond=None)
    centre = solution[:3]
    return centre, float(np.sqrt(solution[3] + centre @ centre))
