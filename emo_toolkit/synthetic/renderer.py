"""FaceSpec -> picture and exact truth, in software: camera, soft light with shadows, skin, film.

Mesh -> screen -> z-buffer -> light on vertices -> colour of samples -> pixels. The same spec gives the same pixels.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from PIL import Image

from ..schema import FaceTruth
from .action_units import valence_arousal
from .backdrop import backdrop
from .kernels import SAMPLES, add_light, depth_map, rasterize, scatter, vertex_normals
from .landmarks import LANDMARK_VERTICES
from .mesh import Mesh, Mesher
from .pack import FacePack
from .shading import BROWS, FRAME, GLOSS, HAIR, LASHES, MATERIALS, SKIN, TEETH, TONGUE, shade
from .specs import FaceSpec, Identity, Scene

LAYERS = {TEETH: 0, TONGUE: 1, LASHES: 2, BROWS: 3, HAIR: 4}  # material -> place in the stack of textures
BOOST = {LASHES: 0.9, BROWS: 1.5, HAIR: 1.35}  # thin hairs lose opacity in a small picture
SKY_LAMPS, KEY_LAMPS = 18, 4
SKY_MAP, KEY_MAP = 112, 224  # pixels of their shadow maps
WRAP = {SKIN: (0.36, 0.18, 0.12), HAIR: (0.5, 0.5, 0.5)}
SCATTER = np.array([4, 2, 1])


@dataclass(frozen=True)
class DrawnFace:
    """A picture and what is exactly known of it."""

    image: Image.Image
    truth: FaceTruth


@dataclass(frozen=True)
class _Lamp:
    direction: np.ndarray  # (3,) towards it
    color: np.ndarray  # (3,) linear
    is_key: bool


class FaceRenderer:
    """Draws faces of one asset pack. One object a process or thread; it keeps decoded textures."""

    def __init__(self, pack: FacePack | None = None) -> None:
        self.pack = pack or FacePack.load()
        self._mesher = Mesher(self.pack)
        self.rest = self.pack.subdivide(self.pack.vertices)
        self._cavity = _mouth_cavity(self.pack)
        self._detail = lru_cache(maxsize=32)(self._skin_detail)
        self._stack = lru_cache(maxsize=16)(self._texture_stack)

    def draw(self, spec: FaceSpec, *, size: int = 224) -> DrawnFace:
        """One face, `size` pixels square.

        Raises:
            EmoError: when the spec names an action unit, a target or a part that does not exist.
        """
        mesh, points, screen, centre, unit = self._stand(spec, size)
        scene, turn = spec.scene, _rotation(spec.scene.yaw, spec.scene.pitch, spec.scene.roll)
        samples = self._rasterize(screen, mesh, spec.identity, size * SAMPLES)
        light = self._light(points, mesh, centre, unit, scene)
        pixels = self._shade(samples, points, mesh, light, turn, spec, size)
        image = _develop(pixels, scene, np.random.default_rng([spec.seed, 7]))
        return DrawnFace(image, self._truth(spec, screen / SAMPLES, samples[0], size))

    def project(self, spec: FaceSpec, *, size: int = 224) -> np.ndarray:
        """Where each vertex of the skin is in the picture, (body, 2) pixels, without drawing it."""
        mesh, _, screen, _, _ = self._stand(spec, size)
        return screen[: mesh.body, :2] / SAMPLES

    def _stand(self, spec: FaceSpec, size: int) -> tuple[Mesh, np.ndarray, np.ndarray, np.ndarray, float]:
        """The mesh, its points before the camera and on the screen, the middle of the face and the eye distance."""
        scene = spec.scene
        mesh, eyes = self._mesher.mesh(spec.identity, spec.expression.action_units, _rotation(*scene.gaze, 0))
        points, centre, unit = _seen_from_camera(mesh, eyes, _rotation(scene.yaw, scene.pitch, scene.roll), scene)
        focal = 1 / math.tan(math.radians(scene.field_of_view) / 2)
        return mesh, points, _project(points, focal, size * SAMPLES), centre, unit

    def _rasterize(
        self, screen: np.ndarray, mesh: Mesh, identity: Identity, width: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        depth = np.zeros((width, width), np.float32)
        hit = np.full((width, width), -1, np.int32)
        weights = np.zeros((width, width, 2), np.float32)
        layer, boost = np.full(MATERIALS, -1, np.int32), np.ones(MATERIALS, np.float32)
        for material, factor in BOOST.items():
            layer[material], boost[material] = LAYERS[material], factor
        top = mesh.topology
        textures = self._textures(identity)
        rasterize(
            screen, top.triangles, top.uv, top.uv_triangles, top.material, layer, boost, textures, depth, hit, weights
        )
        return depth, hit, weights

    def _light(
        self, points: np.ndarray, mesh: Mesh, centre: np.ndarray, unit: float, scene: Scene
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, _Lamp]:
        """Normals (n, 3), ambient and key light (n, 3), share of the key that is seen (n,), and the key lamp."""
        top = mesh.topology
        normals = vertex_normals(points, top.triangles)
        wrap = np.full((len(points), 3), 0.1, np.float32)
        for material, values in WRAP.items():
            wrap[mesh.kind == material] = values
        ambient, key = np.zeros_like(points), np.zeros_like(points)
        shadow, unused = np.zeros(len(points), np.float32), np.zeros(len(points), np.float32)
        lamps = _lamps(scene)
        for lamp in lamps:
            pixels = KEY_MAP if lamp.is_key else SKY_MAP
            frame, offset = _lamp_frame(lamp.direction, centre, unit, pixels)
            seen = (points @ frame.T + offset).astype(np.float32)
            nearest = np.full((pixels, pixels), -1e9, np.float32)
            depth_map(seen, top.triangles, top.casts, nearest)
            bias = unit * (0.04 if lamp.is_key else 0.09)
            target, count = (key, shadow) if lamp.is_key else (ambient, unused)
            add_light(points, normals, seen, nearest, lamp.direction, lamp.color, wrap, bias, target, count)
        shadow /= KEY_LAMPS
        teeth = mesh.kind == TEETH  # light goes through lips and cheeks, and reaches the teeth
        ambient[teeth] += 0.3 * scene.ambient
        body = slice(0, mesh.body)
        ambient[body] *= self._cavity
        key[body] *= self._cavity
        for light in (ambient, key):
            scatter(light[body], self.pack.triangles, SCATTER)
        main = next(lamp for lamp in lamps if lamp.is_key)
        return normals, ambient, key, shadow, _Lamp(main.direction, main.color * KEY_LAMPS, True)

    def _shade(
        self,
        samples: tuple[np.ndarray, np.ndarray, np.ndarray],
        points: np.ndarray,
        mesh: Mesh,
        light: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, _Lamp],
        turn: np.ndarray,
        spec: FaceSpec,
        size: int,
    ) -> np.ndarray:
        normals, ambient, key, shadow, lamp = light
        identity, top = spec.identity, mesh.topology
        layer = np.full(MATERIALS, -1, np.int32)
        for material, place in LAYERS.items():
            layer[material] = place
        out = np.zeros((size, size, 3), np.float32)
        shade(
            samples[1],
            samples[2],
            top.triangles,
            top.uv,
            top.uv_triangles,
            top.material,
            points,
            normals,
            ambient,
            key,
            shadow,
            self.rest,
            np.ascontiguousarray(turn.T[:2]),
            self._detail(identity.skin),
            self._textures(identity),
            layer,
            _tints(identity),
            GLOSS,
            np.stack([lamp.direction, lamp.color]),
            _folds(spec),
            _skin_amounts(identity),
            np.asarray(identity.iris, np.float32),
            np.asarray(identity.shirt, np.float32),
            backdrop(spec.scene.background, size),
            out,
        )
        return out

    def _truth(self, spec: FaceSpec, screen: np.ndarray, depth: np.ndarray, size: int) -> FaceTruth:
        marks = screen[LANDMARK_VERTICES]
        column, row = (np.clip((marks[:, k] * SAMPLES).astype(int), 0, size * SAMPLES - 1) for k in (0, 1))
        inside = ((marks[:, :2] >= 0) & (marks[:, :2] < size)).all(1)
        # a landmark is seen where nothing lies clearly nearer than it (3 % of the distance to the face)
        visible = inside & (depth[row, column] < marks[:, 2] * SAMPLES * 1.03)
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
            landmarks=marks[:, :2].astype(np.float32),
            visible=visible,
            identity=identity.id,
            seed=spec.seed,
            second=expression.second,
            factor=spec.factor,
            intensity=expression.intensity,
        )

    def _textures(self, identity: Identity) -> np.ndarray:
        return self._stack(identity.lashes, identity.brow, identity.hair)

    def _texture_stack(self, lashes: str, brow: str, hair: str | None) -> np.ndarray:
        """(layers, 512, 512, 4) uint8: hair in grey with its own mean, so that a tint colours it."""
        stack = np.zeros((len(LAYERS), 512, 512, 4), np.uint8)
        for place, name in enumerate(("teeth/Teeth_Base", "tongue/tongue01", lashes, brow, hair)):
            if name:
                stack[place] = cv2.resize(self.pack.proxies[name].texture, (512, 512), interpolation=cv2.INTER_AREA)
        stack[LAYERS[LASHES], ..., :3] = stack[LAYERS[BROWS], ..., :3] = 188
        if hair:
            grey = cv2.GaussianBlur(stack[LAYERS[HAIR], ..., :3].mean(-1), (0, 0), 0.8)
            seen = grey[stack[LAYERS[HAIR], ..., 3] > 100]
            # strands stay, painted shadows and glitter go, because the light brings its own
            contrast = min(0.65, 0.2 * seen.mean() / max(seen.std(), 1e-3))
            flat = 188 * (1 + contrast * (grey / max(seen.mean(), 1) - 1))
            stack[LAYERS[HAIR], ..., :3] = np.clip(flat, 20, 255)[..., None]
        return stack

    def _skin_detail(self, name: str) -> np.ndarray:
        """(h, w, 4) float32: the skin picture over the mean of its face, in linear light, and the lips' mask."""
        picture = self.pack.skin(name).astype(np.float32) / 255
        flat = picture * picture * (picture * 0.305306011 + 0.682171111) + 0.012522878 * picture
        lips, face = (self.pack.mask(part).astype(np.float32) / 255 for part in ("lips", "face"))
        ratio = np.clip(flat / flat[(face > 0.5) & (lips < 0.1)].mean(0), 0.05, 2.0)
        grey = ratio.mean(-1, keepdims=True)
        # the pictures' own tint of shadows, hair and eyelids would be garish on another tone: half of it stays
        soft = grey**0.85 * (ratio / grey) ** 0.5
        return np.dstack([soft, lips]).astype(np.float32)


def _rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """(3, 3) float32 from degrees as the viewer sees them: yaw to the right, pitch up, roll clockwise."""
    y, p, r = math.radians(yaw), math.radians(-pitch), math.radians(-roll)
    about_y = np.array([[math.cos(y), 0, math.sin(y)], [0, 1, 0], [-math.sin(y), 0, math.cos(y)]])
    about_x = np.array([[1, 0, 0], [0, math.cos(p), -math.sin(p)], [0, math.sin(p), math.cos(p)]])
    about_z = np.array([[math.cos(r), -math.sin(r), 0], [math.sin(r), math.cos(r), 0], [0, 0, 1]])
    return (about_z @ about_y @ about_x).astype(np.float32)


def _seen_from_camera(
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


def _project(points: np.ndarray, focal: float, width: int) -> np.ndarray:
    """(n, 3): column and row in samples, and 1 / depth."""
    inverse = 1 / np.maximum(-points[:, 2], 1e-3)
    column = (points[:, 0] * inverse * focal * 0.5 + 0.5) * width
    row = (0.5 - points[:, 1] * inverse * focal * 0.5) * width
    return np.stack([column, row, inverse], -1).astype(np.float32)


def _direction(azimuth: float, elevation: float) -> np.ndarray:
    a, e = math.radians(azimuth), math.radians(elevation)
    return np.array([math.sin(a) * math.cos(e), math.sin(e), math.cos(a) * math.cos(e)])


def _lamps(scene: Scene) -> list[_Lamp]:
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
    return [_Lamp(d.astype(np.float32), c.astype(np.float32), is_key) for d, c, is_key in lamps]


def _lamp_frame(
    direction: np.ndarray, centre: np.ndarray, unit: float, pixels: int
) -> tuple[np.ndarray, np.ndarray]:
    """Matrix (3, 3) and offset (3,) that take points to a lamp's map: column, row, nearness."""
    across = np.cross((0.0, 1.0, 0.0) if abs(direction[1]) < 0.95 else (1.0, 0.0, 0.0), direction)
    across /= np.linalg.norm(across)
    zoom = pixels / (6.4 * unit)
    frame = np.stack([across * zoom, np.cross(direction, across) * zoom, direction])
    return frame, np.array([pixels / 2, pixels / 2, 0]) - frame @ centre * (1, 1, 0)


def _tints(identity: Identity) -> np.ndarray:
    """(materials, 3) linear colour that each material's texture is multiplied with (188 in sRGB is 0.5 linear)."""
    tint = np.ones((MATERIALS, 3), np.float32)
    hair = np.asarray(identity.hair_color)
    tint[SKIN] = identity.tone
    tint[TEETH] = (2.0, 1.9, 1.65)
    tint[TONGUE] = (1.1, 0.9, 0.9)
    tint[LASHES] = 0.02
    tint[HAIR] = hair * 2
    tint[BROWS] = hair * 2 * min(1.2, 0.16 / hair.max())
    tint[FRAME] = identity.frame_color
    return tint


def _skin_amounts(identity: Identity) -> np.ndarray:
    """The `skin` vector of surface.py."""
    hair = np.asarray(identity.hair_color)
    hair = hair * min(0.8, 0.2 / hair.max())
    years = float(np.clip((identity.age - 30) / 45, 0, 1))
    blush = 0.35 + 0.5 * float(np.clip(np.mean(identity.tone) / 0.4, 0, 1))
    values = [identity.lipstick, *identity.lip_color, identity.beard, *hair, identity.freckles, years, blush]
    return np.array([*values, identity.phase], np.float32)


def _folds(spec: FaceSpec) -> np.ndarray:
    """How deep each group of wrinkles is: action units fold the skin, and age leaves the folds there at rest."""
    identity, units = spec.identity, spec.expression.action_units
    fold = 0.35 + 0.65 * float(np.clip((identity.age - 8) / 30, 0, 1)) + 0.5 * float(np.clip((identity.age - 40) / 40, 0, 1))
    at_rest = 0.6 * float(np.clip((identity.age - 42) / 40, 0, 1))

    def au(code: str, side: str = "") -> float:
        return max(units.get(f"AU{code}", 0.0), units.get(f"{side}{code}", 0.0))

    def cheek(side: str) -> float:
        return 0.8 * au("12", side) + 0.9 * au("9", side) + 0.6 * au("10", side) + 0.4 * au("20", side) + 0.3 * au("14", side)

    moved = [0.9 * au("1"), au("2"), au("4"), max(0.9 * au("6"), 0.45 * au("7")), cheek("L"), cheek("R"), au("9"), au("17")]
    rest = [at_rest, 0.7 * at_rest, 0.5 * at_rest, at_rest, at_rest, at_rest, 0, 0]
    return (identity.wrinkles * (fold * np.clip(moved, 0, 1) + np.array(rest))).astype(np.float32)


def _mouth_cavity(pack: FacePack) -> np.ndarray:
    """(body, 1) darkening of the skin inside the mouth."""
    mask = pack.mask("inside-mouth")
    column, row = ((pack.uv % 1) * mask.shape[::-1]).astype(int).T
    dark = np.zeros(pack.triangles.max() + 1, np.float32)
    dark[pack.triangles[mask[row, column][pack.uv_triangles] > 100]] = 1
    return (1 - 0.9 * dark)[:, None]


def _develop(linear: np.ndarray, scene: Scene, rng: np.random.Generator) -> Image.Image:
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
