"""Identity and Expression -> the amounts that the shading reads: tints of materials, skin, depth of wrinkles."""

import numpy as np

from .pack import FacePack
from .shading import BROWS, FRAME, HAIR, LASHES, MATERIALS, SKIN, TEETH, TONGUE
from .specs import FaceSpec, Identity

BLACK = 1e-3  # linear: no hair is darker for the rules that lighten it


def tints(identity: Identity) -> np.ndarray:
    """(materials, 3) linear colour that each material's texture is multiplied with (188 in sRGB is 0.5 linear)."""
    tint = np.ones((MATERIALS, 3), np.float32)
    hair = np.asarray(identity.hair_color)
    tint[SKIN] = identity.tone
    tint[TEETH] = (2.0, 1.9, 1.65)
    tint[TONGUE] = (1.1, 0.9, 0.9)
    tint[LASHES] = 0.02
    tint[HAIR] = hair * 2
    tint[BROWS] = hair * 2 * min(1.2, 0.16 / max(hair.max(), BLACK))
    tint[FRAME] = identity.frame_color
    return tint


def skin_amounts(identity: Identity) -> np.ndarray:
    """The `skin` vector of surface.py."""
    hair = np.asarray(identity.hair_color)
    hair = hair * min(0.8, 0.2 / max(hair.max(), BLACK))
    years = float(np.clip((identity.age - 28) / 45, 0, 1))
    blush = 0.35 + 0.5 * float(np.clip(np.mean(identity.tone) / 0.4, 0, 1))
    values = [identity.lipstick, *identity.lip_color, identity.beard, *hair, identity.freckles, years, blush]
    return np.array([*values, identity.phase], np.float32)


def folds(spec: FaceSpec) -> np.ndarray:
    """How deep each group of wrinkles is: action units fold the skin, and age leaves the folds there at rest."""
    identity, units = spec.identity, spec.expression.action_units
    fold = (
        0.35
        + 0.65 * float(np.clip((identity.age - 8) / 30, 0, 1))
        + 0.5 * float(np.clip((identity.age - 40) / 40, 0, 1))
    )
    at_rest = float(np.interp(identity.age, (33, 50, 82), (0, 0.22, 0.65)))

    def au(code: str, side: str = "") -> float:
        return max(units.get(f"AU{code}", 0.0), units.get(f"{side}{code}", 0.0))

    def cheek(side: str) -> float:
        return (
            0.8 * au("12", side)
            + 0.9 * au("9", side)
            + 0.6 * au("10", side)
            + 0.4 * au("20", side)
            + 0.3 * au("14", side)
        )

    moved = [
        0.9 * au("1"),
        au("2"),
        au("4"),
        max(0.9 * au("6"), 0.45 * au("7")),
        cheek("L"),
        cheek("R"),
        au("9"),
        au("17"),
    ]
    rest = [at_rest, 0.7 * at_rest, 0.5 * at_rest, at_rest, at_rest, at_rest, 0, 0]
    return (identity.wrinkles * (fold * np.clip(moved, 0, 1) + np.array(rest))).astype(np.float32)


def mouth_cavity(pack: FacePack) -> np.ndarray:
    """(body, 1) darkening of the skin inside the mouth."""
    mask = pack.mask("inside-mouth")
    column, row = ((pack.uv % 1) * mask.shape[::-1]).astype(int).T
    dark = np.zeros(pack.triangles.max() + 1, np.float32)
    dark[pack.triangles[mask[row, column][pack.uv_triangles] > 100]] = 1
    return (1 - 0.9 * dark)[:, None]


def skin_detail(pack: FacePack, name: str) -> np.ndarray:
    """(h, w, 4) float32: a skin picture over the mean of its face, in linear light, and the lips' mask."""
    picture = pack.skin(name).astype(np.float32) / 255
    flat = picture * picture * (picture * 0.305306011 + 0.682171111) + 0.012522878 * picture
    lips, face = (pack.mask(part).astype(np.float32) / 255 for part in ("lips", "face"))
    ratio = np.clip(flat / flat[(face > 0.5) & (lips < 0.1)].mean(0), 0.05, 2.0)
    grey = ratio.mean(-1, keepdims=True)
    # the pictures' own tint of shadows, hair and eyelids would be garish on another tone: half of it stays
    soft = grey**0.85 * (ratio / grey) ** 0.5
    return np.dstack([soft, lips]).astype(np.float32)
