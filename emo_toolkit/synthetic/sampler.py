"""A seed -> a person, an expression, a scene: every number of a FaceSpec, drawn independently of the others.

Each trait has its own stream of chance, so that a person with another age, gender or race keeps all else.
"""

import math
from collections.abc import Collection
from dataclasses import replace

import numpy as np

from ..errors import EmoError
from ..labels import GENDERS, LABELS
from .action_units import COMPOUNDS, PROTOTYPES
from .glasses import STYLES
from .head import MACRO
from .specs import RENDERED_RACES, Expression, FaceSpec, Identity, Scene

# "ordinary" is the main set; each of the others holds out one thing that a model may lean on.
FACTORS = ("ordinary", "unseen_look", "large_pose", "low_intensity", "compound")
YOUNGEST, OLDEST = 4.0, 85.0

# Shape axes: (target without its ending, ending below 0, ending above 0, spread). "{side}" moves both sides.
SHAPE_AXES = (
    ("cheek/{side}-cheek-bones", "decr", "incr", 0.35),
    ("cheek/{side}-cheek-inner", "decr", "incr", 0.3),
    ("cheek/{side}-cheek-trans", "down", "up", 0.3),
    ("cheek/{side}-cheek-volume", "decr", "incr", 0.25),
    ("chin/chin-bones", "decr", "incr", 0.2),
    ("chin/chin-cleft", "decr", "incr", 0.25),
    ("chin/chin-height", "decr", "incr", 0.25),
    ("chin/chin-jaw-drop", "decr", "incr", 0.2),
    ("chin/chin-prominent", "decr", "incr", 0.22),
    ("chin/chin-width", "decr", "incr", 0.16),
    ("ears/{side}-ear-lobe", "decr", "incr", 0.4),
    ("ears/{side}-ear-scale", "decr", "incr", 0.3),
    ("ears/{side}-ear-wing", "decr", "incr", 0.3),
    ("eyebrows/eyebrows-angle", "down", "up", 0.12),
    ("eyebrows/eyebrows-trans", "down", "up", 0.2),
    ("eyes/{side}-eye-bag", "decr", "incr", 0.25),
    ("eyes/{side}-eye-corner1", "down", "up", 0.15),
    ("eyes/{side}-eye-corner2", "down", "up", 0.2),
    ("eyes/{side}-eye-eyefold", "concave", "convex", 0.25),
    ("eyes/{side}-eye-height1", "decr", "incr", 0.12),
    ("eyes/{side}-eye-height2", "decr", "incr", 0.12),
    ("eyes/{side}-eye-scale", "decr", "incr", 0.2),
    ("eyes/{side}-eye-trans", "in", "out", 0.15),
    ("forehead/forehead-scale-vert", "decr", "incr", 0.3),
    ("forehead/forehead-temple", "decr", "incr", 0.25),
    ("head/head-fat", "decr", "incr", 0.18),
    ("head/head-scale-horiz", "decr", "incr", 0.12),
    ("head/head-scale-vert", "decr", "incr", 0.2),
    ("mouth/mouth-cupidsbow", "decr", "incr", 0.35),
    ("mouth/mouth-lowerlip-height", "decr", "incr", 0.3),
    ("mouth/mouth-lowerlip-volume", "decr", "incr", 0.35),
    ("mouth/mouth-philtrum-volume", "decr", "incr", 0.3),
    ("mouth/mouth-scale-horiz", "decr", "incr", 0.25),
    ("mouth/mouth-upperlip-height", "decr", "incr", 0.3),
    ("mouth/mouth-upperlip-volume", "decr", "incr", 0.35),
    ("nose/nose-base", "down", "up", 0.3),
    ("nose/nose-curve", "concave", "convex", 0.3),
    ("nose/nose-flaring", "decr", "incr", 0.3),
    ("nose/nose-greek", "decr", "incr", 0.25),
    ("nose/nose-hump", "decr", "incr", 0.3),
    ("nose/nose-point", "down", "up", 0.3),
    ("nose/nose-point-width", "decr", "incr", 0.3),
    ("nose/nose-scale-depth", "decr", "incr", 0.25),
    ("nose/nose-scale-horiz", "decr", "incr", 0.25),
    ("nose/nose-scale-vert", "decr", "incr", 0.25),
    ("nose/nose-width1", "decr", "incr", 0.25),
    ("nose/nose-width3", "decr", "incr", 0.25),
)
# MakeHuman's macro shapes leave women and children too alike to men; these sharpen them. Ours, set by eye.
FEMININE = {
    "chin/chin-triangle": 0.3,
    "head/head-invertedtriangular": 0.3,
    "mouth/mouth-upperlip-volume-incr": 0.25,
    "mouth/mouth-lowerlip-volume-incr": 0.2,
    "eyes/l-eye-scale-incr": 0.15,
    "eyes/r-eye-scale-incr": 0.15,
}
MASCULINE = {"chin/chin-width-incr": 0.2, "chin/chin-prominent-incr": 0.2, "eyebrows/eyebrows-trans-down": 0.1}
CHILDLIKE = {
    "head/head-age-decr": 0.5,
    "eyes/l-eye-scale-incr": 0.2,
    "eyes/r-eye-scale-incr": 0.2,
    "nose/nose-scale-vert-decr": 0.35,
    "nose/nose-scale-depth-decr": 0.2,
    "cheek/l-cheek-volume-incr": 0.2,
    "cheek/r-cheek-volume-incr": 0.2,
}
EPICANTHUS = {"eyes/l-eye-epicanthus-in": 0.5, "eyes/r-eye-epicanthus-in": 0.5}

# Mean albedo of the face in linear light, from the lightest to the darkest of each group; ours, after photographs.
TONES = {
    "White": ((0.63, 0.41, 0.315), (0.43, 0.255, 0.17)),
    "Asian": ((0.58, 0.38, 0.255), (0.39, 0.235, 0.145)),
    "Black": ((0.27, 0.15, 0.095), (0.085, 0.046, 0.031)),
}
HAIR_COLORS = {
    "Black": ((0.012, 0.009, 0.008), (0.02, 0.013, 0.01)),
    "Asian": ((0.011, 0.009, 0.009), (0.03, 0.018, 0.012)),
    "White": (
        (0.02, 0.012, 0.008),
        (0.055, 0.028, 0.014),
        (0.11, 0.06, 0.028),
        (0.33, 0.2, 0.085),
        (0.22, 0.075, 0.022),
    ),
}
IRISES = {
    "Black": ((0.035, 0.016, 0.008), (0.06, 0.028, 0.012)),
    "Asian": ((0.045, 0.02, 0.009), (0.075, 0.036, 0.014)),
    "White": ((0.10, 0.2, 0.33), (0.14, 0.22, 0.25), (0.12, 0.18, 0.09), (0.15, 0.085, 0.03), (0.07, 0.035, 0.014)),
}
GREY_HAIR = np.array([0.55, 0.54, 0.53])
# The last of each tuple is kept for "unseen_look".
HAIRS = {
    "female": ("hair/long01", "hair/ponytail01", "hair/Braid01", "hair/bob02", "hair/bob01"),
    "male": ("hair/short01", "hair/short02", "hair/short04", "hair/short03"),
}
BROWS = {
    "female": ("eyebrows/eyebrow005", "eyebrows/eyebrow006", "eyebrows/eyebrow010", "eyebrows/eyebrow011"),
    "male": ("eyebrows/eyebrow001", "eyebrows/eyebrow004", "eyebrows/eyebrow008", "eyebrows/eyebrow012"),
}
LASHES = {"female": ("eyelashes/eyelashes02", "eyelashes/eyelashes04"), "male": ("eyelashes/eyelashes03",)}


def sample_spec(
    seed: int, *, identity: int | None = None, label: str | None = None, factor: str = "ordinary"
) -> FaceSpec:
    """A whole recipe from one seed.

    Args:
        seed: draws expression and scene, and the person too unless `identity` is given.
        identity: seed of the person.
        label: a word of `LABELS["ferplus"]`; drawn evenly when None.
        factor: one of `FACTORS`.

    Raises:
        EmoError: for a label or factor that is none of these.
    """
    person = sample_identity(seed if identity is None else identity, unseen=factor == "unseen_look")
    expression = sample_expression(seed, label=label, factor=factor)
    return FaceSpec(person, expression, sample_scene(seed, factor=factor), seed=seed, factor=factor)


def sample_identity(
    seed: int, *, age: float | None = None, gender: str | None = None, race: str | None = None, unseen: bool = False
) -> Identity:
    """The person of a seed. A given `age` (years), `gender` or `race` replaces the drawn one and leaves the rest.

    `unseen` draws skin and hair from those that the other sets never use.

    Raises:
        EmoError: for a gender or race that cannot be drawn, or an age outside 1 to 90.
    """
    who = _stream(seed, "who")
    drawn = who.uniform(YOUNGEST, OLDEST), str(who.choice(GENDERS)), str(who.choice(RENDERED_RACES))
    age = float(drawn[0] if age is None else age)
    gender, race = _one_of(GENDERS, gender or drawn[1], "gender"), _one_of(RENDERED_RACES, race or drawn[2], "race")
    if not 1 <= age <= 90:
        raise EmoError(f"nobody of {age} years can be drawn; an age is 1 to 90 years")
    build = _stream(seed, "build")
    other = build.dirichlet([1, 1, 1]) * 0.15
    mix = {word: float(share + 0.85 * (word == race)) for word, share in zip(RENDERED_RACES, other, strict=True)}
    face = _stream(seed, "face")
    return Identity(
        id=seed,
        age=age,
        gender=gender,
        race=race,
        mix=mix,
        muscle=float(np.clip(build.normal(0.5, 0.1), 0, 1)),
        weight=float(np.clip(build.normal(0.5, 0.14), 0, 1)),
        shape=_shape(seed, age, gender, race),
        skin=_skin_picture(seed, age, gender, race, unseen),
        tone=_tone(seed, race),
        **_hair(seed, age, gender, race, unseen),
        iris=_pick(_stream(seed, "iris"), IRISES[race]),
        lashes=str(_stream(seed, "lashes").choice(LASHES[gender])),
        **_adornment(seed, age, gender),
        freckles=float(max(0, face.uniform(-1, 1)) * (race == "White") * (age < 60)),
        wrinkles=float(face.uniform(0.6, 1.15)),
        phase=float(face.uniform(0, 2 * math.pi)),
        shirt=_shirt(seed),
    )


def sample_expression(seed: int, *, label: str | None = None, factor: str = "ordinary") -> Expression:
    """An expression: a prototype of the label, its intensity, and a little chance on each action unit.

    A compound is one of the pairs with the label; neutral and contempt are in none and give any pair.
    """
    factor = _one_of(FACTORS, factor, "factor")
    rng = _stream(seed, "expression")
    label = _one_of(PROTOTYPES, label or str(rng.choice(LABELS["ferplus"])), "expression")
    intensity = float(rng.uniform(0.2, 0.45) if factor == "low_intensity" else rng.uniform(0.7, 1.0))
    second, variants = None, PROTOTYPES[label]
    if factor == "compound":
        pairs = [pair for pair in COMPOUNDS if label in pair] or list(COMPOUNDS)
        pair = pairs[rng.integers(len(pairs))]
        variants = COMPOUNDS[pair]
        label, second = pair[::-1] if label == pair[1] else pair
    variant = variants[rng.integers(len(variants))]
    units = {code: float(min(1.0, value * intensity * rng.uniform(0.85, 1.1))) for code, value in variant.items()}
    return Expression(label, units, second, intensity)


def sample_scene(seed: int, *, factor: str = "ordinary", frontal: bool = False) -> Scene:
    """Pose, lens, light and storage. `frontal` is a calm studio portrait: no pose, a soft light, no loss."""
    factor = _one_of(FACTORS, factor, "factor")
    rng = _stream(seed, "scene")
    calm = 0.0 if frontal else 1.0
    yaw = float(np.clip(rng.normal(0, 13), -32, 32))
    if factor == "large_pose":
        yaw = float(rng.choice([-1, 1]) * rng.uniform(38, 58))
    scene = Scene(
        yaw=yaw * calm,
        pitch=float(np.clip(rng.normal(0, 7), -18, 18)) * calm,
        roll=float(np.clip(rng.normal(0, 5), -18, 18)) * calm,
        gaze=(float(np.clip(rng.normal(0, 6), -20, 20)) * calm, float(np.clip(rng.normal(0, 4), -12, 12)) * calm),
        field_of_view=float(rng.uniform(12, 38)),
        zoom=float(rng.uniform(0.88, 1.2)),
        shift=(float(rng.normal(0, 0.05)) * calm, float(rng.normal(0, 0.05)) * calm),
        light=(float(rng.uniform(-75, 75)), float(rng.uniform(5, 65))),
        softness=float(rng.uniform(2, 22)),
        key=float(rng.uniform(0.6, 1.7)),
        fill=float(rng.uniform(0.05, 0.6)),
        ambient=float(rng.uniform(0.3, 0.75)),
        warmth=float(np.clip(rng.normal(0.1, 0.45), -1, 1)),
        exposure=float(rng.uniform(0.8, 1.2)),
        background=int(rng.integers(1 << 31)),
        blur=float(max(0, rng.uniform(-0.5, 0.8))),
        noise=float(rng.uniform(0, 0.018)),
        quality=int(rng.integers(38, 96)) if rng.random() < 0.7 else None,
    )
    if not frontal:
        return scene
    side = math.copysign(1, scene.light[0])
    return replace(
        scene, field_of_view=16.0, zoom=1.05, light=(32 * side, 32), softness=14, key=1.15, fill=0.3, ambient=0.5,
        warmth=0.15, exposure=1.15, blur=0.0, noise=0.0, quality=None,
    )  # fmt: skip


def _one_of(known: Collection[str], word: str, what: str) -> str:
    if word not in known:
        raise EmoError(f"the {what} {word!r} cannot be drawn; use one of {', '.join(known)}")
    return word


def _stream(seed: int, trait: str) -> np.random.Generator:
    return np.random.default_rng([seed, *trait.encode()])


def _pick(rng: np.random.Generator, colors: tuple[tuple[float, ...], ...]) -> tuple[float, float, float]:
    color = np.asarray(colors[rng.integers(len(colors))]) * np.exp(rng.normal(0, 0.12))
    return tuple(float(c) for c in np.clip(color * np.exp(rng.normal(0, 0.04, 3)), 0, 1))


def _childhood(age: float) -> float:
    return float(np.interp(age, (3, 7, 16), (1, 0.85, 0)))


def _shape(seed: int, age: float, gender: str, race: str) -> dict[str, float]:
    """Target -> weight: chance along each axis, plus what age, gender and race add."""
    rng = _stream(seed, "shape")
    child = _childhood(age)
    found: dict[str, float] = {}

    def add(targets: dict[str, float], amount: float) -> None:
        for name, value in targets.items():
            found[name] = found.get(name, 0.0) + value * amount

    for stem, below, above, spread in SHAPE_AXES:
        value = float(np.clip(rng.normal(0, spread), -0.8, 0.8)) * (1 - 0.5 * child)
        lean = rng.normal(0, 0.04, 2)
        sides = ("l", "r") if "{side}" in stem else ("",)
        for side, tilt in zip(sides, lean, strict=False):
            weight = value + float(tilt) * (len(sides) == 2)
            found[f"{stem.format(side=side)}-{above if weight > 0 else below}"] = abs(weight)
    add(FEMININE if gender == "female" else MASCULINE, 1 - child)
    add(CHILDLIKE, child)
    add(EPICANTHUS, float(race == "Asian"))
    add({"head/head-age-incr": 1.0}, float(np.interp(age, (35, 55, 85), (0, 0.35, 1.0))))
    return {name: value for name, value in found.items() if value}


def _skin_picture(seed: int, age: float, gender: str, race: str, unseen: bool) -> str:
    # the pictures of middle age are kept for "unseen_look"; wrinkles and spots are drawn by age anyway
    stage = "middleage" if unseen else "young" if age < 46 else "old"
    kinds = (f"{stage}_{MACRO[race]}_{gender}",)
    if (stage, race) == ("young", "White"):
        kinds = (*kinds, kinds[0] + "2")
    return str(_stream(seed, "skin").choice(kinds))


def _tone(seed: int, race: str) -> tuple[float, float, float]:
    rng = _stream(seed, "tone")
    light, dark = (np.log(color) for color in TONES[race])
    at = rng.beta(1.3, 1.3)
    color = np.exp(light * (1 - at) + dark * at + rng.normal(0, 0.03, 3))
    return tuple(float(c) for c in color)


def _shirt(seed: int) -> tuple[float, float, float]:
    rng = _stream(seed, "shirt")
    grey, color = rng.uniform(0.02, 0.6), rng.uniform(0.02, 0.5, 3)
    vivid = rng.uniform(0, 0.7)
    return tuple(float(c) for c in grey * (1 - vivid) + color * vivid)


def _hair(seed: int, age: float, gender: str, race: str, unseen: bool) -> dict[str, object]:
    """Hair, brows and their colour."""
    rng = _stream(seed, "hair")
    bald, afro, pick, years = rng.random(), rng.random(), rng.random(), rng.normal(0, 8)
    styles = HAIRS[gender][-1:] if unseen else HAIRS[gender][:-1]
    hair: str | None = styles[int(pick * len(styles))]
    if race == "Black" and afro < 0.35 and not unseen:
        hair = "hair/afro01"
    if gender == "male" and age > 17 and bald < np.interp(age, (17, 45, 75), (0.08, 0.2, 0.45)):
        hair = None
    color = np.asarray(_pick(_stream(seed, "hair color"), HAIR_COLORS[race]))
    grey = float(np.interp(age + years, (46, 74), (0, 1)))
    color = color * (1 - grey) + GREY_HAIR * grey * np.exp(-0.3 * (1 - grey))
    brow = str(_stream(seed, "brow").choice(BROWS[gender if age > 13 else "female"]))
    return {"hair": hair, "hair_color": tuple(float(c) for c in color), "brow": brow}


def _adornment(seed: int, age: float, gender: str) -> dict[str, object]:
    """Glasses, lipstick and beard."""
    rng = _stream(seed, "adornment")
    style, wears, color, lips, paint, beard, amount = str(rng.choice(list(STYLES))), *rng.random(6)
    frame = ((0.02, 0.02, 0.02), (0.06, 0.03, 0.015), (0.25, 0.2, 0.12), (0.02, 0.03, 0.09))[int(color * 4)]
    grown = age > 17
    return {
        "glasses": style if wears < np.interp(age, (4, 20, 50, 80), (0.06, 0.15, 0.3, 0.4)) else None,
        "frame_color": frame,
        "lipstick": float(0.25 + 0.45 * paint) if gender == "female" and grown and lips < 0.45 else 0.0,
        "lip_color": tuple(float(c) for c in np.array([0.30, 0.045, 0.06]) * (0.55 + 0.75 * paint)),
        "beard": float(0.2 + 0.7 * amount) if gender == "male" and grown and beard < 0.45 else 0.0,
    }
