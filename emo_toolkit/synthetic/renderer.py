"""FaceSpec -> picture and exact truth, in software: no OpenGL, no GPU. The same spec gives the same pixels.

Mesh -> screen -> z-buffer -> light on vertices -> colour of samples -> film -> picture.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from PIL import Image

from ..errors import EmoError
from ..schema import FaceTruth
from .action_units import valence_arousal
from .backdrop import backdrop
from .camera import develop, project, rotation, seen_from_camera
from .kernels import SAMPLES, rasterize
from .landmarks import LANDMARK_VERTICES
from .lighting import Light, light_vertices
from .looks import folds, mouth_cavity, skin_amounts, skin_detail, tints
from .mesh import Mesh, Mesher
from .pack import FacePack
from .shading import BROWS, HAIR, LASHES, MATERIALS, TEETH, TONGUE, shade
from .specs import FaceSpec, Identity

LAYERS = {TEETH: 0, TONGUE: 1, LASHES: 2, BROWS: 3, HAIR: 4}  # material -> place in the stack of textures
BOOST = {LASHES: 0.9, BROWS: 1.5, HAIR: 1.35}  # thin hairs lose opacity in a small picture
GREY = 188  # sRGB of linear 0.5: what a texture is before its tint
TEXTURE = 512  # pixels of a side
BEHIND = 0.12  # eye distances: a landmark is hidden where something is nearer by more


@dataclass(frozen=True)
class DrawnFace:
    """A picture and what is exactly known of it."""

    image: Image.Image
    truth: FaceTruth


class FaceRenderer:
    """Draws faces of one asset pack. One object a process or thread: it keeps decoded textures.

    Raises:
        EmoError: when the pack is missing or broken.
    """

    def __init__(self, pack: FacePack | None = None) -> None:
        self.pack = pack or FacePack.load()
        self.rest = self.pack.subdivide(self.pack.vertices)  # (body, 3) the skin of the base head
        self._mesher = Mesher(self.pack)
        self._cavity = mouth_cavity(self.pack)
        self._detail = lru_cache(maxsize=32)(lambda name: skin_detail(self.pack, name))
        self._stack = lru_cache(maxsize=16)(self._texture_stack)

    def draw(self, spec: FaceSpec, *, size: int = 224) -> DrawnFace:
        """One face, `size` pixels square.

        Raises:
            EmoError: when the spec names an action unit, a shape or a part that does not exist, or holds an intensity
            outside 0..1.
        """
        mesh, points, screen, centre, unit = self._stand(spec, size)
        depth, hit, weights = self._rasterize(screen, mesh, spec.identity, size * SAMPLES)
        light = light_vertices(points, mesh, cavity=self._cavity, centre=centre, unit=unit, scene=spec.scene)
        pixels = self._shade(hit, weights, points, mesh, light, spec, size)
        image = develop(pixels, spec.scene, np.random.default_rng([spec.seed, 7]))
        return DrawnFace(image, _truth(spec, screen[LANDMARK_VERTICES], depth, unit))

    def project(self, spec: FaceSpec, *, size: int = 224) -> np.ndarray:
        """Where each vertex of the skin is in the picture, (body, 2) pixels, without drawing it."""
        mesh, _, screen, _, _ = self._stand(spec, size)
        return screen[: mesh.body, :2] / SAMPLES

    def _stand(self, spec: FaceSpec, size: int) -> tuple[Mesh, np.ndarray, np.ndarray, np.ndarray, float]:
        """The mesh, its points before the camera and on the screen, the middle of the face and the eye distance."""
        if size < 1:
            raise EmoError(f"a picture cannot be {size} pixels wide; use 1 or more")
        scene = spec.scene
        mesh, eyes = self._mesher.mesh(spec.identity, spec.expression.action_units, rotation(*scene.gaze, 0))
        points, centre, unit = seen_from_camera(mesh, eyes, rotation(scene.yaw, scene.pitch, scene.roll), scene)
        focal = 1 / math.tan(math.radians(scene.field_of_view) / 2)
        return mesh, points, project(points, focal, size * SAMPLES), centre, unit

    def _rasterize(
        self, screen: np.ndarray, mesh: Mesh, identity: Identity, width: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        depth = np.zeros((width, width), np.float32)
        hit = np.full((width, width), -1, np.int32)
        weights = np.zeros((width, width, 2), np.float32)
        layer, boost = np.full(MATERIALS, -1, np.int32), np.ones(MATERIALS, np.float32)
        for material, factor in BOOST.items():
            layer[material], boost[material] = LAYERS[material], factor
        top, textures = mesh.topology, self._textures(identity)
        rasterize(
            screen, top.triangles, top.uv, top.uv_triangles, top.material, layer, boost, textures, depth, hit, weights
        )
        return depth, hit, weights

    def _shade(
        self,
        hit: np.ndarray,
        weights: np.ndarray,
        points: np.ndarray,
        mesh: Mesh,
        light: Light,
        spec: FaceSpec,
        size: int,
    ) -> np.ndarray:
        """(size, size, 3) linear light."""
        identity, scene, top = spec.identity, spec.scene, mesh.topology
        layer = np.full(MATERIALS, -1, np.int32)
        layer[list(LAYERS)] = list(LAYERS.values())
        vertices = np.column_stack([points, light.normals, light.ambient, light.key, light.seen])
        axes = rotation(scene.yaw, scene.pitch, scene.roll).T[:2]
        out = np.zeros((size, size, 3), np.float32)
        shade(
            hit,
            weights,
            top.triangles,
            top.uv,
            top.uv_triangles,
            top.material,
            vertices,
            self.rest,
            np.ascontiguousarray(axes),
            self._detail(identity.skin),
            self._textures(identity),
            layer,
            tints(identity),
            np.stack([light.lamp.direction, light.lamp.color]),
            np.array([identity.iris, identity.shirt], np.float32),
            folds(spec),
            skin_amounts(identity),
            backdrop(scene.background, size),
            out,
        )
        return out

    def _textures(self, identity: Identity) -> np.ndarray:
        return self._stack(identity.lashes, identity.brow, identity.hair)

    def _texture_stack(self, lashes: str, brow: str, hair: str | None) -> np.ndarray:
        """(layers, 512, 512, 4) uint8: lashes, brows and hair in grey, so that a tint colours them."""
        stack = np.zeros((len(LAYERS), TEXTURE, TEXTURE, 4), np.uint8)
        for place, name in enumerate(("teeth/Teeth_Base", "tongue/tongue01", lashes, brow, hair)):
            if name:
                texture = self.pack.proxies[name].texture
                stack[place] = cv2.resize(texture, (TEXTURE, TEXTURE), interpolation=cv2.INTER_AREA)
        stack[LAYERS[LASHES], ..., :3] = stack[LAYERS[BROWS], ..., :3] = GREY
        if hair:
            grey = cv2.GaussianBlur(stack[LAYERS[HAIR], ..., :3].mean(-1), (0, 0), 0.8)
            seen = grey[stack[LAYERS[HAIR], ..., 3] > 100]
            # strands stay, painted shadows and glitter go, because the light brings its own
            contrast = min(0.65, 0.2 * seen.mean() / max(seen.std(), 1e-3))
            flat = GREY * (1 + contrast * (grey / max(seen.mean(), 1) - 1))
            stack[LAYERS[HAIR], ..., :3] = np.clip(flat, 20, 255)[..., None]
        return stack


def _truth(spec: FaceSpec, marks: np.ndarray, depth: np.ndarray, unit: float) -> FaceTruth:
    """`marks` (68, 3) are column, row (samples) and 1 / depth of the landmarks, `unit` is the eye distance."""
    width = depth.shape[0]
    depth = cv2.erode(depth, np.ones((3, 3)))  # a landmark on an outline is seen from the next sample
    column, row = np.clip(marks[:, :2].astype(int), 0, width - 1).T
    inside = ((marks[:, :2] >= 0) & (marks[:, :2] < width)).all(1)
    expression, scene, identity = spec.expression, spec.scene, spec.identity
    valence, arousal = valence_arousal(expression.action_units)
    return FaceTruth(
        label=expression.label,
        action_units={code: value for code, value in expression.action_units.items() if value > 0},
        age=identity.age,
        gender=identity.gender,
        race=identity.race,
        yaw=scene.yaw,
        pitch=scene.pitch,
        roll=scene.roll,
        valence=valence,
        arousal=arousal,
        landmarks=(marks[:, :2] / SAMPLES).astype(np.float32),
        visible=inside & (depth[row, column] * (1 / marks[:, 2] - BEHIND * unit) < 1),
        identity=identity.id,
        seed=spec.seed,
        second=expression.second,
        factor=spec.factor,
        intensity=expression.intensity,
    )
