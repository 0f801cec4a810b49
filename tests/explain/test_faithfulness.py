"""Maps judged by planted models, whose truth is known: who is right wins, who knows nothing does not, who is flat
gets zero."""

import pickle

import numpy as np
import pytest

from emo_toolkit.explain.faithfulness import judge
from emo_toolkit.schema import Faithfulness, MaskingCurves

SIDE = 8
SPOT = np.zeros((1, SIDE, SIDE), bool)
SPOT[0, 5:8, 0:3] = True  # a corner: a centre guess is wrong
MIDDLE = np.zeros((1, SIDE, SIDE), bool)
MIDDLE[0, 3:5, 3:5] = True


def watching(region: np.ndarray, weight: float = 6.0):
    """A model whose log-odds are the share of one region that it is shown."""
    return lambda masks: weight * (masks & region).sum((1, 2, 3)) / region.sum() - 1


def smooth(rng: np.random.Generator, frames: int = 1) -> np.ndarray:
    """Random blobs."""
    noise = rng.normal(size=(frames, SIDE, SIDE))
    return sum(np.roll(noise, (down, right), (1, 2)) for down in range(3) for right in range(3))


def test_curves_start_and_end_where_they_must() -> None:
    score = watching(SPOT)
    made = judge(score, SPOT.astype(float), label="fear", steps=4)
    whole, nothing = (float(score(np.full((1, 1, SIDE, SIDE), shown))[0]) for shown in (True, False))
    for curves in (made.saliency, made.centre, made.chance):
        assert (curves.deletion[..., 0] == whole).all() and (curves.deletion[..., -1] == nothing).all()
        assert (curves.insertion[..., 0] == nothing).all() and (curves.insertion[..., -1] == whole).all()
    assert made.saliency.deletion.shape == (5,) and made.chance.deletion.shape == (9, 5)
    assert made.whole == pytest.approx(6.0) and made.label == "fear"


def test_hiding_the_planted_region_drops_the_score_at_once() -> None:
    made = judge(watching(SPOT), SPOT.astype(float), label="fear", steps=4)
    assert made.saliency.deletion.tolist() == [5, -1, -1, -1, -1]  # 9 of 64 patches, all in the first quarter
    assert made.saliency.insertion.tolist() == [-1, 5, 5, 5, 5]


def test_the_true_map_beats_chance_and_the_centre() -> None:
    made = [judge(watching(SPOT), SPOT.astype(float), label="fear", seed=seed) for seed in range(20)]
    wins = [each for each in made if each.verdict == "Better than chance and than a centre guess on this image."]
    assert len(wins) >= 16  # one of the copies may lie on the spot by chance
    assert all(each.over_chance_interval[0] > 0 and each.over_centre_interval[0] > 0 for each in wins)


def test_a_true_map_of_the_centre_is_no_better_than_a_centre_guess() -> None:
    made = [judge(watching(MIDDLE), MIDDLE.astype(float), label="fear", steps=16, seed=seed) for seed in range(20)]
    words = [each.verdict for each in made]
    assert {each.over_centre for each in made} == {0.0}
    assert words.count("Better than chance on this image, but no better than a centre guess.") >= 12


def test_a_map_turned_inside_out_is_worse_than_chance() -> None:
    made = judge(watching(SPOT), -SPOT.astype(float), label="fear")
    assert made.verdict.startswith("Worse than chance") and made.over_chance < 0


@pytest.mark.parametrize("kind", ["speckles", "blobs"])
def test_a_map_that_knows_nothing_passes_in_five_of_a_hundred(kind: str) -> None:
    """1 of 2 (R + 1) = 5 % for nine copies, with any model: here one that watches random blobs and saturates."""
    rng = np.random.default_rng(0)
    trials, passed = 800, 0
    for trial in range(trials):
        weights = smooth(rng)
        blind = smooth(rng) if kind == "blobs" else rng.normal(size=(1, SIDE, SIDE))
        made = judge(
            lambda masks, weights=weights: np.tanh((masks * weights).sum((1, 2, 3)) / 30),
            blind,
            label="fear",
            seed=trial,
        )
        passed += made.over_chance_interval[0] > 0
    assert 0.03 < passed / trials < 0.075  # 5 %, give or take three standard errors


def test_a_constant_model_gives_exactly_zero() -> None:
    made = judge(lambda masks: np.full(len(masks), 0.7), smooth(np.random.default_rng(1)), label="fear")
    assert made.over_chance == 0 and made.over_centre == 0 and made.whole == 0
    assert made.verdict == "No better than chance on this image."


def test_a_constant_map_knows_nothing() -> None:
    made = judge(watching(SPOT), np.zeros((1, SIDE, SIDE)), label="fear")
    assert made.verdict == "No better than chance on this image."


def test_a_reversed_order_has_the_opposite_area() -> None:
    rng = np.random.default_rng(2)
    saliency, weights = rng.normal(size=(2, 3, SIDE, SIDE))
    model = lambda masks: np.tanh((masks * weights).sum((1, 2, 3)) / 9)  # noqa: E731
    there, back = (judge(model, sign * saliency, label="fear", steps=6) for sign in (1, -1))
    assert there.over_chance == pytest.approx(-back.over_chance)


def test_only_the_order_counts() -> None:
    saliency = np.random.default_rng(3).random((1, SIDE, SIDE))
    one, other = (judge(watching(SPOT), each, label="fear") for each in (saliency, np.exp(9 * saliency)))
    assert one.over_chance == other.over_chance and one.over_chance_interval == other.over_chance_interval


def test_chance_is_the_map_elsewhere() -> None:
    """A model that asks only whether two neighbours are shown cannot tell a map from its moved copies."""
    pairs = lambda masks: (masks & np.roll(masks, 1, 3)).sum((1, 2, 3)).astype(float)  # noqa: E731
    saliency = np.zeros((1, SIDE, SIDE))
    saliency[0, 2:4] = [np.linspace(1, 2, SIDE), np.linspace(3, 4, SIDE)]
    saliency += 1e-3 * np.arange(SIDE * SIDE).reshape(1, SIDE, SIDE)  # no ties
    made = judge(pairs, saliency, label="fear", steps=4, randoms=30)
    assert (np.abs(made.chance.area - made.saliency.area) < 1e-9).any()


def test_all_frames_of_a_clip_share_one_order() -> None:
    spot = np.zeros((4, SIDE, SIDE), bool)
    spot[2, 4:8, 0:4] = True
    made = judge(watching(spot), spot.astype(float), label="fear", steps=8)
    assert made.saliency.deletion.tolist() == [5] + [-1] * 8  # 16 of 256 patches
    assert made.verdict == "Better than chance and than a centre guess on this clip."


def test_the_same_seed_gives_the_same_verdict_and_it_pickles() -> None:
    saliency = smooth(np.random.default_rng(4))
    one, other = (judge(watching(SPOT), saliency, label="fear", seed=7) for _ in range(2))
    back: Faithfulness = pickle.loads(pickle.dumps(one))
    assert back.verdict == other.verdict and (back.chance.deletion == other.chance.deletion).all()


def test_area_is_the_mean_height_between_the_curves() -> None:
    curves = MaskingCurves(np.array([[2.0, 0, 0], [2, 2, 0]]), np.array([[0.0, 2, 2], [0, 0, 2]]))
    assert curves.area == pytest.approx([1, -1])


@pytest.mark.parametrize(
    ("saliency", "words"),
    [
        (np.zeros((SIDE, SIDE)), {}),
        (np.zeros((1, SIDE, SIDE + 1)), {}),
        (np.full((1, SIDE, SIDE), np.nan), {}),
        (np.zeros((1, 2, 2)), {"steps": 5}),
        (np.zeros((1, 2, 2)), {"steps": 0}),
        (np.zeros((1, SIDE, SIDE)), {"randoms": 0}),
    ],
)
def test_what_cannot_be_judged_is_an_error(saliency: np.ndarray, words: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="frames, side, side|take at least 1"):
        judge(watching(SPOT), saliency, label="fear", **words)
