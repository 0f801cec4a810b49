"""A background out of focus, from a seed: a wall, a room, foliage or lights behind the person."""

import cv2
import numpy as np


def backdrop(seed: int, size: int) -> np.ndarray:
    """(size, size, 3) float32 linear light."""
    rng = np.random.default_rng([seed, 3])
    cells = int(rng.integers(1, 7))
    base = rng.uniform(0.03, 0.6) * np.exp(rng.normal(0, 0.18, 3))
    spread = np.exp(rng.normal(0, rng.uniform(0.05, 0.7), (cells, cells, 1)) + rng.normal(0, 0.12, (cells, cells, 3)))
    picture = cv2.resize((base * spread).astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC)
    kind = rng.integers(4)
    if kind == 1:  # a window or a picture on the wall
        x, y = rng.uniform(-0.2, 0.8, 2) * size
        w, h = rng.uniform(0.2, 0.6, 2) * size
        color = (base * rng.uniform(0.3, 3.5) * np.exp(rng.normal(0, 0.15, 3))).tolist()
        cv2.rectangle(picture, (int(x), int(y)), (int(x + w), int(y + h)), color, -1)
        picture = cv2.GaussianBlur(picture, (0, 0), size * rng.uniform(0.01, 0.04))
    elif kind == 2:  # lights far behind
        glow = np.zeros_like(picture)
        for _ in range(int(rng.integers(5, 16))):
            at = tuple(int(q) for q in rng.uniform(0, size, 2))
            color = (rng.uniform(0.1, 0.8) * np.exp(rng.normal(0, 0.3, 3))).tolist()
            cv2.circle(glow, at, max(1, int(size * rng.uniform(0.02, 0.07))), color, -1, cv2.LINE_AA)
        picture = picture * 0.5 + cv2.GaussianBlur(glow, (0, 0), size * 0.012)
    elif kind == 3:  # light falling off along the wall
        ramp = np.linspace(rng.uniform(0.4, 1), rng.uniform(1, 1.7), size, dtype=np.float32)
        ramp = ramp if rng.random() < 0.5 else ramp[::-1]
        picture = picture * (ramp[None, :, None] if rng.random() < 0.6 else ramp[:, None, None])
    return np.clip(picture, 0.005, 1.2).astype(np.float32)
