"""Spectacle frames as thin tubes round the eyes: style and the head's own measures -> points and triangles."""

import numpy as np

from ..errors import EmoError

STYLES = {  # half width, half height (in eye distances), roundness of the rim (2 is an ellipse), thickness
    "round": (0.37, 0.34, 2.0, 0.020),
    "oval": (0.41, 0.29, 2.3, 0.018),
    "square": (0.43, 0.29, 4.0, 0.030),
}
DROP, BEND = 0.05, 0.22  # in eye distances: how far the rims hang below the eyes' middle, how much the front curves
_SIDES = 6


def glasses_mesh(
    style: str, centres: np.ndarray, radii: np.ndarray, body: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The frame on a head at rest.

    Args:
        style: a key of `STYLES`.
        centres: (2, 3) middle of the left and right eyeball; `radii` (2,) their sizes.
        body: (n, 3) skin points, from which nose and temples are measured.

    Returns:
        points (m, 3) and triangles (t, 3); m and t depend on the style only.

    Raises:
        EmoError: for a style that is not in `STYLES`.
    """
    if style not in STYLES:
        raise EmoError(f"there are no {style!r} glasses; use one of {', '.join(STYLES)}")
    half_width, half_height, power, thickness = STYLES[style]
    middle = centres.mean(0)
    span = float(np.linalg.norm(centres[0] - centres[1]))
    near = np.abs(body[:, 1] - middle[1]) < 0.25 * span
    nose = body[near & (np.abs(body[:, 0]) < 0.1 * span), 2].max() + 0.05 * span
    # the rim clears the skin that it passes: a heavy brow, the sides of the nose
    across = (np.abs(body[:, 0]) / span - 0.5) / half_width
    up = ((body[:, 1] - middle[1]) / span + DROP) / half_height
    passed = np.abs((np.abs(across) ** power + np.abs(up) ** power) ** (1 / power) - 1) < 0.15
    rim = (body[passed, 2] + BEND * body[passed, 0] ** 2 / span).max() + thickness * span
    front = max(rim, nose - 0.06 * span, centres[:, 2].max() + radii.max() + 0.16 * span)
    beside = near & (body[:, 2] < middle[2] - 0.15 * span) & (body[:, 2] > middle[2] - 0.75 * span)
    temple = np.quantile(np.abs(body[beside, 0]), 0.9) + 0.02 * span

    def bent(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """A place on the frame's front, which bends back towards the temples."""
        return np.stack([x, y + middle[1] - DROP * span, front - BEND * x**2 / span], -1)

    turn = np.linspace(0, 2 * np.pi, 29)[:-1]
    cos, sin = np.cos(turn), np.sin(turn)
    rim_x = np.sign(cos) * np.abs(cos) ** (2 / power) * half_width * span
    rim_y = np.sign(sin) * np.abs(sin) ** (2 / power) * half_height * span
    tubes = [(bent(rim_x + side * span / 2, rim_y), True) for side in (1, -1)]
    inner = span / 2 - half_width * span
    arch = np.linspace(-inner, inner, 7)
    tubes.append((bent(arch, 0.08 * span + 0.05 * span * (1 - (arch / max(inner, 1e-3)) ** 2)), False))
    outer = span / 2 + half_width * span
    hinge = bent(np.array([outer]), np.array([0.12 * span]))[0]
    for side in (1, -1):
        ear = np.array([side * temple, hinge[1], middle[2] - 1.25 * span])
        bow = np.array([side * (temple + 0.3 * max(0.0, outer - temple)), hinge[1], middle[2] - 0.15 * span])
        tubes.append((np.stack([hinge * (side, 1, 1), bow, ear, ear - (0, 0.25 * span, 0.15 * span)]), False))
    points, faces, count = [], [], 0
    for path, closed in tubes:
        tube, triangles = _tube(path, thickness * span, closed)
        points.append(tube)
        faces.append(triangles + count)
        count += len(tube)
    return np.concatenate(points).astype(np.float32), np.concatenate(faces).astype(np.int32)


def _tube(path: np.ndarray, radius: float, closed: bool) -> tuple[np.ndarray, np.ndarray]:
    """A tube along `path` (k, 3): points (k * sides, 3) and triangles."""
    ahead = np.roll(path, -1, 0) - np.roll(path, 1, 0) if closed else np.gradient(path, axis=0)
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    up = np.where(np.abs(ahead[:, 2:]) < 0.9, [[0.0, 0.0, 1.0]], [[0.0, 1.0, 0.0]])
    one = np.cross(ahead, up)
    one /= np.linalg.norm(one, axis=1, keepdims=True)
    two = np.cross(ahead, one)
    turn = np.arange(_SIDES) / _SIDES * 2 * np.pi
    ring = one[:, None] * np.cos(turn)[None, :, None] + two[:, None] * np.sin(turn)[None, :, None]
    points = (path[:, None] + radius * ring).reshape(-1, 3)
    steps = len(path) if closed else len(path) - 1
    k, s = np.meshgrid(np.arange(steps), np.arange(_SIDES), indexing="ij")
    k2, s2 = (k + 1) % len(path), (s + 1) % _SIDES
    a, b, c, d = k * _SIDES + s, k * _SIDES + s2, k2 * _SIDES + s, k2 * _SIDES + s2
    return points, np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([b, d, c], -1).reshape(-1, 3)])
