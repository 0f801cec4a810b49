"""Lamps of a scene -> light on every vertex: a soft key, a fill, a rim and a sky, each with its own shadow map."""

import math
from dataclasses import dataclass

import numpy as np

from .kernels import add_light, depth_map, scatter, vertex_normals
from .mesh import Mesh
from .shading import HAIR, SKIN, TEETH
from .specs import Scene

SKY_LAMPS, KEY_LAMPS = 18, 4
SKY_MAP, KEY_MAP = 112, 224  # pixels of their shadow maps
WRAP = {SKIN: (0.36, 0.18, 0.12), HAIR: (0.5, 0.5, 0.5)}
SCATTER = np.array([4, 2, 1])


@dataclass(frozen=True)
class Lamp:
    """A lamp far away."""

    direction: np.ndarray  # (3,) towards it
    color: np.ndarray  # (3,) linear
    is_key: bool


@dataclass(frozen=True)
class Light:
    """What reaches each of n vertices."""

    normals: np.ndarray  # (n, 3)
    ambient: np.ndarray  # (n, 3) from everywhere but the key lamp
    key: np.ndarray  # (n, 3)
    seen: np.ndarray  # (n,) share of the key lamp that is not in shadow
    lamp: Lamp  # the key lamp


def light_vertices(
    points: np.ndarray, mesh: Mesh, *, cavity: np.ndarray, centre: np.ndarray, unit: float, scene: Scene
) -> Light:
    """The light on each point of a mesh, seen from the camera.

    Args:
        points: (n, 3); `cavity` (body, 1) darkens the skin inside the mouth.
        mesh: whose triangles cast the shadows.
        centre: (3,) middle of the face; `unit` the eye distance.
        scene: lamps.
    """
    top = mesh.topology
    normals = vertex_normals(points, top.triangles)
    wrap = np.full((len(points), 3), 0.1, np.float32)
    for material, values in WRAP.items():
        wrap[mesh.kind == material] = values
    ambient, key = np.zeros_like(points), np.zeros_like(points)
    seen, unused = np.zeros(len(points), np.float32), np.zeros(len(points), np.float32)
    lamps = _lamps(scene)
    for lamp in lamps:
        pixels = KEY_MAP if lamp.is_key else SKY_MAP
        frame, offset = _lamp_frame(lamp.direction, centre, unit, pixels)
        places = (points @ frame.T.astype(np.float32) + offset.astype(np.float32)).astype(np.float32)
        nearest = np.full((pixels, pixels), -1e9, np.float32)
        depth_map(places, top.occluders, nearest)
        bias = unit * (0.04 if lamp.is_key else 0.09)
        target, count = (key, seen) if lamp.is_key else (ambient, unused)
        add_light(points, normals, places, nearest, lamp.direction, lamp.color, wrap, bias, target, count)
    ambient[mesh.kind == TEETH] += 0.3 * scene.ambient  # light goes through lips and cheeks, and reaches the teeth
    for light in (ambient, key):
        light[: mesh.body] *= cavity
        scatter(light[: mesh.body], top.triangles[top.material == SKIN], SCATTER)
    main = next(lamp for lamp in lamps if lamp.is_key)
    return Light(normals, ambient, key, seen / KEY_LAMPS, Lamp(main.direction, main.color * KEY_LAMPS, True))


def _direction(azimuth: float, elevation: float) -> np.ndarray:
    a, e = math.radians(azimuth), math.radians(elevation)
    return np.array([math.sin(a) * math.cos(e), math.sin(e), math.cos(a) * math.cos(e)])


def _lamps(scene: Scene) -> list[Lamp]:
    """A soft key of a few lamps, a fill from the other side, a rim from behind, and a sky all round."""
    warm = np.array([1 + 0.25 * scene.warmth, 1.0, 1 - 0.25 * scene.warmth])
    cool = np.array([1 - 0.12 * scene.warmth, 1.0, 1 + 0.12 * scene.warmth])
    azimuth, elevation = scene.light
    lamps = []
    for k in range(KEY_LAMPS):
        turn, reach = 2 * math.pi * (k + 0.5) / KEY_LAMPS, scene.softness
        direction = _direction(azimuth + reach * math.cos(turn), elevation + reach * math.sin(turn))
        lamps.append((direction, warm * scene.key / KEY_LAMPS, True))
    side = math.copysign(1, azimuth)
    lamps.append((_direction(-0.8 * azimuth - 25 * side, 12), cool * scene.fill, False))
    lamps.append((_direction(-side * 150, 35), warm * scene.key * 0.35, False))
    golden = math.pi * (3 - math.sqrt(5))
    for k in range(SKY_LAMPS):  # points spread evenly over the sphere
        height = 1 - (2 * k + 1) / SKY_LAMPS
        ring = math.sqrt(1 - height * height)
        direction = np.array([ring * math.cos(golden * k), height, ring * math.sin(golden * k)])
        tone = np.array([1.0, 0.9, 0.8]) * 0.55 if height < -0.2 else cool * (0.8 + 0.35 * height)
        lamps.append((direction, tone * scene.ambient * 4 / SKY_LAMPS, False))
    return [Lamp(d.astype(np.float32), c.astype(np.float32), is_key) for d, c, is_key in lamps]


def _lamp_frame(direction: np.ndarray, centre: np.ndarray, unit: float, pixels: int) -> tuple[np.ndarray, np.ndarray]:
    """Matrix (3, 3) and offset (3,) that take points to a lamp's map: column, row, nearness."""
    across = np.cross((0.0, 1.0, 0.0) if abs(direction[1]) < 0.95 else (1.0, 0.0, 0.0), direction)
    across /= np.linalg.norm(across)
    zoom = pixels / (6.4 * unit)
    frame = np.stack([across * zoom, np.cross(direction, across) * zoom, direction])
    return frame, np.array([pixels / 2, pixels / 2, 0]) - frame @ centre * (1, 1, 0)
