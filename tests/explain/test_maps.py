"""Maps lie where the picture is, mask what they say they mask, and redraw at once."""

import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from emo_toolkit.explain import maps
from emo_toolkit.face.detection import CROP_SIZE
from emo_toolkit.face.geometry import apply, square_transform, warp
from emo_toolkit.model.face_info_mining import sample_patches
from emo_toolkit.schema import FACE_REGIONS, FRAME_KINDS, FaceAttention, FaceCrop, FaceStatus, LabelGradients, Span

SIDE = 8


def even(*shape: int) -> np.ndarray:
    return np.full(shape, 1 / shape[-1], np.float32)


def drawn(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.dirichlet(np.full(shape[-1], 0.3), shape[:-1]).astype(np.float32)


def make_look(frames: int = 1, words: int = 3, *, layers: int = 2, heads: int = 4, patches: int = SIDE**2):
    """A look with random attention: BOS, the frames, a question of five tokens, one turn marker, the answer."""
    rng = np.random.default_rng(0)
    stop = 1 + 4 * frames
    spans = [Span("rest", 0, 1)]
    spans += [
        Span(kind, 1 + 4 * frame + place, 2 + 4 * frame + place, frame)
        for frame in range(frames)
        for place, kind in enumerate(FRAME_KINDS)
    ]
    spans += [Span("question", stop, stop + 5), Span("rest", stop + 5, stop + 6)]
    if words > 1:
        spans.append(Span("answer", stop + 6, stop + 5 + words))
    length = spans[-1].stop
    crop = FaceCrop(FaceStatus.OK, Image.new("RGB", (CROP_SIZE,) * 2), transform=np.eye(2, 3))
    look = FaceAttention(
        crops=(crop,) * frames,
        times=tuple(range(frames)),
        size=(CROP_SIZE, CROP_SIZE),
        scores={"fear": 0.6, "anger": 0.4},
        text="fear",
        prompt="",
        words=("w",) * words,
        rows=drawn(rng, words, layers, heads, length).astype(np.float16),
        rollout=drawn(rng, words, length),
        text_rows=drawn(rng, 6, length),
        spans=tuple(spans),
        global_attention=drawn(rng, frames, heads, patches, 49).astype(np.float16),
        global_strength=rng.random((frames, patches), np.float32),
        local_attention=drawn(rng, frames, heads, 68, patches).astype(np.float16),
        local_strength=rng.random((frames, 68), np.float32),
        global_clues=drawn(rng, frames, 2, heads, 8, patches).astype(np.float16),
        local_clues=drawn(rng, frames, 2, heads, 8, 68).astype(np.float16),
        context=drawn(rng, frames, patches),
        token_parts=drawn(rng, frames, 2, 3),
        landmarks=rng.uniform(-1.1, 1.1, (frames, 68, 2)).astype(np.float32),
        lens=(((), ()),) * frames,
    )
    slopes = LabelGradients(
        "fear", *(rng.normal(size=shape.shape).astype(np.float16) for shape in
                  (look.rows[0], look.global_attention, look.local_attention))
    )  # fmt: skip
    return replace(look, gradients=slopes, neutral=replace(look, gradients=None))


# On the picture.


@pytest.mark.parametrize(
    ("size", "centre", "side", "angle"),
    [
        ((400, 300), (260.0, 120.0), 160.0, 0.0),
        ((400, 300), (130.0, 180.0), 150.0, 0.6),  # rotated, off-centre
        ((400, 300), (150.0, 140.0), 200.0, -2.0),
        ((320, 240), (20.0, 40.0), 180.0, 0.3),  # partly outside the picture
        ((320, 240), (305.0, 215.0), 120.0, -0.4),
        ((120, 90), (60.0, 40.0), 24.0, 0.2),  # smaller than the grid is fine
        ((1500, 1200), (700.0, 600.0), 900.0, 0.5),
    ],
)
@pytest.mark.parametrize("grid", [8, 16])
def test_a_planted_marker_comes_back_to_its_place(size, centre, side, angle, grid):
    """A bright disc in the source, seen as patch means of the crop, lies where it was within one patch."""
    transform = square_transform(np.array(centre), side, angle, CROP_SIZE)
    patch = side / grid
    spots = [(0, 0), (0.3, -0.2), (-0.25, 0.33), (0.37, 0.37), (-0.35, -0.25)]
    shown = 0
    for across, down in spots:
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        spot = np.array(centre) + turn @ np.array([across, down]) * side
        if not all(1.6 * patch < place < edge - 1.6 * patch for place, edge in zip(spot, size, strict=True)):
            continue  # the picture would cut the returned disc
        shown += 1
        ys, xs = np.mgrid[: size[1], : size[0]]
        source = 255.0 * (np.hypot(xs - spot[0], ys - spot[1]) < max(0.7 * patch, 1))
        crop = warp(np.repeat(source[..., None], 3, 2).astype(np.uint8), transform, CROP_SIZE)
        values = crop[..., 0].reshape(grid, CROP_SIZE // grid, grid, -1).mean((1, 3)).ravel()
        face = FaceCrop(FaceStatus.OK, Image.fromarray(crop), transform=transform)
        back = maps.to_source(values, face, size)
        assert back.shape == size[::-1] and back.dtype == np.float32
        weight = back * (back > 0.5 * back.max())
        mean = np.array([(weight * xs).sum(), (weight * ys).sum()]) / weight.sum()
        assert np.abs(mean - spot).max() < 0.5 * patch  # well within one patch
        peak = np.array(np.unravel_index(back.argmax(), back.shape))[::-1]
        assert np.abs(peak - spot).max() <= patch
    assert shown >= 1


def test_the_detectors_own_transform(tiny_pipeline, astronaut):
    """A real face, turned by 35 degrees and moved to a corner: a landmark's own patch returns to the landmark."""
    picture = Image.open(astronaut).convert("RGB").crop((80, 0, 370, 290)).rotate(35, fillcolor=(99, 99, 99))
    canvas = Image.new("RGB", (700, 500), (99, 99, 99))
    canvas.paste(picture, (410, 190))
    (crop,) = tiny_pipeline.extractor.detector.track([canvas])
    assert crop.status.usable
    on_crop = apply(crop.transform, crop.landmarks)
    patch = CROP_SIZE / 16 / np.sqrt(np.linalg.det(crop.transform[:, :2]))  # source pixels
    for landmark in (8, 30, 36, 45, 54):
        cell = np.floor((on_crop[landmark] + 0.5) * 16 / CROP_SIZE).astype(int)
        values = np.zeros((16, 16), np.float32)
        values[cell[1], cell[0]] = 1
        back = maps.to_source(values.ravel(), crop, canvas.size)
        peak = np.array(np.unravel_index(back.argmax(), back.shape))[::-1]
        assert np.abs(peak - crop.landmarks[landmark]).max() <= patch


def test_outside_the_crop_is_zero_and_inside_is_whole():
    transform = square_transform(np.array([50.0, 60.0]), 40.0, 0.0, CROP_SIZE)
    face = FaceCrop(FaceStatus.OK, Image.new("RGB", (CROP_SIZE,) * 2), transform=transform)
    back = maps.to_source(np.ones(64), face, (120, 110))
    assert back[62, 52] == 1 and back[0, 0] == 0 and back.sum() == pytest.approx(1600, rel=0.06)
    away = replace(face, transform=square_transform(np.array([500.0, 60.0]), 40.0, 0.2, CROP_SIZE))
    assert not maps.to_source(np.ones(64), away, (120, 110)).any()
    with pytest.raises(ValueError, match="50 values"):
        maps.to_source(np.ones(50), face, (120, 110))


def test_own_places_are_where_the_model_samples():
    look = make_look(2)
    patches = np.random.default_rng(1).normal(size=(2, 64, 5)).astype(np.float32)
    sampled = sample_patches(torch.tensor(patches), torch.tensor(look.landmarks)).numpy()
    np.testing.assert_allclose(maps.own_places(look) @ patches, sampled, atol=1e-5)


# By method.


@pytest.mark.parametrize("frames", [1, 3])
def test_every_view_and_method_gives_a_map(frames):
    look = make_look(frames)
    for view, names in maps.VIEWS.items():
        assert maps.methods(look, view) == names
        for method in names:
            values = maps.patch_map(look, view, method=method)
            assert values.shape == (frames, 64) and values.min() >= 0 and values.max() > 0, (view, method)
            assert np.isfinite(values).all()
            assert maps.region_values(look, values).shape == (frames, 9)


def test_rows_stay_distributions_and_shares_add_up():
    look = make_look(3)
    for method in maps.VIEWS["word"]:
        rows = maps.word_rows(look, method=method)
        np.testing.assert_allclose(rows.sum(1), 1, atol=2e-3)
        parts = maps.shares(look, method=method)
        np.testing.assert_allclose(sum(parts.values()), rows.sum(1), atol=1e-5)
        frames = maps.frame_weights(look, method=method)
        np.testing.assert_allclose(frames.sum((1, 2)), sum(parts[kind] for kind in FRAME_KINDS), atol=1e-5)
        np.testing.assert_allclose(maps.timeline(look, method=method), frames.sum(2))
    for view in ("global_clues", "local_clues"):
        for method in maps.VIEWS[view]:
            np.testing.assert_allclose(maps.clue_weights(look, view, method=method).sum(1), 1, atol=2e-3)
            np.testing.assert_allclose(maps.clue_map(look, view, method=method).sum(1), 1, atol=3e-3)


def test_a_word_lights_up_what_its_token_was_made_of():
    look = make_look()
    rows = np.zeros_like(look.rows)
    rows[0, ..., 1] = rows[1, ..., 3] = rows[2, ..., 2] = 1  # context, face_global, content
    look = replace(look, rows=rows, token_parts=np.array([[[0.25, 0.5, 0.25], [0, 1, 0]]], np.float32))
    np.testing.assert_allclose(maps.word_map(look, 0), look.context)
    np.testing.assert_allclose(maps.word_map(look, 1), 0.5 * maps.clue_map(look, "global_clues"), rtol=1e-5)
    assert not maps.word_map(look, 2).any()  # the mean of all patches has no place
    np.testing.assert_allclose(maps.word_map(look), maps.word_maps(look).mean(0))
    np.testing.assert_allclose(maps.mapped_share(look), [[2 / 3, 1]], rtol=1e-6)


def test_heads_keeps_the_heads_that_look_at_frames():
    look = make_look(layers=3, heads=10)
    rows = np.zeros_like(look.rows)
    rows[..., 0] = 1
    rows[:, 2, 7] = 0
    rows[:, 2, 7, 3:5] = 0.5
    rows[:, 1, 1] = 0
    rows[:, 1, 1, 3] = 1
    look = replace(look, rows=rows)
    found = maps.word_rows(look, method="heads")  # two of thirty
    np.testing.assert_allclose(found[:, 3:5], [[0.75, 0.25]] * 3)
    assert not found[:, 0].any()


def test_sinks_are_what_is_looked_at_whatever_the_word():
    rows = drawn(np.random.default_rng(3), 40, 16)
    assert not maps.sinks(rows).any() and not maps.sinks(even(40, 16)).any()
    rows[:, 5] += 0.5
    assert maps.sinks(rows).nonzero()[0].tolist() == [5]
    look = make_look(4)
    places = np.arange(1, 17)
    words, text = np.array(look.rows), np.array(look.text_rows)
    words[..., places[6]] += 3
    text[:, places[6]] += 3
    look = replace(look, rows=words, text_rows=text)
    assert maps.visual_sinks(look).nonzero()[0].tolist() == [6]
    raw, masked = maps.word_rows(look), maps.word_rows(look, method="sinkless")
    assert not masked[:, places[6]].any()
    np.testing.assert_allclose(masked[:, places].sum(1), raw[:, places].sum(1), rtol=1e-4)
    np.testing.assert_allclose(np.delete(masked, places, 1), np.delete(raw, places, 1))


def test_relative_to_itself_is_even():
    look = make_look(2, words=1)
    place = maps.clue_weights(look, "global_clues", method="relative")
    np.testing.assert_allclose(place, even(2, 64), rtol=1e-3)
    neutral = replace(look.neutral, text_rows=np.repeat(maps.word_rows(look), 6, 0))
    rows = maps.word_rows(replace(look, neutral=neutral), method="relative")[0, 1:9]
    np.testing.assert_allclose(rows, rows.mean(), rtol=1e-3)


def test_nine_regions_share_the_landmarks():
    assert sorted(point for region in FACE_REGIONS.values() for point in region) == list(range(68))
    look = make_look()
    looks = np.zeros((1, 4, 68, 64), np.float16)
    looks[:, :, list(FACE_REGIONS["left eye"]), 9] = 1
    look = replace(look, local_attention=looks, local_strength=np.ones((1, 68), np.float32))
    assert maps.local_map(look, landmarks=FACE_REGIONS["left eye"])[0, 9] == 1
    assert not maps.local_map(look, landmarks=FACE_REGIONS["jaw"]).any()
    asked = np.zeros((1, 1, 1, 1, 68), np.float16)
    asked[..., 40] = 1
    assert maps.region_clues(replace(look, local_clues=asked)).argmax() == list(FACE_REGIONS).index("right eye")
    landmarks = np.full((1, 68, 2), -0.5, np.float32)
    landmarks[:, list(FACE_REGIONS["inner lips"])] = 0.5
    look = replace(look, landmarks=landmarks)
    spot = maps.own_places(look)[0, 62][None]
    assert maps.region_values(look, spot).argmax() == list(FACE_REGIONS).index("inner lips")


def test_one_face_token_and_one_head():
    look = make_look()
    each = [maps.global_map(look, face_token=token) for token in range(49)]
    np.testing.assert_allclose(sum(each), maps.global_map(look), rtol=2e-3)
    heads = [maps.global_map(look, face_token=3, head=head) for head in range(4)]
    np.testing.assert_allclose(np.mean(heads, 0), each[3], rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(maps.face_token_map(look).sum(1), look.global_strength.mean(1), rtol=2e-3)


@pytest.mark.parametrize("view", maps.VIEWS)
def test_layers_and_heads_alone_add_up_to_all(view):
    look = make_look(frames=2, layers=3)
    whole = maps.patch_map(look, view)
    layers, heads = maps.depth(look, view)
    pairs = [(layer, head) for layer in range(layers) for head in range(heads)]
    alone = [maps.patch_map(maps.narrowed(look, view, layer=at, head=head), view) for at, head in pairs]
    np.testing.assert_allclose(np.mean(alone, 0), whole, rtol=2e-3, atol=1e-6)
    by_layer = [maps.patch_map(maps.narrowed(look, view, layer=layer), view) for layer in range(layers)]
    by_head = [maps.patch_map(maps.narrowed(look, view, head=head), view) for head in range(heads)]
    for each in (by_layer, by_head):
        np.testing.assert_allclose(np.mean(each, 0), whole, rtol=2e-3, atol=1e-6)
    if view != "global":  # whose heads share out the same whole
        assert all(np.abs(one - whole).max() > 0.01 * whole.max() for one in alone)
    for wrong in ({"layer": layers}, {"head": heads}, {"head": -1}):
        with pytest.raises(ValueError, match="are not among the"):
            maps.narrowed(look, view, **wrong)


def test_what_is_missing_is_said():
    look = replace(make_look(), gradients=None, neutral=None)
    assert maps.methods(look, "word") == ("raw", "heads", "rollout", "sinkless")
    with pytest.raises(ValueError, match="neutral=True"):
        maps.patch_map(look, "word", method="relative")
    with pytest.raises(ValueError, match="gradients=True"):
        maps.patch_map(look, "local", method="gradient")
    with pytest.raises(ValueError, match="choose one of raw, gradient"):
        maps.patch_map(look, "global", method="rollout")
    with pytest.raises(ValueError, match="no view 'face'"):
        maps.patch_map(look, "face")


def test_redrawing_takes_less_than_a_tenth_of_a_second():
    """In seconds of this process, so that a busy machine does not count."""
    look = make_look(16, words=40, layers=30, heads=9)  # mini, a whole clip, a long answer
    crop = replace(look.crops[0], transform=square_transform(np.array([900.0, 500.0]), 700.0, 0.3, CROP_SIZE))
    slowest = {}
    for view, names in maps.VIEWS.items():
        for method in names:
            times = []
            for _ in range(3):
                began = time.process_time()
                values = maps.patch_map(look, view, method=method)
                maps.to_source(values[0], crop, (1920, 1080))
                times.append(time.process_time() - began)
            slowest[view, method] = min(times)
    assert max(slowest.values()) < 0.1, slowest
