"""Plane geometry of faces: squares, similarity transforms, warps, and the 68 iBUG points of the 468-point mesh.

All points are pixels with the centre of the first pixel at (0, 0), as in OpenCV.
"""

import cv2
import numpy as np

# iBUG-68 order -> vertex of MediaPipe's face mesh. The jaw runs along the face oval.
MESH_TO_IBUG = np.array(
    [127, 234, 93, 132, 58, 172, 136, 150, 152, 379, 365, 397, 288, 361, 323, 454, 356]  # jaw
    + [70, 63, 105, 66, 107, 336, 296, 334, 293, 300]  # brows
    + [168, 197, 5, 4, 75, 97, 2, 326, 305]  # nose
    + [33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380]  # eyes
    + [61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181]  # outer lips
    + [78, 82, 13, 312, 308, 317, 14, 87]  # inner lips
)
MAX_STEPS = 16  # samples per side of a result's pixel; bounds the memory on very large pictures
MESH_EYES = (33, 263)  # outer corners, picture left first


def square_transform(centre: np.ndarray, side: float, angle: float, size: int) -> np.ndarray:
    """The (2, 3) similarity that maps a square of the source onto a size x size picture.

    Args:
        centre: (2,) pixels; side: pixels; angle: radians by which the square is turned clockwise in the picture.
        size: pixels of the result.
    """
    scale = size / side
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    turn = np.array([[cosine, sine], [-sine, cosine]])
    return np.column_stack([turn, (size - 1) / 2 - turn @ np.asarray(centre, float)])


def fit_similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The (2, 3) similarity without reflection that maps (K, 2) points closest to (K, 2) targets (Umeyama, 1991)."""
    source_mean, target_mean = source.mean(0), target.mean(0)
    covariance = (target - target_mean).T @ (source - source_mean) / len(source)
    left, spread, right = np.linalg.svd(covariance)
    signs = np.array([1.0, np.sign(np.linalg.det(left) * np.linalg.det(right))])
    turn = (left * signs) @ right * (spread @ signs / ((source - source_mean) ** 2).sum(1).mean())
    return np.column_stack([turn, target_mean - turn @ source_mean])


def apply(transform: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Map (..., 2) points by a (2, 3) transform."""
    return points @ transform[:, :2].T + transform[:, 2]


def invert(transform: np.ndarray) -> np.ndarray:
    """The (2, 3) transform that undoes `transform`."""
    turn = np.linalg.inv(transform[:, :2])
    return np.column_stack([turn, -turn @ transform[:, 2]])


def warp(pixels: np.ndarray, transform: np.ndarray, size: int, *, border: int = cv2.BORDER_CONSTANT) -> np.ndarray:
    """Cut a size x size picture out of (H, W, 3) uint8 pixels; smooth when it shrinks, black outside the source."""
    shrink = 1 / np.sqrt(np.linalg.det(transform[:, :2]))
    steps = min(MAX_STEPS, max(1, int(np.ceil(shrink))))
    fine = transform * steps
    fine[:, 2] += (steps - 1) / 2
    large = cv2.warpAffine(pixels, fine, (size * steps,) * 2, flags=cv2.INTER_LINEAR, borderMode=border)
    return large if steps == 1 else cv2.resize(large, (size, size), interpolation=cv2.INTER_AREA)


def spread(grid: np.ndarray, transform: np.ndarray, size: tuple[int, int], crop_size: int) -> np.ndarray:
    """Lay a (K, K) grid of values over a crop back onto its source picture: (height, width) float32, 0 outside.

    Bilinear between the centres of the cells, the border's value from there to the crop's edge.

    Args:
        transform: (2, 3), source pixels to crop pixels; size: (width, height) of the source; crop_size: pixels.
    """
    cells = len(grid) / crop_size
    to_grid = transform * cells
    to_grid[:, 2] += (cells - 1) / 2  # the centre of the first pixel lies half a pixel inside the first cell
    low, high = -0.5, crop_size - 0.5
    corners = apply(invert(transform), np.array([[low, low], [high, low], [high, high], [low, high]]))
    x0, y0 = np.clip(np.floor(corners.min(0)), 0, size).astype(int)
    x1, y1 = np.clip(np.ceil(corners.max(0)) + 1, 0, size).astype(int)
    values = np.zeros((size[1], size[0]), np.float32)
    if x0 < x1 and y0 < y1:
        window = (int(x1 - x0), int(y1 - y0))
        place = to_grid @ np.array([[1, 0, x0], [0, 1, y0], [0, 0, 1]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        drawn = cv2.warpAffine(grid.astype(np.float32), place, window, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        square = np.round((corners - (x0, y0)) * 256).astype(np.int32)
        inside = cv2.fillConvexPoly(np.zeros(window[::-1], np.uint8), square, 1, shift=8)
        values[y0:y1, x0:x1] = drawn * inside
    return values


def iou(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Intersection over union of one (4,) box with (K, 4) boxes, x0, y0, x1, y1."""
    inner = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    shared = np.clip(inner, 0, None).prod(1)
    return shared / ((box[2:] - box[:2]).prod() + (boxes[:, 2:] - boxes[:, :2]).prod(1) - shared + 1e-9)


def keep_best(boxes: np.ndarray, scores: np.ndarray, threshold: float = 0.3) -> list[int]:
    """Non-maximum suppression: indices of (K, 4) boxes, best score first, none overlapping a better one."""
    kept: list[int] = []
    for index in np.argsort(-scores):
        if not kept or iou(boxes[index], boxes[kept]).max() < threshold:
            kept.append(int(index))
    return kept
