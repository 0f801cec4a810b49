"""assets/faces_cc0.npz -> FacePack: the base head, its shapes, what it wears and its skins, ready for numpy and numba.

Target weights -> vertices (V, 3) -> subdivided skin (S, 3); pictures are decoded when they are first asked for.
"""

import hashlib
import io
import math
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from ..errors import EmoError
from .kernels import compiled

PACK = Path(__file__).resolve().parents[1] / "assets" / "faces_cc0.npz"
SHA256 = "cac88abaf6c9cd9440e5f4b88340a9c92c8702fe8f0853443ed238cb2b563558"
STEP = 1e-3  # decimetres that one step of a stored target stands for
REMEDY = "reinstall emo_toolkit, or build it again: python train/checkpoints/build_face_pack.py"


@dataclass(frozen=True, eq=False)
class Proxy:
    """A mesh that rides on the head: teeth, tongue, lashes, brows or hair, with n points."""

    reference: np.ndarray  # (n, 3) int32, vertices of the head
    weights: np.ndarray  # (n, 3) float32, rows sum to 1
    offsets: np.ndarray  # (n, 3) float32, decimetres on the base head
    triangles: np.ndarray  # (t, 3) int32
    uv: np.ndarray  # (m, 2) float32, v = 0 is the first row of the picture
    uv_triangles: np.ndarray  # (t, 3) int32
    pairs: np.ndarray  # (3, 2) int32, vertices whose distance along x, y, z scales the offsets
    size: np.ndarray  # (3,) float32, these distances on the base head
    file: np.ndarray = field(repr=False)  # bytes of the picture, uint8

    def place(self, vertices: np.ndarray) -> np.ndarray:
        """The points (n, 3) float32 on a head whose vertices are (V, 3)."""
        ends = vertices[self.pairs, np.arange(3)[:, None]]  # (3, 2)
        scale = np.abs(ends[:, 0] - ends[:, 1]) / self.size
        points = np.einsum("nkc,nk->nc", vertices[self.reference], self.weights) + self.offsets * scale
        return points.astype(np.float32)

    @cached_property
    def texture(self) -> np.ndarray:
        """(h, w, 4) uint8 RGBA, read-only. Brows and lashes are black; teeth and tongue are opaque."""
        return _decode(self.file, "RGBA")


@dataclass(frozen=True, eq=False)
class FacePack:
    """The assets of the drawn faces. Decimetres: x to the person's left, y up, z forward.

    The skin's vertices come first: vertex i of them is vertex i of the subdivided skin as well.
    """

    vertices: np.ndarray  # (V, 3) float32, the base head and the helpers that parts hang on
    ids: np.ndarray  # (V,) int32, numbers of the vertices in MakeHuman's base mesh (hm08)
    triangles: np.ndarray  # (t, 3) int32, of the subdivided skin
    uv: np.ndarray  # (m, 2) float32, v = 0 is the first row of the picture
    uv_triangles: np.ndarray  # (t, 3) int32
    eye_vertices: dict[str, np.ndarray]  # "left", "right" (the person's) -> vertices of that eyeball
    targets: dict[str, int]  # name of a shape -> its place below; "macro/", "arkit/", "eyes/", ...
    proxies: dict[str, Proxy]  # "hair/bob01", "teeth/Teeth_Base", ...
    matrix: tuple[np.ndarray, np.ndarray, np.ndarray] = field(repr=False)  # CSR (S, V): starts, columns, weights
    shapes: tuple[np.ndarray, np.ndarray, np.ndarray] = field(repr=False)  # starts, vertices, steps (3, k) int16
    files: dict[str, np.ndarray] = field(repr=False)  # "skins/..." and "masks/..." -> bytes of the picture, uint8
    decoded: dict[str, np.ndarray] = field(default_factory=dict, repr=False)

    @classmethod
    def load(cls, path: Path = PACK, *, sha256: str | None = SHA256) -> "FacePack":
        """Reads the pack.

        Args:
            path: a file that train/checkpoints/build_face_pack.py wrote.
            sha256: the hash that the file must have; None takes any pack, for one of your own.

        Raises:
            EmoError: it is missing, broken or another one; says how to get it.
        """
        try:
            data = path.read_bytes()
            found = hashlib.sha256(data).hexdigest()
            if sha256 is not None and found != sha256:
                raise EmoError(f"{path} has sha256 {found}, not {sha256}: {REMEDY}")
            with np.load(io.BytesIO(data)) as members:
                return cls.from_arrays({name: members[name] for name in members.files})
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise EmoError(f"the face pack {path} cannot be read ({error}): {REMEDY}") from error

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "FacePack":
        """The pack from its members."""
        vertices = arrays["vertices"]
        parts = [name.removesuffix("/reference") for name in arrays if name.endswith("/reference")]
        names = arrays["targets/names"].tolist()
        return cls(
            vertices=vertices,
            ids=arrays["ids"].astype(np.int32),
            triangles=arrays["triangles"].astype(np.int32),
            uv=arrays["uv"],
            uv_triangles=arrays["uv_triangles"].astype(np.int32),
            eye_vertices={side: arrays[f"eyes/{side}"].astype(np.int32) for side in ("left", "right")},
            targets={name: place for place, name in enumerate(names)},
            proxies={part.removeprefix("proxies/"): _proxy(arrays, part, vertices) for part in parts},
            matrix=tuple(arrays[f"subdivision/{key}"] for key in ("starts", "columns", "weights")),
            shapes=tuple(arrays[f"targets/{key}"] for key in ("starts", "vertices", "steps")),
            files={name: data for name, data in arrays.items() if name.startswith(("skins/", "masks/"))},
        )

    @cached_property
    def skin_vertices(self) -> int:
        """How many of the vertices are skin; these come first."""
        return int(self.matrix[1].max()) + 1

    @cached_property
    def skins(self) -> tuple[str, ...]:
        """Names for `skin`: age_race_gender, "2" behind the second picture of a kind."""
        return self._names(self.files, "skins/", cut=True)

    @cached_property
    def masks(self) -> tuple[str, ...]:
        """Names for `mask`."""
        return self._names(self.files, "masks/", cut=True)

    @cached_property
    def hairs(self) -> tuple[str, ...]:
        """Keys of `proxies` that are hair."""
        return self._names(self.proxies, "hair/")

    @cached_property
    def brows(self) -> tuple[str, ...]:
        """Keys of `proxies` that are brows."""
        return self._names(self.proxies, "eyebrows/")

    @cached_property
    def lashes(self) -> tuple[str, ...]:
        """Keys of `proxies` that are lashes."""
        return self._names(self.proxies, "eyelashes/")

    def blend(self, weights: Mapping[str, float]) -> np.ndarray:
        """The weighted sum of shapes, (V, 3) float32: what to add to `vertices`.

        Raises:
            EmoError: for a name that is no shape of the pack, or a weight that is not finite.
        """
        for name, weight in weights.items():
            if name not in self.targets:
                raise EmoError(f"the face pack has no shape {name!r}; FacePack.targets names its {len(self.targets)}")
            if not math.isfinite(weight):
                raise EmoError(f"the weight of the shape {name!r} is {weight}, which is not a finite number")
        places = np.array([self.targets[name] for name in weights], np.int64)
        values = np.array(list(weights.values()), np.float64)
        return _blend(places, values * STEP, *self.shapes, len(self.vertices))

    def subdivide(self, vertices: np.ndarray) -> np.ndarray:
        """One level of Catmull-Clark: head (V, 3) -> skin (S, 3) float32, for `triangles`."""
        if vertices.shape != self.vertices.shape:
            raise EmoError(f"the head has vertices of shape {self.vertices.shape}, not {vertices.shape}")
        return _multiply(*self.matrix, np.ascontiguousarray(vertices, np.float32))

    def skin(self, name: str) -> np.ndarray:
        """A skin of `skins`, (512, 512, 3) uint8 RGB, read-only; flat where the head has no part of it."""
        return self._picture(f"skins/{name}", "RGB", self.skins)

    def mask(self, name: str) -> np.ndarray:
        """A mask of `masks` in the same frame, (512, 512) uint8, read-only."""
        return self._picture(f"masks/{name}", "L", self.masks)

    def _picture(self, key: str, mode: str, known: tuple[str, ...]) -> np.ndarray:
        if key not in self.files:
            raise EmoError(f"the face pack has no {key!r}; it has {', '.join(known)}")
        if key not in self.decoded:
            self.decoded[key] = _decode(self.files[key], mode)
        return self.decoded[key]

    @staticmethod
    def _names(known: Mapping[str, object], kind: str, *, cut: bool = False) -> tuple[str, ...]:
        found = sorted(name for name in known if name.startswith(kind))
        return tuple(name.removeprefix(kind) if cut else name for name in found)


def _proxy(arrays: Mapping[str, np.ndarray], part: str, vertices: np.ndarray) -> Proxy:
    pairs = arrays[f"{part}/pairs"].astype(np.int32)
    ends = vertices[pairs, np.arange(3)[:, None]]
    return Proxy(
        reference=arrays[f"{part}/reference"].astype(np.int32),
        weights=arrays[f"{part}/weights"],
        offsets=arrays[f"{part}/offsets"],
        triangles=arrays[f"{part}/triangles"].astype(np.int32),
        uv=arrays[f"{part}/uv"],
        uv_triangles=arrays[f"{part}/uv_triangles"].astype(np.int32),
        pairs=pairs,
        size=np.abs(ends[:, 0] - ends[:, 1]),
        file=arrays[f"{part}/texture"],
    )


def _decode(file: np.ndarray, mode: str) -> np.ndarray:
    picture = np.array(Image.open(io.BytesIO(file.tobytes())).convert(mode))
    picture.flags.writeable = False
    return picture


@compiled
def _blend(
    places: np.ndarray, scales: np.ndarray, starts: np.ndarray, vertices: np.ndarray, steps: np.ndarray, count: int
) -> np.ndarray:
    out = np.zeros((count, 3), np.float32)
    for i in range(places.shape[0]):
        if scales[i] != 0:
            for k in range(starts[places[i]], starts[places[i] + 1]):
                for axis in range(3):
                    out[vertices[k], axis] += np.float32(scales[i] * steps[axis, k])
    return out


@compiled
def _multiply(starts: np.ndarray, columns: np.ndarray, weights: np.ndarray, vertices: np.ndarray) -> np.ndarray:
    out = np.zeros((starts.shape[0] - 1, 3), np.float32)
    for row in range(out.shape[0]):
        for k in range(starts[row], starts[row + 1]):
            for axis in range(3):
                out[row, axis] += weights[k] * vertices[columns[k], axis]
    return out
