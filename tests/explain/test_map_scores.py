"""Maps of many pictures: a planted one beats its moved copies, a blind one does not, a constant model gives zero, and
the truth itself agrees with itself."""

import json

import numpy as np
import pytest

from emo_toolkit.errors import EmoError
from emo_toolkit.explain.map_scores import CLUES, areas, named_maps, region_table, score_maps, view_of
from emo_toolkit.explain.map_scores import look as whole_look
from emo_toolkit.explain.map_summaries import region_agreement, summarise_maps
from emo_toolkit.explain.maps import VIEWS
from emo_toolkit.pipeline import EmoPipeline, make_prompt
from emo_toolkit.schema import FACE_REGIONS

SIDE = 8
NAMES = [f"{view.replace('_', ' ')}, {method}" for view, methods in VIEWS.items() for method in methods]
PROMPT = make_prompt("image", None, ())


def smooth(rng: np.random.Generator) -> np.ndarray:
    noise = rng.normal(size=(1, SIDE, SIDE))
    return sum(np.roll(noise, (down, right), (1, 2)) for down in range(3) for right in range(3))


def planted_row(seed: int, weight: float = 4.0) -> dict:
    """A model that watches blobs: one map shows them, the others know nothing or the opposite."""
    rng = np.random.default_rng(seed)
    truth = smooth(rng)
    maps = {"word, raw": truth, "local, raw": smooth(rng), "global, raw": -truth}
    return areas(lambda masks: weight * (masks * truth).mean((1, 2, 3)), maps, seed=seed)


def test_a_planted_map_beats_its_moved_copies_and_a_blind_one_does_not() -> None:
    found = summarise_maps([planted_row(seed) for seed in range(200)])
    assert found.maps["word, raw"].over_chance_interval[0] > 0 and found.maps["word, raw"].over_centre_interval[0] > 0
    assert found.maps["global, raw"].over_chance_interval[1] < 0
    assert abs(found.maps["local, raw"].over_chance) < 0.2 * found.maps["word, raw"].over_chance
    assert found.n == 200 and found.failed == 0 and not found.regions and not found.alike


def test_a_blind_map_passes_in_two_or_three_of_a_hundred() -> None:
    passed = 0
    for trial in range(80):
        rows = [planted_row(1000 * trial + seed) for seed in range(30)]
        passed += summarise_maps(rows).maps["local, raw"].over_chance_interval[0] > 0
    assert passed / 80 < 0.1  # 2.5 %, a little more with 30 pictures only


def test_a_constant_model_gives_exactly_zero() -> None:
    found = summarise_maps([planted_row(seed, weight=0.0) for seed in range(5)])
    for score in found.maps.values():
        assert score.over_chance == score.over_centre == score.area == 0
        assert score.over_chance_interval == score.over_centre_interval == (0, 0)
    assert found.whole == found.centre == found.chance == 0


def test_all_maps_are_one_call_of_few_pictures() -> None:
    calls: list[int] = []
    maps = {"word, raw": smooth(np.random.default_rng(0)), "word, heads": smooth(np.random.default_rng(1))}
    areas(lambda masks: calls.append(len(np.unique(masks, axis=0))) or np.zeros(len(masks)), maps, steps=3)
    assert len(calls) == 1 and calls[0] <= 2 + 4 * (2 + 1 + 1)  # whole, nothing; two maps, the centre, one moved copy


def test_a_row_has_every_map_and_is_json(tiny_pipeline: EmoPipeline, astronaut) -> None:
    reading = tiny_pipeline.read(astronaut)
    row = score_maps(tiny_pipeline, reading, PROMPT, steps=2, draws=2, seed=1)
    assert json.loads(json.dumps(row, allow_nan=False)) == row
    assert list(row["areas"]) == list(row["alike"]) == NAMES
    assert list(row["copies"]) == list(dict.fromkeys(map(view_of, NAMES)))
    assert set(row["regions"]) == {*NAMES, *(f"{CLUES}, {method}" for method in VIEWS["local_clues"])}
    assert all(len(values) == len(FACE_REGIONS) for values in row["regions"].values())
    again = score_maps(tiny_pipeline, reading, PROMPT, steps=2, draws=2, seed=1)
    assert again["areas"] == pytest.approx(row["areas"], abs=1e-4) and again["regions"] == row["regions"]
    assert summarise_maps([row, {"failed": "no face"}]).failed == 1


def test_maps_are_squares_of_the_look(tiny_pipeline: EmoPipeline, astronaut) -> None:
    seen = whole_look(tiny_pipeline, tiny_pipeline.read(astronaut), PROMPT)
    side = round(seen.context.shape[1] ** 0.5)
    assert {values.shape for values in named_maps(seen).values()} == {(1, side, side)}
    assert np.isfinite(list(region_table(seen).values())).all()


def faces(rng: np.random.Generator, count: int = 60) -> np.ndarray:
    """Regions that move, each with its own chance, so that one map for all is better than 0.5."""
    return (rng.random((count, 9)) < np.linspace(0.1, 0.9, 9)).astype(float)


def test_the_truth_agrees_with_itself() -> None:
    moving = faces(np.random.default_rng(0))
    found = region_agreement(moving, moving)
    assert found.auc == 1 and found.auc_interval == pytest.approx((1, 1))
    assert found.over_shuffled_interval[0] > 0 and found.over_mean_map_interval[0] > 0
    assert region_agreement(-moving, moving).auc == 0


def test_random_values_are_at_chance_and_constant_ones_exactly() -> None:
    rng = np.random.default_rng(1)
    moving = faces(rng, 400)
    found = region_agreement(rng.random(moving.shape), moving)
    assert abs(found.auc - 0.5) < 0.05 and abs(found.shuffled - 0.5) < 0.01
    assert found.over_shuffled_interval[0] < 0 < found.over_shuffled_interval[1]
    flat = region_agreement(np.ones(moving.shape), moving)
    assert flat.auc == pytest.approx(flat.shuffled) == pytest.approx(flat.mean_map) == 0.5
    assert flat.over_shuffled_interval == flat.over_mean_map_interval == (0, 0)


def test_the_usual_layout_is_no_knowledge_of_the_face() -> None:
    """The same map for every face has a high AUC, and nothing over the other faces' maps."""
    moving = faces(np.random.default_rng(2))
    found = region_agreement(np.tile(np.linspace(0, 1, 9), (len(moving), 1)), moving)
    assert found.auc > 0.7 and found.over_shuffled == pytest.approx(0) and found.over_mean_map == pytest.approx(0)


def test_agreement_is_the_mean_of_plain_counts() -> None:
    rng = np.random.default_rng(3)
    values, moving = rng.integers(4, size=(12, 9)).astype(float), faces(rng, 12)
    moving[rng.random(moving.shape) < 0.2] = np.nan

    def auc(one: np.ndarray, truth: np.ndarray) -> float:
        pairs = [(a, b) for a in one[truth == 1] for b in one[truth == 0]]
        return np.mean([(a > b) + 0.5 * (a == b) for a, b in pairs])

    plain = [auc(values[at], moving[at]) for at in range(12)]
    others = [np.mean([auc(values[other], moving[at]) for other in range(12) if other != at]) for at in range(12)]
    found = region_agreement(values, moving)
    assert found.n == 12 and found.auc == pytest.approx(np.mean(plain))
    assert found.shuffled == pytest.approx(np.mean(others))


def test_faces_at_rest_are_left_out() -> None:
    moving = faces(np.random.default_rng(4), 6)
    moving[[1, 4]] = 0
    assert region_agreement(moving, moving).n == 4
    with pytest.raises(EmoError, match="regions that move"):
        region_agreement(moving, np.zeros_like(moving))
    with pytest.raises(EmoError, match="no picture"):
        summarise_maps([{"failed": "no face"}])
