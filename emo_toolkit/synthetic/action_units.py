"""FACS: what each action unit is, how strong it counts, which units together stand for which emotion.

Codes follow FACS: "AU12" is both sides, "L12" / "R12" the person's own left or right; intensities are 0..1.
"""

import re
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..errors import EmoError


@dataclass(frozen=True)
class ActionUnit:
    """One action unit. `phrases` are (who, what) pairs that complete "the ... is / are ..."."""

    name: str
    muscle: str
    region: str  # a word of REGIONS
    phrases: tuple[tuple[str, str], ...]


REGIONS = ("brows", "eyes", "cheeks", "nose", "mouth", "neck")

# Names and muscles: Ekman, Friesen & Hager, Facial Action Coding System: the manual (2002). The phrases are ours.
ACTION_UNITS: dict[str, ActionUnit] = {
    "AU1": ActionUnit(
        "Inner brow raiser",
        "frontalis, medial part",
        "brows",
        (("inner brows", "raised"), ("inner ends of the brows", "pulled up"), ("inner eyebrows", "lifted")),
    ),
    "AU2": ActionUnit(
        "Outer brow raiser",
        "frontalis, lateral part",
        "brows",
        (("outer brows", "raised"), ("outer ends of the brows", "pulled up"), ("outer eyebrows", "lifted")),
    ),
    "AU4": ActionUnit(
        "Brow lowerer",
        "corrugator and depressor supercilii",
        "brows",
        (("brows", "lowered and drawn together"), ("eyebrows", "furrowed"), ("brows", "knitted")),
    ),
    "AU5": ActionUnit(
        "Upper lid raiser",
        "levator palpebrae superioris",
        "eyes",
        (("upper lids", "raised"), ("eyes", "widened"), ("upper eyelids", "pulled up")),
    ),
    "AU6": ActionUnit(
        "Cheek raiser",
        "orbicularis oculi, orbital part",
        "cheeks",
        (("cheeks", "raised"), ("cheeks", "lifted towards the eyes"), ("cheeks", "pushed up")),
    ),
    "AU7": ActionUnit(
        "Lid tightener",
        "orbicularis oculi, palpebral part",
        "eyes",
        (("eyelids", "tightened"), ("eyes", "narrowed"), ("lower lids", "tensed")),
    ),
    "AU9": ActionUnit(
        "Nose wrinkler",
        "levator labii superioris alaeque nasi",
        "nose",
        (("nose", "wrinkled"), ("nose", "scrunched up"), ("bridge of the nose", "wrinkled")),
    ),
    "AU10": ActionUnit(
        "Upper lip raiser",
        "levator labii superioris",
        "mouth",
        (("upper lip", "raised"), ("upper lip", "pulled up"), ("upper lip", "lifted")),
    ),
    "AU12": ActionUnit(
        "Lip corner puller",
        "zygomaticus major",
        "mouth",
        (("lip corners", "pulled up"), ("corners of the mouth", "drawn upwards"), ("mouth corners", "raised")),
    ),
    "AU14": ActionUnit(
        "Dimpler",
        "buccinator",
        "mouth",
        (("lip corners", "tightened"), ("corners of the mouth", "tucked in"), ("mouth corners", "dimpled")),
    ),
    "AU15": ActionUnit(
        "Lip corner depressor",
        "depressor anguli oris",
        "mouth",
        (("lip corners", "pulled down"), ("corners of the mouth", "turned down"), ("mouth corners", "lowered")),
    ),
    "AU16": ActionUnit(
        "Lower lip depressor",
        "depressor labii inferioris",
        "mouth",
        (("lower lip", "pulled down"), ("lower lip", "lowered"), ("lower lip", "drawn down")),
    ),
    "AU17": ActionUnit(
        "Chin raiser",
        "mentalis",
        "mouth",
        (("chin", "pushed up"), ("chin", "raised"), ("lower lip", "pushed up")),
    ),
    "AU18": ActionUnit(
        "Lip pucker",
        "incisivii labii",
        "mouth",
        (("lips", "puckered"), ("lips", "pursed"), ("mouth", "puckered")),
    ),
    "AU20": ActionUnit(
        "Lip stretcher",
        "risorius with platysma",
        "mouth",
        (("lips", "stretched sideways"), ("lip corners", "pulled sideways"), ("lips", "stretched")),
    ),
    "AU21": ActionUnit("Neck tightener", "platysma", "neck", (("neck", "tightened"), ("neck", "tensed"))),
    "AU22": ActionUnit(
        "Lip funneler",
        "orbicularis oris",
        "mouth",
        (("lips", "funneled"), ("lips", "pushed out like a funnel"), ("lips", "pushed forward")),
    ),
    "AU23": ActionUnit(
        "Lip tightener",
        "orbicularis oris",
        "mouth",
        (("lips", "tightened"), ("lips", "tensed"), ("lips", "drawn thin")),
    ),
    "AU24": ActionUnit(
        "Lip presser",
        "orbicularis oris",
        "mouth",
        (("lips", "pressed together"), ("lips", "squeezed together"), ("lips", "pressed against each other")),
    ),
    "AU25": ActionUnit(
        "Lips part",
        "depressor labii inferioris, or relaxed mentalis",
        "mouth",
        (("lips", "parted"), ("lips", "opened"), ("lips", "separated")),
    ),
    "AU26": ActionUnit(
        "Jaw drop",
        "relaxed masseter, temporalis and internal pterygoid",
        "mouth",
        (("jaw", "dropped"), ("jaw", "lowered")),
    ),
    "AU27": ActionUnit(
        "Mouth stretch",
        "pterygoids and digastric",
        "mouth",
        (("mouth", "stretched open"), ("mouth", "opened wide"), ("mouth", "gaping")),
    ),
    "AU28": ActionUnit(
        "Lip suck",
        "orbicularis oris",
        "mouth",
        (("lips", "sucked in"), ("lips", "rolled inwards"), ("lips", "drawn into the mouth")),
    ),
    "AU34": ActionUnit(
        "Cheek puff",
        "buccinator, relaxed, with air",
        "cheeks",
        (("cheeks", "puffed out"), ("cheeks", "blown up")),
    ),
    "AU38": ActionUnit(
        "Nostril dilator",
        "nasalis, alar part",
        "nose",
        (("nostrils", "flared"), ("nostrils", "dilated"), ("nostrils", "widened")),
    ),
    "AU43": ActionUnit(
        "Eye closure",
        "relaxed levator palpebrae superioris",
        "eyes",
        (("eyelids", "lowered"), ("upper lids", "lowered"), ("eyelids", "closed")),
    ),
}

# FACS 2002 scores intensity with five letters: A trace, B slight, C marked or pronounced, D severe or extreme,
# E maximum, where C and D span the widest ranges. The manual gives no numbers: the bounds on 0..1 are our choice.
INTENSITIES: tuple[tuple[float, str, str], ...] = (
    (0.0, "A", "trace"),
    (0.15, "B", "slight"),
    (0.3, "C", "marked"),
    (0.6, "D", "severe"),
    (0.9, "E", "maximum"),
)
VISIBLE_FROM = INTENSITIES[1][0]  # a trace does not count as present; DISFA's users draw the line at B as well

Prototype = dict[str, float]

# Prototypes and major variants of the FACS investigator's guide (2002), table 10-2, which EMFACS reads emotions from;
# AU25 goes with every open jaw, as FACS scores it. Contempt: Matsumoto & Ekman 2004. Intensities are ours, and so are
# AU6 and AU7 in disgust, because a strongly wrinkled nose narrows the eyes.
PROTOTYPES: dict[str, tuple[Prototype, ...]] = {
    "neutral": ({},),
    "happiness": (
        {"AU6": 0.9, "AU12": 0.9},
        {"AU6": 0.9, "AU12": 0.9, "AU25": 0.7},
        {"AU6": 1.0, "AU12": 1.0, "AU25": 0.9, "AU26": 0.5},
        {"AU12": 0.8},
    ),
    "surprise": (
        {"AU1": 1.0, "AU2": 1.0, "AU5": 0.9, "AU25": 0.4, "AU26": 1.0},
        {"AU1": 1.0, "AU2": 1.0, "AU5": 1.0, "AU25": 0.5, "AU27": 0.9},
        {"AU1": 1.0, "AU2": 1.0, "AU5": 0.7, "AU25": 0.4, "AU26": 0.5},
    ),
    "sadness": (
        {"AU1": 1.0, "AU4": 0.6, "AU15": 1.0, "AU17": 0.5},
        {"AU1": 1.0, "AU4": 0.5, "AU6": 0.3, "AU15": 1.0, "AU17": 0.7},
        {"AU1": 1.0, "AU4": 0.5, "AU15": 0.9, "AU25": 0.3, "AU43": 0.3},
    ),
    "anger": (
        {"AU4": 1.0, "AU5": 0.6, "AU7": 0.6, "AU23": 0.9, "AU24": 0.3, "AU38": 0.6},
        {"AU4": 1.0, "AU5": 0.5, "AU7": 0.6, "AU17": 0.6, "AU24": 0.8},
        {"AU4": 1.0, "AU5": 0.6, "AU7": 0.6, "AU10": 0.7, "AU23": 0.5, "AU25": 0.8, "AU26": 0.4},
        {"AU4": 1.0, "AU5": 0.6, "AU7": 0.7, "AU10": 0.7, "AU16": 0.5, "AU25": 0.8, "AU27": 0.6},
    ),
    "disgust": (
        {"AU6": 0.5, "AU7": 0.9, "AU9": 1.0, "AU10": 0.5, "AU17": 0.5},
        {"AU4": 0.3, "AU7": 0.9, "AU9": 1.0, "AU10": 0.5, "AU16": 0.7, "AU25": 0.3},
        {"AU6": 0.8, "AU9": 1.0, "AU10": 0.6, "AU16": 0.4},
        {"AU6": 0.5, "AU7": 0.9, "AU9": 1.0, "AU10": 0.4, "AU15": 0.4, "AU25": 0.4},
    ),
    "fear": (
        {"AU1": 1.0, "AU2": 0.6, "AU4": 0.8, "AU5": 1.0, "AU20": 1.0, "AU25": 0.8, "AU26": 0.5},
        {"AU1": 1.0, "AU2": 0.5, "AU4": 0.8, "AU5": 1.0, "AU20": 1.0, "AU25": 0.8, "AU26": 0.3},
        {"AU1": 1.0, "AU2": 0.5, "AU4": 0.8, "AU5": 1.0, "AU7": 0.3, "AU20": 0.9, "AU21": 0.6, "AU25": 0.9},
    ),
    "contempt": ({"L12": 0.6, "L14": 0.9}, {"R12": 0.6, "R14": 0.9}, {"L14": 1.0}, {"R14": 1.0}),
}


def _units(*numbers: int) -> Prototype:
    return {f"AU{number}": 0.85 for number in numbers}


# The eleven pairs that RAF-DB labels, with the units that most people used after Du, Tao & Martinez 2014 (PNAS 111:15,
# table 1), then those with the units that many added. "Sadly fearful" and "sadly angry" also after their 2015 review.
COMPOUNDS: dict[tuple[str, str], tuple[Prototype, ...]] = {
    ("happiness", "surprise"): (_units(1, 2, 12, 25), _units(1, 2, 5, 12, 25, 26)),
    ("happiness", "disgust"): (_units(10, 12, 25), _units(6, 9, 10, 12, 25)),
    ("sadness", "fear"): (_units(1, 4, 20, 25), _units(1, 4, 15, 25)),
    ("sadness", "anger"): (_units(4, 7, 15), _units(4, 7, 15, 17)),
    ("sadness", "surprise"): (_units(1, 4, 25, 26), _units(1, 2, 4, 25, 26)),
    ("sadness", "disgust"): (_units(4, 10, 15), _units(1, 4, 10, 15, 17)),
    ("fear", "anger"): (_units(4, 20, 25), _units(4, 5, 7, 20, 25)),
    ("fear", "surprise"): (_units(1, 2, 5, 20, 25), _units(1, 2, 5, 20, 25, 26)),
    ("anger", "surprise"): (_units(4, 25, 26), _units(4, 5, 7, 25, 26)),
    ("anger", "disgust"): (_units(4, 10, 17), _units(4, 7, 9, 10, 17)),
    ("disgust", "surprise"): (_units(1, 2, 5, 10), _units(1, 2, 5, 9, 10)),
}

# Valence, arousal of a full expression. The quadrants are those of Russell 1980; the figures are our convention.
CIRCUMPLEX: dict[str, tuple[float, float]] = {
    "happiness": (0.85, 0.35),
    "surprise": (0.15, 0.85),
    "fear": (-0.5, 0.8),
    "anger": (-0.65, 0.6),
    "disgust": (-0.7, 0.35),
    "sadness": (-0.75, -0.4),
    "contempt": (-0.5, 0.2),
}
SHARPNESS = 16  # how strongly the nearest prototype outweighs the others


def split_code(code: str) -> tuple[str, str | None]:
    """The unit and its side: L12 is AU12 on the left, AU12 has side None. Raises EmoError for units not drawn here."""
    found = re.fullmatch(r"(AU|L|R)([1-9]\d?)", code)
    base = f"AU{found.group(2)}" if found else ""
    if base not in ACTION_UNITS:
        raise EmoError(f"'{code}' is no action unit drawn here; use one of {', '.join(ACTION_UNITS)}, or L12, R12")
    return base, {"AU": None, "L": "left", "R": "right"}[found.group(1)]


def intensity_letter(value: float) -> str | None:
    """The FACS letter A..E of an intensity in 0..1 (see INTENSITIES), or None where nothing moves."""
    return max((letter for bound, letter, _ in INTENSITIES if value >= bound), default=None) if value > 0 else None


def intensity_word(value: float) -> str | None:
    """The word of `intensity_letter`: "trace", "slight", "marked", "severe", "maximum", or None."""
    return {letter: word for _, letter, word in INTENSITIES}.get(intensity_letter(value))


def by_side(action_units: dict[str, float]) -> dict[tuple[str, str], float]:
    """Codes -> {("AU12", "left"): 0.4, ("AU12", "right"): 0.4, ...} within 0..1; a one-sided code adds to both."""
    found: dict[tuple[str, str], float] = {}
    for code, value in action_units.items():
        base, side = split_code(code)
        for one in (side,) if side else ("left", "right"):
            found[base, one] = min(1.0, max(0.0, found.get((base, one), 0.0) + value))
    return found


def valence_arousal(action_units: dict[str, float]) -> tuple[float, float]:
    """The prototype circumplex: where the face lies between the CIRCUMPLEX points of the prototypes that it resembles.

    With x the face and p a prototype as vectors of one-sided units: direction is the mean of the labels' points, each
    label weighing max_p cos(x, p) ** SHARPNESS; length is max_p min(1, x.p / p.p), how much of a prototype is there.
    So (0, 0) at rest, outwards in a straight line as an expression grows, and never outside -1..1.
    """
    face = _vector(action_units)
    norm = float(np.linalg.norm(face))
    if norm == 0:
        return 0.0, 0.0
    dots = _PATTERNS @ face
    cosines = dots / (_NORMS * norm)
    weights = np.array([cosines[a:b].max() for a, b in pairwise(_STARTS)]) ** SHARPNESS
    if not weights.any():
        return 0.0, 0.0
    length = min(1.0, float((dots / _NORMS**2).max()))
    valence, arousal = length * (weights @ np.array(list(CIRCUMPLEX.values()))) / weights.sum()
    return float(valence), float(arousal)


_SIDES = [(code, side) for code in ACTION_UNITS for side in ("left", "right")]


def _vector(action_units: dict[str, float]) -> np.ndarray:
    found = by_side(action_units)
    return np.array([found.get(key, 0.0) for key in _SIDES])


_PATTERNS = np.array([_vector(variant) for label in CIRCUMPLEX for variant in PROTOTYPES[label]])  # (V, 2 * units)
_NORMS = np.linalg.norm(_PATTERNS, axis=1)
_STARTS = np.cumsum([0, *(len(PROTOTYPES[label]) for label in CIRCUMPLEX)])  # where each label's variants begin
