"""The camera: head pose, lens, film and storage. Mesh -> points before the camera -> screen; light -> picture."""

import math

import cv2
import numpy as np
from PIL import Image

from .mesh import Mesh
from .specs import Scene


def rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """(3, 3) float32 from degrees as the viewer sees them: yaw to the right, pitch up, roll clockwise."""
    y, p, r = math.radians(yaw), math.radians(-pitch), math.radians(-roll)
    about_y = np.array([[math.cos(y), 0, math.sin(y)], [0, 1, 0], [-math.sin(y), 0, math.cos(y)]])
    about_x = np.array([[1, 0, 0], [0, math.cos(p), -math.sin(p)], [0, math.sin(p), math.cos(p)]])
    about_z = np.array([[math.cos(r), -math.sin(r), 0], [math.sin(r), math.cos(r), 0], [0, 0, 1]])
    return (about_z @ about_y @ about_x).astype(np.float32)


def seen_from_camera(
    mesh: Mesh, eyes: np.ndarray, turn: np.ndarray, scene: Scene
) -> tuple[np.ndarray, np.ndarray, float]:
    """Points (n, 3) with the camera at 0 looking along -z, the middle of the face (3,), and the eye distance."""
    middle, unit = eyes.mean(0), float(np.linalg.norm(eyes[0] - eyes[1]))
    face = middle + np.array([0, -0.5 * unit, -0.6 * unit])
    pivot = middle + np.array([0, -2.0 * unit, -1.4 * unit])
    points = mesh.points
    # the head turns, the shoulders stay, the neck follows by its height
    share = np.clip((points[:, 1] - (middle[1] - 3.4 * unit)) / (1.3 * unit), 0, 1)[:, None]
    share = share * share * (3 - 2 * share)
    points = points + ((points - pivot) @ turn.T + pivot - points) * share
    face = (face - pivot) @ turn.T + pivot
    half = 2.05 * unit / scene.zoom
    distance = half / math.tan(math.radians(scene.field_of_view) / 2)
    camera = face + np.array([-scene.shift[0] * half, scene.shift[1] * half, distance])
    return (points - camera).astype(np.float32), face - camera, unit


def project(points: np.ndarray, focal: float, width: int) -> np.ndarray:
    """(n, 3): column and row in samples, and 1 / depth."""
    inverse = 1 / np.maximum(-points[:, 2], 1e-3)
    column = (points[:, 0] * inverse * focal * 0.5 + 0.5) * width
    row = (0.5 - points[:, 1] * inverse * focal * 0.5) * width
    return np.stack([column, row, inverse], -1).astype(np.float32)


def develop(linear: np.ndarray, scene: Scene, rng: np.random.Generator) -> Image.Image:
    """Linear light -> the picture that a camera would have stored."""
    size = linear.shape[0]
    exposed = linear * np.float32(scene.exposure)
    # film: a soft shoulder, a little toe (after the filmic curve of Hejl and Burgess-Dawson, weakened)
    film = exposed * (1 + exposed * 0.10) / (1 + exposed * 0.55)
    if scene.blur > 0.1:
        film = cv2.GaussianBlur(film, (0, 0), scene.blur * size / 224)
    film = np.clip(film, 0, 1)
    encoded = np.where(film <= 0.0031308, 12.92 * film, 1.055 * np.power(np.maximum(film, 1e-6), 1 / 2.4) - 0.055)
    encoded = encoded + rng.normal(0, scene.noise, encoded.shape) if scene.noise else encoded
    pixels = (np.clip(encoded, 0, 1) * 255 + 0.5).astype(np.uint8)
    if scene.quality is not None:
        _, data = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, scene.quality])
        pixels = np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])
    return Image.fromarray(pixels)
