"""The inner loops of the software renderer, compiled by numba: normals, z-buffer, soft light on vertices.

Points (n, 3) -> screen (n, 3) -> nearest triangle and weights of each sample; points and lamps -> their light.
"""

import math
from collections.abc import Callable

import numpy as np
from numba import njit

SAMPLES = 3  # a pixel is SAMPLES x SAMPLES points
# Thresholds of a 3 x 3 Bayer matrix: hair, brows and lashes cover as many of a pixel's points as they are opaque.
BAYER = (np.array([[0, 7, 3], [6, 4, 2], [1, 5, 8]], np.float32) + 0.5) / 9


def compiled(function: Callable) -> Callable:
    """Machine code at the first call, kept for the next process where a folder can be written."""
    try:
        return njit(cache=True, fastmath=True, nogil=True)(function)
    except RuntimeError:  # numba found no such folder
        return njit(fastmath=True, nogil=True)(function)


@compiled
def vertex_normals(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Area-weighted unit normals (n, 3)."""
    out = np.zeros_like(points)
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ux, uy, uz = points[b, 0] - points[a, 0], points[b, 1] - points[a, 1], points[b, 2] - points[a, 2]
        vx, vy, vz = points[c, 0] - points[a, 0], points[c, 1] - points[a, 1], points[c, 2] - points[a, 2]
        x, y, z = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for k in (a, b, c):
            out[k, 0] += x
            out[k, 1] += y
            out[k, 2] += z
    for i in range(out.shape[0]):
        length = math.sqrt(out[i, 0] ** 2 + out[i, 1] ** 2 + out[i, 2] ** 2) + 1e-12
        for k in range(3):
            out[i, k] /= length
    return out


@compiled
def rasterize(
    screen: np.ndarray,  # (n, 3) x, y in samples and 1 / depth
    triangles: np.ndarray,
    uv: np.ndarray,
    uv_triangles: np.ndarray,
    material: np.ndarray,  # (t,)
    layer: np.ndarray,  # (materials,) texture whose alpha cuts it out, or -1
    boost: np.ndarray,  # (materials,) factor on that alpha
    textures: np.ndarray,  # (layers, h, w, 4) uint8
    depth: np.ndarray,  # (H, W) filled with 1 / depth
    hit: np.ndarray,  # (H, W) filled with the triangle, -1 where there is none
    weights: np.ndarray,  # (H, W, 2) filled with the weights of its first two corners
) -> None:
    """The nearest triangle of every sample."""
    height, width = depth.shape
    rows, columns = textures.shape[1], textures.shape[2]
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        x0, y0, z0 = screen[a, 0], screen[a, 1], screen[a, 2]
        x1, y1, z1 = screen[b, 0], screen[b, 1], screen[b, 2]
        x2, y2, z2 = screen[c, 0], screen[c, 1], screen[c, 2]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        m = material[t]
        if z0 <= 0 or z1 <= 0 or z2 <= 0 or abs(area) < 1e-9 or (area > 0 and m == 0):
            continue  # behind the camera, seen from its edge, or the inside of the closed skin
        left, right = max(0, int(math.floor(min(x0, x1, x2) - 0.5))), min(width - 1, int(max(x0, x1, x2) + 0.5))
        top, bottom = max(0, int(math.floor(min(y0, y1, y2) - 0.5))), min(height - 1, int(max(y0, y1, y2) + 0.5))
        for y in range(top, bottom + 1):
            for x in range(left, right + 1):
                px, py = x + 0.5 - x0, y + 0.5 - y0
                w1 = (px * (y2 - y0) - (x2 - x0) * py) / area
                w2 = ((x1 - x0) * py - px * (y1 - y0)) / area
                w0 = 1 - w1 - w2
                if w0 < 0 or w1 < 0 or w2 < 0:
                    continue
                near = w0 * z0 + w1 * z1 + w2 * z2
                if near <= depth[y, x]:
                    continue
                w0, w1 = w0 * z0 / near, w1 * z1 / near
                if layer[m] >= 0:
                    i, j, k = uv_triangles[t, 0], uv_triangles[t, 1], uv_triangles[t, 2]
                    w2 = 1 - w0 - w1
                    u = uv[i, 0] * w0 + uv[j, 0] * w1 + uv[k, 0] * w2
                    v = uv[i, 1] * w0 + uv[j, 1] * w1 + uv[k, 1] * w2
                    row = min(rows - 1, int((v - math.floor(v)) * rows))
                    column = min(columns - 1, int((u - math.floor(u)) * columns))
                    if textures[layer[m], row, column, 3] * boost[m] < BAYER[y % 3, x % 3] * 255:
                        continue
                depth[y, x] = near
                hit[y, x] = t
                weights[y, x, 0] = w0
                weights[y, x, 1] = w1


@compiled
def depth_map(screen: np.ndarray, triangles: np.ndarray, out: np.ndarray) -> None:
    """Fills `out` (S, S) with the greatest third coordinate of the triangles that cast a shadow."""
    height, width = out.shape
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        x0, y0, z0 = screen[a, 0], screen[a, 1], screen[a, 2]
        x1, y1, z1 = screen[b, 0], screen[b, 1], screen[b, 2]
        x2, y2, z2 = screen[c, 0], screen[c, 1], screen[c, 2]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if abs(area) < 1e-9:
            continue
        left, right = max(0, int(math.floor(min(x0, x1, x2) - 0.5))), min(width - 1, int(max(x0, x1, x2) + 0.5))
        top, bottom = max(0, int(math.floor(min(y0, y1, y2) - 0.5))), min(height - 1, int(max(y0, y1, y2) + 0.5))
        for y in range(top, bottom + 1):
            for x in range(left, right + 1):
                px, py = x + 0.5 - x0, y + 0.5 - y0
                w1 = (px * (y2 - y0) - (x2 - x0) * py) / area
                w2 = ((x1 - x0) * py - px * (y1 - y0)) / area
                w0 = 1 - w1 - w2
                if w0 < 0 or w1 < 0 or w2 < 0:
                    continue
                z = w0 * z0 + w1 * z1 + w2 * z2
                if z > out[y, x]:
                    out[y, x] = z


@compiled
def add_light(
    points: np.ndarray,  # (n, 3)
    normals: np.ndarray,  # (n, 3)
    screen: np.ndarray,  # (n, 3) the points as this lamp sees them
    shadow_map: np.ndarray,  # (S, S)
    direction: np.ndarray,  # (3,) towards the lamp
    color: np.ndarray,  # (3,)
    wrap: np.ndarray,  # (n, 3) how far light creeps round the edge, per channel
    bias: float,
    light: np.ndarray,  # (n, 3) added to
    seen: np.ndarray,  # (n,) added to: 1 where the lamp is seen
) -> None:
    """Adds one distant lamp's light to each vertex, with a softened shadow."""
    size = shadow_map.shape[0]
    for i in range(points.shape[0]):
        cosine = normals[i, 0] * direction[0] + normals[i, 1] * direction[1] + normals[i, 2] * direction[2]
        if cosine < -0.5:
            continue
        reach = bias * (1 + 2 * (1 - max(0.0, cosine)))
        x, y = screen[i, 0] - 0.5, screen[i, 1] - 0.5
        column, row = int(math.floor(x)), int(math.floor(y))
        visible = 0.0
        for dy in range(2):
            for dx in range(2):
                share = (1 - abs(x - column - dx)) * (1 - abs(y - row - dy))
                r, c = row + dy, column + dx
                if r < 0 or c < 0 or r >= size or c >= size:
                    visible += share
                else:
                    behind = (shadow_map[r, c] - screen[i, 2] - reach) / reach
                    visible += share * (1 - min(1.0, max(0.0, behind)))
        seen[i] += visible
        for k in range(3):
            w = wrap[i, k]
            light[i, k] += color[k] * visible * max(0.0, (cosine + w) / ((1 + w) * (1 + w)))


@compiled
def scatter(light: np.ndarray, triangles: np.ndarray, steps: np.ndarray) -> None:
    """Blurs `light` (n, 3) over the surface, `steps[k]` times in channel k: red travels far under skin."""
    total = np.zeros(light.shape[0], light.dtype)
    count = np.zeros(light.shape[0], light.dtype)
    for k in range(3):
        for _ in range(steps[k]):
            for i in range(light.shape[0]):  # plain loops: numba takes seconds to compile whole-array assignments
                total[i], count[i] = light[i, k], 1
            for t in range(triangles.shape[0]):
                a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
                mean = (light[a, k] + light[b, k] + light[c, k]) / 3
                total[a] += mean
                total[b] += mean
                total[c] += mean
                count[a] += 1
                count[b] += 1
                count[c] += 1
            for i in range(light.shape[0]):
                light[i, k] = total[i] / count[i]
