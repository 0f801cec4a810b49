"""Head, eyeballs, teeth, lashes, brows, hair and glasses -> one mesh with a material on each triangle.

The topology of one set of parts is made once and kept; only the positions change from face to face.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..errors import EmoError
from .glasses import glasses_mesh
from .head import Head
from .pack import FacePack
from .shading import BROWS, EYE, FRAME, HAIR, LASHES, SKIN, TEETH, TONGUE
from .specs import Identity

FIXED = (("teeth/Teeth_Base", TEETH), ("tongue/tongue01", TONGUE))
RINGS, SEGMENTS, EYE_ANGLE = 18, 28, 2.0  # an eyeball is drawn up to 2 rad from its axis
ROOTS = 6.56  # decimetres: the lower teeth and their gums are squeezed together below this height of the base head
LID = 1.03  # distance of a lid from the eye's centre, in eye radii


@dataclass(frozen=True)
class Topology:
    """What does not change with shape: corners of triangles, texture places, materials, what casts shadows."""

    triangles: np.ndarray  # (t, 3) int32
    uv: np.ndarray  # (m, 2) float32, row 0 of the picture is v = 0
    uv_triangles: np.ndarray  # (t, 3) int32
    material: np.ndarray  # (t,) int32
    occluders: np.ndarray  # (o, 3) int32, the coarser triangles that cast shadows


@dataclass(frozen=True)
class Mesh:
    """One posed face. The first `body` points are the skin."""

    points: np.ndarray  # (n, 3) float32
    topology: Topology
    body: int
    kind: np.ndarray  # (n,) material of each point


class Mesher:
    """Builds the mesh of any identity of one asset pack."""

    def __init__(self, pack: FacePack) -> None:
        self.pack = pack
        self.head = Head(pack)
        self.body = len(pack.subdivide(pack.vertices))
        self._eye = _eyeball()
        self._teeth = _behind_the_lips(pack.proxies[FIXED[0][0]].place(pack.vertices))
        self._topology = lru_cache(maxsize=64)(self._build)

    def mesh(self, identity: Identity, action_units: dict[str, float], gaze: np.ndarray) -> tuple[Mesh, np.ndarray]:
        """The mesh with the action units done and the eyes turned by `gaze` (3, 3), and the eye centres (2, 3)."""
        neutral = self.head.neutral(identity)
        moved = self.head.moved(identity, action_units, neutral)
        scale = self.head.scale(neutral)
        centres, radii = self.head.eyes(neutral)
        skin = self.pack.subdivide(moved)
        for centre, radius in zip(centres, radii, strict=True):
            _off_the_eyeball(skin, centre, radius)
        blocks = [skin]
        blocks += [centre + radius * self._eye[0] @ gaze.T for centre, radius in zip(centres, radii, strict=True)]
        for name, material in self._parts(identity):
            proxy = self.pack.proxies[name]
            base = neutral if material == HAIR else moved
            fitted = proxy.place(base)
            if material == TEETH:
                fitted += self._teeth * scale
            if material == HAIR:
                fitted = _off_the_eyes(fitted, centres)
            blocks.append(fitted)
        if identity.glasses:
            blocks.append(glasses_mesh(identity.glasses, centres, radii, self.pack.subdivide(neutral))[0])
        topology, kind = self._topology(self._parts(identity), identity.glasses)
        points = np.concatenate(blocks).astype(np.float32)
        return Mesh(points, topology, self.body, kind), centres

    def _parts(self, identity: Identity) -> tuple[tuple[str, int], ...]:
        own = ((identity.lashes, LASHES), (identity.brow, BROWS), (identity.hair, HAIR))
        worn = [(name, material) for name, material in own if name]
        for name, _ in worn:
            if name not in self.pack.proxies:
                raise EmoError(f"the face pack has no part {name!r}; it has {', '.join(self.pack.proxies)}")
        return (*FIXED, *worn)

    def _build(self, parts: tuple[tuple[str, int], ...], glasses: str | None) -> tuple[Topology, np.ndarray]:
        pack = self.pack
        points, faces, uv = self._eye
        eye = (len(points), faces, uv, faces, EYE)
        blocks = [(self.body, pack.triangles, pack.uv, pack.uv_triangles, SKIN), eye, eye]
        for name, material in parts:
            proxy = pack.proxies[name]
            blocks.append((len(proxy.reference), proxy.triangles, proxy.uv, proxy.uv_triangles, material))
        if glasses:
            centres, radii = self.head.eyes(pack.vertices)
            points, faces = glasses_mesh(glasses, centres, radii, pack.subdivide(pack.vertices))
            blocks.append((len(points), faces, np.zeros((1, 2), np.float32), np.zeros_like(faces), FRAME))
        start = np.cumsum([0] + [count for count, *_ in blocks])
        uv_start = np.cumsum([0] + [len(uv) for _, _, uv, _, _ in blocks])
        material = np.concatenate([np.full(len(faces), m, np.int32) for _, faces, _, _, m in blocks])
        triangles = np.concatenate([b[1] + n for b, n in zip(blocks, start, strict=False)]).astype(np.int32)
        casts = material == FRAME
        casts[material == HAIR] = self._opaque(dict((m, name) for name, m in parts).get(HAIR))
        topology = Topology(
            triangles=triangles,
            uv=np.concatenate([uv for _, _, uv, _, _ in blocks]).astype(np.float32),
            uv_triangles=np.concatenate([b[3] + n for b, n in zip(blocks, uv_start, strict=False)]).astype(np.int32),
            material=material,
            occluders=np.concatenate([_coarse(pack.triangles), triangles[casts]]),
        )
        kind = np.concatenate([np.full(count, m, np.int32) for count, _, _, _, m in blocks])
        return topology, kind

    def _opaque(self, hair: str | None) -> np.ndarray | bool:
        """Triangles of a hair that are opaque at their middle: only those cast a shadow."""
        if hair is None:
            return False
        proxy = self.pack.proxies[hair]
        alpha = proxy.texture[..., 3]
        u, v = (proxy.uv[proxy.uv_triangles].mean(1) % 1).T
        return alpha[(v * alpha.shape[0]).astype(int), (u * alpha.shape[1]).astype(int)] > 100


def _coarse(subdivided: np.ndarray) -> np.ndarray:
    """Two triangles for each quad of the base mesh, whose corners are those of its eight subdivided triangles."""
    corners = subdivided[:, 0].reshape(-1, 8)[:, ::2]
    return np.concatenate([corners[:, [0, 1, 2]], corners[:, [0, 2, 3]]])


def _off_the_eyeball(skin: np.ndarray, centre: np.ndarray, radius: float) -> None:
    """Lifts the lids (n, 3) off the eyeball where an action unit presses them into it, in place."""
    away = skin - centre
    distance = np.linalg.norm(away, axis=1)
    inside = (distance < LID * radius) & (away[:, 2] > 0.1 * radius)
    skin[inside] = centre + away[inside] * (LID * radius / distance[inside])[:, None]


def _behind_the_lips(teeth: np.ndarray) -> np.ndarray:
    """Where the teeth (n, 3) of the base head have to move: (n, 3) decimetres."""
    height = teeth[:, 1]
    lower = height < (height.min() + height.max()) / 2
    # the pack's teeth stand too high for relaxed lips, and below a wide open mouth their roots would leave the chin
    roots = 0.8 * np.clip(ROOTS - height, 0, None)
    back = np.where(lower, -0.06, -0.01)  # and their row is too wide: the last ones would show between resting lips
    shift = np.stack([-0.09 * teeth[:, 0], np.where(lower, roots - 0.06, -0.03), back], -1)
    return shift.astype(np.float32)


def _off_the_eyes(hair: np.ndarray, eyes: np.ndarray) -> np.ndarray:
    """Sweeps a fringe (n, 3) to the side that it falls to, so that no hair hangs in front of an eye."""
    middle, unit = eyes.mean(0), np.linalg.norm(eyes[0] - eyes[1])
    x, y, z = ((hair - middle) / unit).T
    over = (np.abs(x) < 0.8) & (y < 0.25) & (y > -1) & (z > 0.3)
    if not over.any():
        return hair
    side = np.sign(x[over].mean())
    q = side * x  # grows towards the side where the fringe hangs
    low, near, inner = np.clip((0.75 - y) / 0.6, 0, 1), np.clip((z + 0.3) / 0.5, 0, 1), np.clip((q + 0.9) / 0.4, 0, 1)
    share = low * low * (3 - 2 * low) * near * inner
    aside = np.where(q < 1.4, 1.02 + 0.38 * np.clip((q + 0.5) / 1.9, 0, 1), q)
    swept = hair.copy()
    swept[:, 0] += side * unit * (aside - q) * share
    swept[:, 2] -= 0.25 * unit * (aside - q) * share
    return swept


def _eyeball() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A unit eyeball that looks along z: points (n, 3) with the cornea's bulge, triangles, and (u, v) in sines."""
    angle, turn = np.meshgrid(
        np.linspace(0, EYE_ANGLE, RINGS), np.arange(SEGMENTS) / SEGMENTS * 2 * np.pi, indexing="ij"
    )
    direction = np.stack([np.sin(angle) * np.cos(turn), np.sin(angle) * np.sin(turn), np.cos(angle)], -1).reshape(
        -1, 3
    )
    bulge = 1 + 0.05 * np.exp(-((angle / 0.36) ** 2))
    rim = np.minimum(angle, np.pi / 2)  # behind the equator the white goes on
    uv = np.stack([np.sin(rim) * np.cos(turn), np.sin(rim) * np.sin(turn)], -1).reshape(-1, 2)
    ring, segment = np.meshgrid(np.arange(RINGS - 1), np.arange(SEGMENTS), indexing="ij")
    a, b = ring * SEGMENTS + segment, ring * SEGMENTS + (segment + 1) % SEGMENTS
    faces = np.stack([np.stack([a, a + SEGMENTS, b], -1), np.stack([b, a + SEGMENTS, b + SEGMENTS], -1)])
    return direction * bulge.reshape(-1, 1), faces.reshape(-1, 3).astype(np.int32), uv.astype(np.float32)
