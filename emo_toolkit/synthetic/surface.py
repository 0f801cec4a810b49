"""What skin, eyes and cloth look like from near: procedural colour and relief, compiled by numba.

A place on the rest head (decimetres) and a few amounts -> relief (wrinkles that follow action units) and colour.
"""

import math

import numpy as np

from .kernels import compiled

# Places in the `folds` vector: how strongly each group of wrinkles shows, 0..1.
FOREHEAD_INNER, FOREHEAD_OUTER, GLABELLA, CROWS_FEET, NASOLABIAL_LEFT, NASOLABIAL_RIGHT, NOSE, CHIN = range(8)
# Places in the `skin` vector.
LIPSTICK, LIP_R, LIP_G, LIP_B, BEARD, BEARD_R, BEARD_G, BEARD_B, FRECKLES, AGE, BLUSH, PHASE = range(12)


@compiled
def smooth(low: float, high: float, x: float) -> float:
    """0 below `low`, 1 above `high`, a smooth step between."""
    t = min(1.0, max(0.0, (x - low) / (high - low)))
    return t * t * (3 - 2 * t)


@compiled
def chance(x: int, y: int, seed: int) -> float:
    """A fixed number in 0..1 for a lattice point."""
    h = (
        np.uint32(x) * np.uint32(374761393)
        + np.uint32(y) * np.uint32(668265263)
        + np.uint32(seed) * np.uint32(2246822519)
    )
    h = (h ^ (h >> np.uint32(13))) * np.uint32(1274126177)
    h = h ^ (h >> np.uint32(16))
    return (h & np.uint32(0xFFFFFF)) / 16777216.0


@compiled
def noise(x: float, y: float, seed: int) -> float:
    """Smooth noise in -1..1 with features of size 1."""
    i, j = int(math.floor(x)), int(math.floor(y))
    u, v = x - i, y - j
    u, v = u * u * (3 - 2 * u), v * v * (3 - 2 * v)
    low = chance(i, j, seed) * (1 - u) + chance(i + 1, j, seed) * u
    high = chance(i, j + 1, seed) * (1 - u) + chance(i + 1, j + 1, seed) * u
    return 2 * (low * (1 - v) + high * v) - 1


@compiled
def relief(x: float, y: float, folds: np.ndarray, phase: float) -> float:
    """Depth of the wrinkles (decimetres, <= 0) at a place on the front of the rest head. The places are ours."""
    h = 0.0
    side = abs(x)
    lines = folds[0] * (1 - smooth(0.12, 0.42, side)) + folds[1] * smooth(0.08, 0.22, side) * (
        1 - smooth(0.42, 0.58, side)
    )
    if lines > 0 and y > 7.5:
        bent = y + 0.03 * math.cos(5 * x + phase) + 0.02 * noise(x * 6, y * 3, 5) + 0.01 * math.sin(17 * x + 2 * phase)
        window = smooth(7.56, 7.66, y) * (1 - smooth(7.84, 8.0, y)) * (0.65 + 0.35 * noise(x * 4 + phase, y * 9, 9))
        wave = 0.5 + 0.5 * math.cos(2 * math.pi * (bent - 7.6) / 0.105 + phase)
        h -= lines * window * wave * wave * 0.0085
    if folds[2] > 0 and side < 0.2 and 7.3 < y < 7.75:
        window = smooth(7.36, 7.44, y) * (1 - smooth(7.54, 7.7, y))
        q = (side - 0.055 - 0.03 * (y - 7.45)) / 0.02
        h -= folds[2] * window * math.exp(-q * q) * 0.011
        q = (x - 0.01 * math.sin(phase)) / 0.014
        h -= folds[2] * window * math.exp(-q * q) * 0.003
    if folds[3] > 0 and side > 0.4:
        dx, dy = side - 0.455, y - 7.265
        r = math.sqrt(dx * dx + dy * dy)
        if r < 0.22:
            angle = math.atan2(dy, dx)
            window = smooth(0.02, 0.05, r) * (1 - smooth(0.09, 0.2, r)) * (1 - smooth(0.55, 0.95, abs(angle + 0.1)))
            wave = 0.5 + 0.5 * math.cos(angle * 13 + phase + 0.8 * noise(x * 30, y * 30, 3))
            h -= folds[3] * window * wave * wave * 0.006
    if folds[3] > 0 and 0.15 < side < 0.48 and 7.0 < y < 7.25:  # the pouch under the eye
        q = (y - 7.16 + 0.04 * math.cos((side - 0.31) * 8)) / 0.022
        h -= folds[3] * math.exp(-q * q) * 0.005 * (1 - smooth(0.12, 0.2, abs(side - 0.31)))
    cheek = folds[4] if x > 0 else folds[5]
    if cheek > 0 and side > 0.1 and 6.5 < y < 7.02:
        t = (6.95 - y) / 0.36
        q = (side - (0.155 + 0.2 * t + 0.1 * t * (1 - t))) / 0.028
        h -= cheek * smooth(-0.08, 0.1, t) * (1 - smooth(0.75, 1.1, t)) * math.exp(-q * q) * 0.011
    if folds[6] > 0 and side < 0.2 and 7.05 < y < 7.45:
        window = (1 - smooth(0.08, 0.19, side)) * smooth(7.1, 7.18, y) * (1 - smooth(7.33, 7.42, y))
        wave = 0.5 + 0.5 * math.cos(2 * math.pi * (y + 0.35 * side - 7.2) / 0.062 + phase)
        h -= folds[6] * window * wave * wave * 0.006
    if folds[7] > 0 and side < 0.2 and 6.3 < y < 6.58:
        window = (1 - smooth(0.1, 0.2, side)) * smooth(6.34, 6.4, y) * (1 - smooth(6.48, 6.55, y))
        h -= folds[7] * window * 0.003 * noise(x * 28, y * 28, 17)
        q = (y - 6.545 + 1.4 * x * x) / 0.018
        h -= folds[7] * math.exp(-q * q) * 0.005 * (1 - smooth(0.1, 0.2, side))
    return h


@compiled
def paint_skin(
    color: np.ndarray, u: float, v: float, x: float, y: float, z: float, lips: float, skin: np.ndarray
) -> None:
    """Adds blood, spots, freckles, stubble and lipstick to a skin colour (3,), in place."""
    side = abs(x)
    phase = skin[11]
    front = smooth(0.3, 0.9, z)
    # blood under cheeks, nose and chin, and uneven patches: red stays, green and blue fall
    dx, dy = (side - 0.36) / 0.2, (y - 7.0) / 0.16
    blood = 0.8 * math.exp(-dx * dx - dy * dy)
    dx, dy = side / 0.13, (y - 6.93) / 0.13
    blood += 0.9 * math.exp(-dx * dx - dy * dy)
    dx, dy = side / 0.18, (y - 6.42) / 0.12
    blood += 0.4 * math.exp(-dx * dx - dy * dy)
    blood = (
        skin[10] * front * blood + 0.05 * noise(x * 7 + phase, y * 7, 21) + 0.04 * noise(x * 19, y * 19 + phase, 22)
    )
    color[1] *= 1 - 0.26 * blood
    color[2] *= 1 - 0.3 * blood
    # darker round the eyes, more with age
    dx, dy = (side - 0.3) / 0.17, (y - 7.16) / 0.1
    ring = front * (0.1 + 0.16 * skin[9]) * math.exp(-dx * dx - dy * dy)
    color[0] *= 1 - 0.8 * ring
    color[1] *= 1 - ring
    color[2] *= 1 - 0.85 * ring
    grain = 1 + 0.05 * noise(x * 60, y * 60, 31) + 0.05 * (chance(int(u * 2600), int(v * 2600), 7) - 0.5)
    for k in range(3):
        color[k] *= grain
    if skin[8] > 0 or skin[9] > 0.3:
        paint_spots(color, x, y, z, skin)
    if z > 0.5 and 6.1 < y < 7.1:
        paint_mouth(color, u, v, x, y, lips, skin)


@compiled
def paint_spots(color: np.ndarray, x: float, y: float, z: float, skin: np.ndarray) -> None:
    """Freckles and the spots of age, in place."""
    side, phase, front = abs(x), skin[11], smooth(0.3, 0.9, z)
    for layer in range(2):
        size = 26.0 if layer == 0 else 11.0
        fx, fy = x * size + phase * 3, y * size + z * 4
        i, j = int(math.floor(fx)), int(math.floor(fy))
        cx, cy = chance(i, j, 41 + layer), chance(i, j, 43 + layer)
        r = 0.12 + 0.2 * chance(i, j, 45 + layer)
        d = math.sqrt((fx - i - 0.3 - 0.4 * cx) ** 2 + (fy - j - 0.3 - 0.4 * cy) ** 2)
        if layer == 0:
            dx, dy = side / 0.5, (y - 7.02) / 0.22
            amount = skin[8] * math.exp(-dx * dx - dy * dy) * (chance(i, j, 47) < 0.6)
        else:
            amount = max(0.0, skin[9] - 0.3) * (chance(i, j, 49) < 0.12) * 0.6
        spot = amount * front * (1 - smooth(r * 0.5, r, d))
        color[0] *= 1 - 0.28 * spot
        color[1] *= 1 - 0.42 * spot
        color[2] *= 1 - 0.5 * spot


@compiled
def paint_mouth(color: np.ndarray, u: float, v: float, x: float, y: float, lips: float, skin: np.ndarray) -> None:
    """Lips, lipstick and stubble, in place."""
    side = abs(x)
    if lips > 0:  # lips are redder than the skin round them
        color[0] *= 1 + 0.12 * lips
        color[1] *= 1 - 0.2 * lips
        color[2] *= 1 - 0.16 * lips
    if skin[0] > 0 and lips > 0:
        for k in range(3):
            color[k] = color[k] * (1 - lips * skin[0]) + lips * skin[0] * skin[1 + k]
    if skin[4] > 0:
        jaw = (1 - smooth(6.5, 6.78, y - 0.3 * smooth(0.3, 0.7, side))) * smooth(6.2, 6.34, y)
        jaw *= (1 - smooth(0.62, 0.78, side)) * (
            1 - 0.75 * (1 - smooth(0.1, 0.24, side)) * smooth(6.44, 6.5, y) * (1 - smooth(6.58, 6.62, y))
        )
        moustache = smooth(6.6, 6.7, y) * (1 - smooth(6.76, 6.86, y + 0.25 * side)) * (1 - smooth(0.2, 0.36, side))
        hair = 0.35 + 0.9 * chance(int(u * 1900), int(v * 1900), 3) + 0.35 * noise(x * 40, y * 14, 51)
        cover = min(0.93, skin[4] * min(1.0, jaw + moustache) * (1 - min(1.0, lips * 1.6)) * max(0.0, hair))
        for k in range(3):
            color[k] = color[k] * (1 - cover) + cover * skin[5 + k]


@compiled
def paint_eye(color: np.ndarray, u: float, v: float, iris: np.ndarray) -> float:
    """Colour (3,) of the eyeball where its axis is (u, v) away, in sines; returns how wet and round it is, 0..1."""
    r = math.sqrt(u * u + v * v)
    angle = math.atan2(v, u)
    if r > 0.43:  # white of the eye, pinker away from the iris
        red = smooth(0.5, 0.95, r)
        vein = 0.06 * max(0.0, noise(angle * 9, r * 22, 61)) * red
        color[0] = 0.70 - 0.06 * red
        color[1] = 0.66 - 0.16 * red - vein
        color[2] = 0.63 - 0.19 * red - vein
        edge = 1 - 0.55 * (1 - smooth(0.43, 0.475, r))
        for k in range(3):
            color[k] *= edge
        return 0.5
    fibre = 0.75 + 0.35 * noise(angle * 11, r * 5, 62) + 0.25 * noise(angle * 27, r * 9, 63)
    inner = smooth(0.15, 0.3, r)
    limbus = 1 - 0.75 * smooth(0.34, 0.43, r)
    pupil = smooth(0.125, 0.155, r)
    for k in range(3):
        warm = 1.45 if k == 0 else (1.1 if k == 1 else 0.75)
        color[k] = iris[k] * (inner + (1 - inner) * warm) * fibre * limbus * pupil + 0.004
    return 1.0
