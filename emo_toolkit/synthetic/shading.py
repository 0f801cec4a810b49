"""Samples of the z-buffer -> linear colour: material, light of the vertices, wrinkles and gloss at each point.

The light is already on the vertices; here it is interpolated, bent by the relief and multiplied with the albedo.
"""

import math

import numpy as np

from .kernels import SAMPLES, compiled
from .surface import chance, paint_eye, paint_skin, relief, smooth

SKIN, EYE, TEETH, TONGUE, LASHES, BROWS, HAIR, FRAME = range(8)
MATERIALS = 8
# (strength, exponent) of the gloss of each material
GLOSS = np.array([(0.55, 16), (2.2, 420), (1.2, 60), (1.2, 40), (0, 1), (0.1, 8), (0.42, 12), (1.5, 60)], np.float32)
SHIRT_HEIGHT = 5.83  # decimetres on the rest head; below it the body wears a shirt
# numba keeps what it compiled here as long as this file is the same, whatever it calls: so this line changes with
# surface.py and SAMPLES. tests/synthetic/test_kernels.py says what it must be.
CALLS = "ddcc73bb"
STEP = 0.005  # decimetres over which the slope of the relief is taken


@compiled
def mix(values: np.ndarray, corners: np.ndarray, weights: tuple[float, float, float], out: np.ndarray) -> None:
    """What `values` (n, k) are between three corners, into `out` (k,)."""
    for k in range(out.shape[0]):
        out[k] = (
            values[corners[0], k] * weights[0]
            + values[corners[1], k] * weights[1]
            + values[corners[2], k] * weights[2]
        )


@compiled
def unit(vector: np.ndarray) -> None:
    """Makes `vector` (3,) as long as 1, in place."""
    length = math.sqrt(vector[0] ** 2 + vector[1] ** 2 + vector[2] ** 2) + 1e-9
    for k in range(3):
        vector[k] /= length


@compiled
def dot(a: np.ndarray, b: np.ndarray) -> float:
    """Scalar product of two (3,)."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@compiled
def fetch(texture: np.ndarray, u: float, v: float, out: np.ndarray) -> None:
    """Bilinear reading of the channels of `texture` (h, w, c) at (u, v), into `out`."""
    rows, columns = texture.shape[0], texture.shape[1]
    x, y = (u - math.floor(u)) * columns - 0.5, (v - math.floor(v)) * rows - 0.5
    i, j = int(math.floor(x)), int(math.floor(y))
    fx, fy = x - i, y - j
    i0, i1 = min(max(i, 0), columns - 1), min(max(i + 1, 0), columns - 1)
    j0, j1 = min(max(j, 0), rows - 1), min(max(j + 1, 0), rows - 1)
    for k in range(out.shape[0]):
        upper = texture[j0, i0, k] * (1 - fx) + texture[j0, i1, k] * fx
        lower = texture[j1, i0, k] * (1 - fx) + texture[j1, i1, k] * fx
        out[k] = upper * (1 - fy) + lower * fy


@compiled
def linear(color: np.ndarray) -> None:
    """sRGB 0..255 -> linear 0..1 of the first three channels, in place (polynomial after C. Hejl's fit)."""
    for k in range(3):
        c = color[k] / 255
        color[k] = c * c * (c * 0.305306011 + 0.682171111) + 0.012522878 * c


@compiled
def plain_blocks(hit: np.ndarray, material: np.ndarray) -> np.ndarray:
    """Pixels (H, W) whose samples all show one material: a third of their samples is enough."""
    height, width = hit.shape[0] // SAMPLES, hit.shape[1] // SAMPLES
    out = np.ones((height, width), np.bool_)
    for y in range(height):
        for x in range(width):
            first = hit[y * SAMPLES, x * SAMPLES]
            kind = -1 if first < 0 else material[first]
            for q in range(1, SAMPLES * SAMPLES):
                t = hit[y * SAMPLES + q // SAMPLES, x * SAMPLES + q % SAMPLES]
                if (-1 if t < 0 else material[t]) != kind or kind == 1:
                    out[y, x] = False
                    break
    return out


@compiled
def share_of(plain: bool, x: int, y: int) -> float:
    """How much a sample counts in its pixel; 0 where others of a plain pixel stand for it."""
    if not plain:
        return 1.0 / (SAMPLES * SAMPLES)
    return 0.0 if (x + 2 * y + y // SAMPLES) % SAMPLES else 1.0 / SAMPLES


@compiled
def part_color(texel: np.ndarray, textures: np.ndarray, layer: int, tint: np.ndarray, u: float, v: float) -> None:
    """Colour of teeth, tongue, lashes, brows, hair or a frame into `texel`."""
    for k in range(3):
        texel[k] = 1.0
    if layer >= 0:
        fetch(textures[layer], u, v, texel)
        linear(texel)
    for k in range(3):
        texel[k] *= tint[k]


@compiled
def crease(
    normal: np.ndarray, place: np.ndarray, axes: np.ndarray, folds: np.ndarray, phase: float, toward: np.ndarray
) -> tuple[float, float]:
    """Bends `normal` by the relief at a place of the face; how much key light that gives, how dark it is."""
    flat = dot(normal, toward)
    height = relief(place[0], place[1], folds, phase)
    gx = (relief(place[0] + STEP, place[1], folds, phase) - height) / STEP
    gy = (relief(place[0], place[1] + STEP, folds, phase) - height) / STEP
    for k in range(3):
        normal[k] -= gx * axes[0, k] + gy * axes[1, k]
    unit(normal)
    bent = (max(dot(normal, toward), -0.2) + 0.5) / (max(flat, -0.2) + 0.5)
    return min(1.6, max(0.35, bent)), max(0.55, 1 + height * 18)


@compiled
def glint(normal: np.ndarray, view: np.ndarray, toward: np.ndarray, power: float, material: int, wet: float) -> float:
    """The key lamp's mirror image: Blinn's lobe with Schlick's Fresnel term; oil on skin, a lamp in the cornea."""
    between = dot(view, toward)  # of unit vectors: their half vector h = (view + toward) / |view + toward|
    length = math.sqrt(max(2 + 2 * between, 1e-9))
    facing = max(0.0, dot(normal, toward))
    near = min(1.0, max(0.0, (dot(normal, view) + dot(normal, toward)) / length))
    fresnel = 0.04 + 0.96 * (1 - min(1.0, (1 + between) / length)) ** 5
    lobe = near**power * (power + 8) / 25.13
    if material == 0:
        lobe += 0.35 * near**70 * 78 / 25.13
    mirror = 0.9 * smooth(0.988, 0.994, near) if wet > 0.9 else 0.0
    return fresnel * lobe * facing + mirror


@compiled
def gloss(
    normal: np.ndarray, view: np.ndarray, toward: np.ndarray, material: int, shine: float, wet: float
) -> tuple[float, float]:
    """How strongly the key lamp and the surroundings are mirrored."""
    if shine <= 0:
        return 0.0, 0.0
    grazing = (1 - max(0.0, dot(normal, view))) ** 5
    sheen = (0.03 + 0.5 * grazing) * min(1.0, shine) * (0.5 + 0.5 * normal[1])
    return shine * glint(normal, view, toward, GLOSS[material, 1], material, wet), sheen


@compiled
def skin_color(
    texel: np.ndarray, tone: np.ndarray, u: float, v: float, place: np.ndarray, skin: np.ndarray, shirt: np.ndarray
) -> float:
    """Colour of skin or shirt into `texel` (4,), which holds the picture's detail and the lips; returns its shine."""
    lips = texel[3]
    for k in range(3):
        texel[k] *= tone[k]
    paint_skin(texel, u, v, place[0], place[1], place[2], lips, skin)
    if place[1] + 0.25 * place[2] >= SHIRT_HEIGHT - 0.05 * math.cos(place[0] * 3):
        return 1 + 1.6 * lips
    weave = 0.9 + 0.1 * (chance(int(u * 1500), int(v * 1500), 5) - 0.5)
    for k in range(3):
        texel[k] = shirt[k] * weave
    return 0.0


@compiled
def shade(
    hit: np.ndarray,
    weights: np.ndarray,
    triangles: np.ndarray,
    uv: np.ndarray,
    uv_triangles: np.ndarray,
    material: np.ndarray,
    vertices: np.ndarray,  # (n, 13) point, normal, ambient light, key light, share of the key lamp that is seen
    rest: np.ndarray,  # (body, 3) the body's vertices on the rest head
    axes: np.ndarray,  # (2, 3) the head's x and y now
    detail: np.ndarray,  # (h, w, 4) skin colour over its mean, and lips
    textures: np.ndarray,  # (layers, h, w, 4) uint8
    layer: np.ndarray,  # (materials,)
    tint: np.ndarray,  # (materials, 3)
    lamp: np.ndarray,  # (2, 3) direction and colour of the key lamp
    look: np.ndarray,  # (2, 3) colour of the iris and of the shirt
    folds: np.ndarray,
    skin: np.ndarray,
    background: np.ndarray,  # (H, W, 3)
    out: np.ndarray,  # (H, W, 3) added to
) -> None:
    """Adds the colour of every sample to its pixel."""
    plain = plain_blocks(hit, material)
    texel, place, normal, view = np.zeros(4), np.zeros(3), np.zeros(3), np.zeros(3)
    at, spot, toward = np.zeros(13), np.zeros(2), lamp[0].astype(np.float64)
    for y in range(hit.shape[0]):
        for x in range(hit.shape[1]):
            row, column, t = y // SAMPLES, x // SAMPLES, hit[y, x]
            share = share_of(plain[row, column], x, y)
            if share == 0 or t < 0:
                for k in range(3):
                    out[row, column, k] += background[row, column, k] * share
                continue
            m = material[t]
            between = (weights[y, x, 0], weights[y, x, 1], 1 - weights[y, x, 0] - weights[y, x, 1])
            mix(vertices, triangles[t], between, at)
            mix(uv, uv_triangles[t], between, spot)
            for k in range(3):
                view[k], normal[k] = -at[k], at[3 + k]
            unit(view)
            unit(normal)
            bend, cavity, shine, wet = 1.0, 1.0, GLOSS[m, 0], 0.0
            if m == 0:
                mix(rest, triangles[t], between, place)
                if place[2] > 0.8 and place[1] > 6.2:
                    bend, cavity = crease(normal, place, axes, folds, skin[11], toward)
                fetch(detail, spot[0], spot[1], texel)
                shine *= skin_color(texel, tint[0], spot[0], spot[1], place, skin, look[1])
            elif m == 1:
                wet = paint_eye(texel, spot[0], spot[1], look[0])
                shine *= wet
            else:
                part_color(texel, textures, layer[m], tint[m], spot[0], spot[1])
            if m != 0 and dot(normal, view) < 0:
                for k in range(3):
                    normal[k] = -normal[k]
            gleam, sheen = gloss(normal, view, toward, m, shine, wet)
            for k in range(3):
                lit = texel[k] * (at[6 + k] + at[9 + k] * bend) + gleam * at[12] * lamp[1, k]
                out[row, column, k] += share * (cavity * lit + sheen * at[6 + k])
