"""Twins go through the whole pipeline; what is planted in their readings comes out as the effect of a look."""

from dataclasses import replace

import numpy as np
import pytest

from emo_toolkit.errors import EmoError
from emo_toolkit.explain.twins import read_twins, summarise_twins, twin_effects, unseen_people
from emo_toolkit.labels import DEFAULT_OPTIONS
from emo_toolkit.schema import EmoPrompt, Media, TwinReading
from emo_toolkit.synthetic import FaceRenderer, sample_scene, sample_spec, twin_grid
from emo_toolkit.synthetic.plan import plan_item

LABELS = ("neutral", "happiness", "fear")
TWINS = tuple(twin_grid(sample_spec(0)))


def readings(rng: np.random.Generator, *, planted: float = 0.0, missing: float = 0.0, people: int = 60):
    """Log-odds of persons; happiness falls by `planted` on the oldest."""
    found = []
    for number in range(people):
        odds = rng.normal(0, 0.3, (len(TWINS), 3)) + rng.normal(0, 1, 3)
        odds[:, number % 3] += 4
        odds[[age == 70 for age, _, _ in TWINS], 1] -= planted
        odds[rng.random(len(TWINS)) < missing] = np.nan
        found.append(TwinReading(number, LABELS[number % 3], LABELS, TWINS, odds))
    return found


def groups(effects) -> dict:
    return {(group.key, group.name): group for group in effects.groups}


def test_a_planted_effect_is_found_where_it_is():
    effects = summarise_twins(readings(np.random.default_rng(0), planted=8))
    found = groups(effects)
    assert len(found) == 4 + 2 + 3 and effects.n == 60
    old, others = found["age", "70"], [group for (key, _), group in found.items() if key != "age"]
    assert old.effects[1] == pytest.approx(-8 * 3 / 4, abs=0.2) and old.effect_intervals[1].max() < 0
    assert old.accuracy < 0.75 and old.accuracy_effect_interval[1] < 0
    assert all(abs(group.effects).max() < 0.3 for group in others)
    assert effects.changed == pytest.approx(1 / 3, abs=0.05)
    assert sum(group.n for group in others if group.key == "gender") == 60 * len(TWINS)
    for key in ("age", "gender", "race"):
        mine = [group.accuracy_effect for group in effects.groups if group.key == key]
        assert sum(mine) == pytest.approx(0, abs=1e-9)  # groups of like size, against the same twins


def test_intervals_leave_zero_out_as_seldom_as_they_say():
    drawn = [summarise_twins(readings(np.random.default_rng(seed), people=30)) for seed in range(25)]
    bounds = np.concatenate([group.effect_intervals for effects in drawn for group in effects.groups])
    assert 0.02 < ((bounds[:, 0] > 0) | (bounds[:, 1] < 0)).mean() < 0.11


def test_twins_without_a_face_are_left_out_and_counted():
    effects = summarise_twins(readings(np.random.default_rng(1), planted=8, missing=0.3))
    old = groups(effects)["age", "70"]
    assert old.n + old.missed == 60 * 6 and 60 < old.missed < 160
    assert old.effects[1] == pytest.approx(-6, abs=0.5) and old.accuracy_effect_interval[1] < 0
    blind = [replace(one, log_odds=np.full_like(one.log_odds, np.nan)) for one in readings(np.random.default_rng(1))]
    assert np.isnan(summarise_twins(blind).groups[0].accuracy)


def test_the_whole_pipeline_reads_twins(tiny_pipeline):
    renderer, label = FaceRenderer(), "happiness"
    spec = replace(sample_spec(6, label=label), scene=sample_scene(6, frontal=True))
    reading = read_twins(tiny_pipeline, spec, renderer=renderer)
    assert reading.twins == TWINS and reading.log_odds.shape == (24, 8) and reading.label == label
    assert not np.isnan(reading.log_odds).all(1).any()
    place, twin = 5, twin_grid(spec)[TWINS[5]]
    picture = renderer.draw(twin).image
    alone = tiny_pipeline.look(Media((picture,), (0.0,), "image", picture.size))
    p = np.array(list(tiny_pipeline.scores(alone, EmoPrompt(options=DEFAULT_OPTIONS)).values()), float)
    np.testing.assert_allclose(reading.log_odds[place], np.log(p / (1 - p)), atol=1e-3)
    effects = summarise_twins([reading])
    assert effects.n == 1 and {group.n for group in effects.groups if group.key == "age"} == {6}


def test_the_label_is_among_the_options(tiny_pipeline):
    with pytest.raises(EmoError, match="the drawn label 'fear' is not among the options neutral, anger"):
        read_twins(tiny_pipeline, sample_spec(0, label="fear"), options=("neutral", "anger"), renderer=FaceRenderer())


def test_readings_that_do_not_belong_together():
    given = readings(np.random.default_rng(0), people=2)
    with pytest.raises(EmoError, match="the same twins and labels of every person"):
        summarise_twins([given[0], replace(given[1], labels=("a", "b", "c"))])


def test_nobody(tiny_pipeline):
    with pytest.raises(EmoError, match="at least one person"):
        twin_effects(tiny_pipeline, [])


def test_people_that_training_never_saw():
    people = unseen_people(16)
    assert len({spec.identity.id for spec in people}) == 16
    labels = [spec.expression.label for spec in people]
    assert {labels.count(label) for label in DEFAULT_OPTIONS} == {2}
    trained = {item.identity for n in range(4000) if (item := plan_item(0, "image", n)).split == "train"}
    assert trained.isdisjoint(spec.identity.id for spec in people) and people[:5] == unseen_people(5)
