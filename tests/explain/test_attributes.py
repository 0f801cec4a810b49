"""Effects of told words stand beside the effect of nothing; a model that hears nothing has neither."""

import copy
import itertools
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from emo_toolkit.errors import EmoError
from emo_toolkit.explain.attributes import (
    CHANGES,
    GRID,
    VALUES,
    attribute_effects,
    prior_ablations,
    summarise_units,
)
from emo_toolkit.explain.summaries import measures_of, summarise_effects
from emo_toolkit.labels import AGE_GROUPS, DEFAULT_OPTIONS, GENDERS, RACES
from emo_toolkit.pipeline import EmoPipeline, Reading
from emo_toolkit.schema import EmoPrompt, FaceAttributes, Media
from emo_toolkit.statistics import log_odds

LABELS = ("neutral", "happiness", "fear")
PROMPT = EmoPrompt(options=LABELS)
UNITS = 8


@pytest.fixture(scope="module")
def photo(tiny_pipeline: EmoPipeline, astronaut: Path) -> Reading:
    return tiny_pipeline.read(astronaut)


def changed(pipeline: EmoPipeline, change) -> EmoPipeline:
    """The pipeline with a copy of its model that `change` has worked on."""
    model = copy.deepcopy(pipeline.model)
    with torch.no_grad():
        change(model)
    return EmoPipeline(replace(pipeline.checkpoint, model=model), pipeline.extractor)


def summary_of(effects: np.ndarray, changes: np.ndarray, otherwise: np.ndarray):
    return summarise_units(effects, changes, otherwise, labels=LABELS)


def nothing(rng: np.random.Generator, size: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    shapes = (UNITS, len(VALUES), 3), (UNITS, len(CHANGES), 3), (7, 3)
    return tuple(rng.normal(0, size, shape) for shape in shapes)


def test_the_grid_is_whole():
    assert len(GRID) == len(set(GRID)) == 10 * 3 * 5 and GRID[0] == (None, None, None)
    assert set(itertools.product(AGE_GROUPS, GENDERS, RACES)) < set(GRID) and len(VALUES) == 15


def test_effects_of_a_photo(tiny_pipeline, photo):
    told = replace(PROMPT, attributes=FaceAttributes("0-2", "male"))
    found = attribute_effects(tiny_pipeline, photo, told, questions=2)
    assert found.grid == GRID and found.units == len(found.questions) == 2 and found.labels == LABELS
    np.testing.assert_allclose(found.grid_scores.sum(1), 1)
    asked = {
        (): found.grid_scores[0],
        (("age", "70+"),): found.grid_scores[GRID.index(("70+", None, None))],
        (("age", "70+"), ("race", "Asian")): found.grid_scores[GRID.index(("70+", None, "Asian"))],
    }
    for words, scores in asked.items():
        alone = tiny_pipeline.scores(photo, replace(PROMPT, attributes=FaceAttributes(**dict(words))))
        np.testing.assert_allclose(scores, list(alone.values()), atol=1e-6)
    odds = log_odds(np.log(found.grid_scores))
    males = [told for told in GRID if told[1] == "male"]
    apart = [odds[GRID.index(told)] - odds[GRID.index((told[0], None, told[2]))] for told in males]
    np.testing.assert_allclose(found.marginals[VALUES.index(("gender", "male"))], np.mean(apart, 0), atol=1e-9)
    low, high = np.moveaxis(found.intervals, -1, 0)
    assert (low <= found.effects + 1e-12).all() and (found.effects <= high + 1e-12).all()
    assert (found.floor > 0).all() and (found.p_holm >= found.p).all() and found.effects.any()
    again = attribute_effects(tiny_pipeline, photo, PROMPT, questions=2, grid=False)
    np.testing.assert_allclose(again.effects, found.effects, atol=1e-5)  # what the prompt told did not matter
    assert again.grid == () and again.grid_scores.shape == (0, 3) and np.isnan(again.marginals).all()
    back = pickle.loads(pickle.dumps(found))
    assert back.values == found.values and np.array_equal(back.effects, found.effects)


def test_a_constant_model_has_no_effect_and_no_noise(tiny_pipeline, photo):
    mute = changed(tiny_pipeline, lambda model: model.lm_head.weight.zero_())
    found = attribute_effects(mute, photo, PROMPT, questions=2)
    assert not found.floor.any() and not found.effects.any() and not found.intervals.any()
    assert not found.marginals.any() and not found.counts.any() and (found.p == 1).all()


def test_a_clip_is_measured_over_parts_of_its_frames(tiny_pipeline, photo):
    picture = photo.media.frames[0]
    frames = (picture, picture.rotate(8), picture, picture.rotate(-8))
    clip = tiny_pipeline.look(Media(frames, (0.0, 0.5, 1.0, 1.5), "video", picture.size, 2.0))
    found = attribute_effects(tiny_pipeline, clip, replace(PROMPT, kind="video"), questions=2, grid=False)
    assert found.units == 3 and len(found.questions) == 2 and "in the video" in found.questions[1]


def test_a_planted_effect_counts_and_a_small_one_does_not():
    rng = np.random.default_rng(0)
    effects, changes, otherwise = nothing(rng, 0.2)
    effects[:, 4, 1] += 2
    effects[:, 9, 2] -= 2
    effects[:, 2, 0] = 0.05 + rng.normal(0, 0.001, UNITS)  # steady, and smaller than what nothing does
    found = summary_of(effects, changes, otherwise)
    assert sorted(zip(*np.nonzero(found.counts), strict=True)) == [(4, 1), (9, 2)]
    low, high = found.intervals[2, 0]
    assert low > 0 and not found.counts[2, 0] and high < found.floor[0]


def test_an_effect_below_that_of_another_question_does_not_count():
    effects, changes, otherwise = nothing(np.random.default_rng(1), 0.1)
    effects[:, 4, 1] += 2
    assert summary_of(effects, changes, otherwise).counts[4, 1]
    otherwise[3, 1] = -5
    found = summary_of(effects, changes, otherwise)
    assert found.floor[1] == 5 and not found.counts[:, 1].any()


def test_nothing_seldom_counts():
    drawn = [summary_of(*nothing(np.random.default_rng(seed))) for seed in range(40)]
    assert np.mean([found.counts.any() for found in drawn]) <= 0.1
    summary = summarise_effects([measures_of(found) for found in drawn])
    assert summary.n == 40 and summary.any_counts <= 0.1 and summary.size < summary.floor
    low, high = summary.floor_interval
    assert low < summary.floor < high and set(summary.words) == {f"{name}={word}" for name, word in VALUES}


def test_a_summary_of_nothing_says_so():
    with pytest.raises(EmoError, match="no picture with a usable face"):
        summarise_effects([])


@pytest.mark.parametrize("questions", [0, 1, 9])
def test_too_few_or_too_many_questions(tiny_pipeline, photo, questions):
    with pytest.raises(ValueError, match=f"{questions} questions; effects need 2 to 8"):
        attribute_effects(tiny_pipeline, photo, PROMPT, questions=questions)


def test_ablations(tiny_pipeline, photo):
    before = {name: value.clone() for name, value in tiny_pipeline.model.state_dict().items()}
    told = replace(PROMPT, options=DEFAULT_OPTIONS, attributes=FaceAttributes("30-39", "female"))
    found = prior_ablations(tiny_pipeline, photo, told)
    assert found.names == ("landmarks", "face embedding", "Face Info Mining", "attribute sentence")
    whole = tiny_pipeline.scores(photo, told)
    np.testing.assert_allclose(found.baseline, list(whole.values()), atol=1e-6)
    untold = tiny_pipeline.scores(photo, replace(told, attributes=FaceAttributes()))
    np.testing.assert_allclose(found.scores[3], list(untold.values()), atol=1e-6)
    blind = replace(photo, priors=replace(photo.priors, found=np.zeros(1, bool)))
    np.testing.assert_allclose(found.scores[2], list(tiny_pipeline.scores(blind, told).values()), atol=1e-6)
    np.testing.assert_allclose(
        found.effects, log_odds(np.log(found.baseline)) - log_odds(np.log(found.scores)), atol=1e-6
    )
    assert (np.abs(found.effects).max(1) > 1e-4).all()
    after = tiny_pipeline.model.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert tiny_pipeline.scores(photo, told) == whole


def test_a_branch_is_closed_where_its_prior_enters(tiny_pipeline, photo):
    """Without landmarks, landmarks do not matter any more, and the face embedding still does."""
    other = np.random.default_rng(0)
    moved = replace(photo, priors=replace(photo.priors, landmarks=other.uniform(-1, 1, (1, 68, 2)).astype("f4")))
    faced = replace(photo, priors=replace(photo.priors, embedding=other.normal(size=(1, 49, 1536)).astype("f4")))
    plain, marks, faces = (prior_ablations(tiny_pipeline, reading, PROMPT).scores for reading in (photo, moved, faced))
    same = np.abs(marks - plain).max(1)[:3], np.abs(faces - plain).max(1)[:3]
    assert same[0][[0, 2]].max() < 1e-7 < same[0][1] and same[1][[1, 2]].max() < 1e-7 < same[1][0]


def test_a_closed_gate_and_a_silent_prompt_have_nothing_to_ablate(tiny_pipeline, photo):
    closed = changed(tiny_pipeline, lambda model: model.face_info_mining.clue_gates.zero_())
    found = prior_ablations(closed, photo, PROMPT)
    np.testing.assert_allclose(found.effects[:3], 0, atol=1e-5)
    assert np.isnan(found.effects[3]).all() and np.isnan(found.scores[3]).all()
