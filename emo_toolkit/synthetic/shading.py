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


@compiled
def fetch(texture: np.ndarray, u: float, v: float, out: np.ndarray) -> None:
    """Bilinear reading of the first three channels of `texture` (h, w, c) at (u, v) in 0..1."""
    rows, columns = texture.shape[0], texture.shape[1]
    x, y = (u - math.floor(u)) * columns - 0.5, (v - math.floor(v)) * rows - 0.5
    i, j = int(math.floor(x)), int(math.floor(y))
    fx, fy = x - i, y - j
    i0, i1 = min(max(i, 0), columns - 1), min(max(i + 1, 0), columns - 1)
    j0, j1 = min(max(j, 0), rows - 1), min(max(j + 1, 0), rows - 1)
    for k in range(3):
        upper = texture[j0, i0, k] * (1 - fx) + texture[j0, i1, k] * fx
        lower = texture[j1, i0, k] * (1 - fx) + texture[j1, i1, k] * fx
        out[k] = upper * (1 - fy) + lower * fy


@compiled
def linear(color: np.ndarray) -> None:
    """sRGB 0..255 -> linear 0..1, in place (polynomial after C. Hejl's fit)."""
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
def shade(
    hit: np.ndarray,
    weights: np.ndarray,
    triangles: np.ndarray,
    uv: np.ndarray,
    uv_triangles: np.ndarray,
    material: np.ndarray,
    points: np.ndarray,  # (n, 3) seen from the camera
    normals: np.ndarray,
    ambient: np.ndarray,  # (n, 3) light from everywhere but the key lamp
    key: np.ndarray,  # (n, 3) light from the key lamp
    shadow: np.ndarray,  # (n,) share of the key lamp that is seen
    rest: np.ndarray,  # (body, 3) the body's vertices on the rest head
    axes: np.ndarray,  # (2, 3) the head's x and y now
    detail: np.ndarray,  # (h, w, 4) skin colour over its mean, and lips
    textures: np.ndarray,
    layer: np.ndarray,
    tint: np.ndarray,  # (materials, 3)
    gloss: np.ndarray,  # (materials, 2)
    lamp: np.ndarray,  # (2, 3) direction and colour of the key lamp
    folds: np.ndarray,
    skin: np.ndarray,
    iris: np.ndarray,
    shirt: np.ndarray,
    background: np.ndarray,  # (H, W, 3)
    out: np.ndarray,  # (H, W, 3) added to
) -> None:
    """Adds the colour of every sample to its pixel."""
    plain = plain_blocks(hit, material)
    color, place = np.zeros(3), np.zeros(3)
    for y in range(hit.shape[0]):
        for x in range(hit.shape[1]):
            row, column = y // SAMPLES, x // SAMPLES
            share = 1.0 / (SAMPLES * SAMPLES)
            if plain[row, column]:
                if (x + 2 * y + row) % SAMPLES:
                    continue
                share = 1.0 / SAMPLES
            t = hit[y, x]
            if t < 0:
                for k in range(3):
                    out[row, column, k] += background[row, column, k] * share
                continue
            m = material[t]
            a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            w0, w1 = weights[y, x, 0], weights[y, x, 1]
            w2 = 1 - w0 - w1
            u = uv[uv_triangles[t, 0], 0] * w0 + uv[uv_triangles[t, 1], 0] * w1 + uv[uv_triangles[t, 2], 0] * w2
            v = uv[uv_triangles[t, 0], 1] * w0 + uv[uv_triangles[t, 1], 1] * w1 + uv[uv_triangles[t, 2], 1] * w2
            nx = normals[a, 0] * w0 + normals[b, 0] * w1 + normals[c, 0] * w2
            ny = normals[a, 1] * w0 + normals[b, 1] * w1 + normals[c, 1] * w2
            nz = normals[a, 2] * w0 + normals[b, 2] * w1 + normals[c, 2] * w2
            length = math.sqrt(nx * nx + ny * ny + nz * nz) + 1e-9
            nx, ny, nz = nx / length, ny / length, nz / length
            vx = -(points[a, 0] * w0 + points[b, 0] * w1 + points[c, 0] * w2)
            vy = -(points[a, 1] * w0 + points[b, 1] * w1 + points[c, 1] * w2)
            vz = -(points[a, 2] * w0 + points[b, 2] * w1 + points[c, 2] * w2)
            length = math.sqrt(vx * vx + vy * vy + vz * vz)
            vx, vy, vz = vx / length, vy / length, vz / length
            lit = shadow[a] * w0 + shadow[b] * w1 + shadow[c] * w2
            cavity, bend, shine, wet = 1.0, 1.0, gloss[m, 0], 0.0
            if m == 0:
                for k in range(3):
                    place[k] = rest[a, k] * w0 + rest[b, k] * w1 + rest[c, k] * w2
                cloth = place[1] + 0.25 * place[2] < SHIRT_HEIGHT - 0.05 * math.cos(place[0] * 3)
                if place[2] > 0.8 and place[1] > 6.2:
                    flat = nx * lamp[0, 0] + ny * lamp[0, 1] + nz * lamp[0, 2]
                    step = 0.005
                    h = relief(place[0], place[1], folds, skin[11])
                    gx = (relief(place[0] + step, place[1], folds, skin[11]) - h) / step
                    gy = (relief(place[0], place[1] + step, folds, skin[11]) - h) / step
                    nx -= gx * axes[0, 0] + gy * axes[1, 0]
                    ny -= gx * axes[0, 1] + gy * axes[1, 1]
                    nz -= gx * axes[0, 2] + gy * axes[1, 2]
                    length = math.sqrt(nx * nx + ny * ny + nz * nz) + 1e-9
                    nx, ny, nz = nx / length, ny / length, nz / length
                    now = nx * lamp[0, 0] + ny * lamp[0, 1] + nz * lamp[0, 2]
                    bend = min(1.6, max(0.35, (max(now, -0.2) + 0.5) / (max(flat, -0.2) + 0.5)))
                    cavity = max(0.55, 1 + h * 18)
                fetch(detail, u, v, color)
                lips = detail[
                    int((v - math.floor(v)) * detail.shape[0]) % detail.shape[0],
                    int((u - math.floor(u)) * detail.shape[1]) % detail.shape[1],
                    3,
                ]
                for k in range(3):
                    color[k] *= tint[m, k]
                paint_skin(color, u, v, place[0], place[1], place[2], lips, skin)
                if lips > 0:
                    shine *= 1 + 1.6 * lips
                if cloth:
                    weave = 0.9 + 0.1 * (chance(int(u * 1500), int(v * 1500), 5) - 0.5)
                    for k in range(3):
                        color[k] = shirt[k] * weave
                    shine = 0.0
            elif m == 1:
                wet = paint_eye(color, u, v, iris)
                shine *= wet
            elif layer[m] >= 0:
                fetch(textures[layer[m]], u, v, color)
                linear(color)
                for k in range(3):
                    color[k] *= tint[m, k]
            else:
                for k in range(3):
                    color[k] = tint[m, k]
            facing = nx * vx + ny * vy + nz * vz
            if facing < 0 and m != 0:
                nx, ny, nz, facing = -nx, -ny, -nz, -facing
            glint = 0.0
            if shine > 0 and lit > 0:
                hx, hy, hz = lamp[0, 0] + vx, lamp[0, 1] + vy, lamp[0, 2] + vz
                length = math.sqrt(hx * hx + hy * hy + hz * hz) + 1e-9
                half = max(0.0, (nx * hx + ny * hy + nz * hz) / length)
                away = 1 - max(0.0, (vx * hx + vy * hy + vz * hz) / length)
                fresnel = 0.04 + 0.96 * away**5
                facing_lamp = max(0.0, nx * lamp[0, 0] + ny * lamp[0, 1] + nz * lamp[0, 2])
                power = gloss[m, 1]
                glint = shine * fresnel * (half**power * (power + 8) / 25.13) * facing_lamp * lit
                if m == 1:  # the lamp itself, mirrored in the cornea
                    glint += 2.0 * smooth(0.988, 0.994, half) * lit * (wet > 0.9)
                if m == 0:  # a second, sharper lobe: oil on skin
                    glint += 0.35 * shine * fresnel * (half**70 * 78 / 25.13) * facing_lamp * lit
            sheen = 0.0
            if shine > 0:
                sheen = (0.03 + 0.5 * (1 - max(0.0, facing)) ** 5) * min(1.0, shine) * (0.5 + 0.5 * ny)
            for k in range(3):
                around = ambient[a, k] * w0 + ambient[b, k] * w1 + ambient[c, k] * w2
                direct = key[a, k] * w0 + key[b, k] * w1 + key[c, k] * w2
                value = color[k] * cavity * (around + direct * bend) + glint * lamp[1, k] * cavity + sheen * around
                out[row, column, k] += value * share
