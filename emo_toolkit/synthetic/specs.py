"""The recipe of one rendered face as numbers: who (Identity), doing what (Expression), seen how (Scene).

A `FaceSpec` is complete: the same spec gives the same pixels, and `dataclasses.replace` gives a counterfactual.
"""

from dataclasses import dataclass, field

RENDERED_RACES = ("Black", "Asian", "White")  # words of labels.RACES that MakeHuman's three macro shapes can draw


@dataclass(frozen=True)
class Identity:
    """One person. Colours are linear RGB in 0..1; amounts are 0 (none) to 1 (full)."""

    id: int  # the seed that it was drawn from; twins share it
    age: float  # years
    gender: str  # a word of labels.GENDERS
    race: str  # a word of RENDERED_RACES
    mix: dict[str, float]  # share of each word of RENDERED_RACES in the shape, sums to 1
    muscle: float = 0.5
    weight: float = 0.5
    shape: dict[str, float] = field(default_factory=dict)  # target name -> weight: nose, eyes, jaw, ...
    skin: str = ""  # name of the skin picture in the pack
    tone: tuple[float, float, float] = (0.5, 0.35, 0.27)  # mean albedo of the face
    hair: str | None = None  # name of the hair in the pack; None is a shaved or bald head
    hair_color: tuple[float, float, float] = (0.03, 0.02, 0.015)
    brow: str = ""
    lashes: str = ""
    iris: tuple[float, float, float] = (0.1, 0.05, 0.02)
    lipstick: float = 0.0
    lip_color: tuple[float, float, float] = (0.3, 0.05, 0.06)
    beard: float = 0.0
    freckles: float = 0.0
    glasses: str | None = None  # a key of glasses.STYLES, or None
    frame_color: tuple[float, float, float] = (0.03, 0.03, 0.03)
    wrinkles: float = 1.0  # how strongly this skin folds
    phase: float = 0.0  # radians; where its wrinkles and spots lie
    shirt: tuple[float, float, float] = (0.2, 0.2, 0.2)


@dataclass(frozen=True)
class Expression:
    """An expression and the action units that make it (FACS names: "AU12", one-sided "L12" / "R12"; 0..1)."""

    label: str  # a word of labels.LABELS["ferplus"]
    action_units: dict[str, float]
    second: str | None = None  # the other label of a compound expression ("happiness" + "surprise")
    intensity: float = 1.0


@dataclass(frozen=True)
class Scene:
    """Pose, camera, light and how the picture was stored. Angles in degrees, turned from the viewer's point of view:
    positive yaw to the viewer's right, positive pitch up, positive roll clockwise."""

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    gaze: tuple[float, float] = (0.0, 0.0)  # yaw, pitch of the eyes in the head
    field_of_view: float = 20.0  # small is a long lens
    zoom: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)  # of the face's centre, in half pictures
    light: tuple[float, float] = (30.0, 35.0)  # azimuth, elevation of the key light
    softness: float = 8.0  # half angle of the key light: small is the sun, large a window
    key: float = 1.2
    fill: float = 0.3
    ambient: float = 0.45
    warmth: float = 0.0  # -1 blue to 1 orange
    exposure: float = 1.0
    background: int = 0  # seed of the background
    blur: float = 0.0  # pixels at 224
    noise: float = 0.0  # standard deviation, 0..1
    quality: int | None = None  # JPEG quality that the picture went through, or None


@dataclass(frozen=True)
class FaceSpec:
    """The whole recipe. `factor` names what makes it a held-out test ("ordinary" for the main set)."""

    identity: Identity
    expression: Expression
    scene: Scene
    seed: int = 0
    factor: str = "ordinary"
