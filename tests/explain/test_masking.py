"""Masked pictures with `tiny` and the real analyser: what is hidden is hidden, what is shown stays, one scoring."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from emo_toolkit.explain.faithfulness import faithfulness
from emo_toolkit.explain.masking import masked_score
from emo_toolkit.labels import DEFAULT_OPTIONS
from emo_toolkit.pipeline import EmoPipeline, Reading, make_prompt
from emo_toolkit.schema import EmoPrompt, FacialPriors
from emo_toolkit.statistics import log_odds

SIDE = 4


@pytest.fixture(scope="module")
def reading(tiny_pipeline: EmoPipeline, astronaut: Path) -> Reading:
    return tiny_pipeline.read(astronaut)


@pytest.fixture(scope="module")
def prompt() -> EmoPrompt:
    return make_prompt("image", None, ())


def masks(count: int, frames: int = 1, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((count, frames, SIDE, SIDE)) < 0.5


class Watcher(EmoPipeline):
    """A pipeline that keeps what the model is given."""

    def __init__(self, pipeline: EmoPipeline) -> None:
        super().__init__(pipeline.checkpoint, pipeline.extractor)
        self.given: list[list[Reading]] = []

    def likelihoods(self, readings: list[Reading], prompt: EmoPrompt) -> torch.Tensor:
        self.given.append(list(readings))
        return super().likelihoods(readings, prompt)


def long_way(pipeline: EmoPipeline, reading: Reading, prompt: EmoPrompt, label: str) -> float:
    chances = pipeline.scores(reading, prompt)
    return float(np.log(chances[label]) - np.log1p(-chances[label]))


def test_all_shown_is_the_answer_itself(tiny_pipeline, reading, prompt) -> None:
    score = masked_score(tiny_pipeline, reading, prompt, "fear")
    whole = np.ones((1, 1, SIDE, SIDE), bool)
    assert score(whole)[0] == pytest.approx(long_way(tiny_pipeline, reading, prompt, "fear"), abs=1e-5)


@pytest.mark.parametrize("priors", ["anew", "kept"])
@pytest.mark.parametrize("fill", ["blur", "grey"])
def test_many_at_once_equal_one_by_one(tiny_pipeline, reading, prompt, fill: str, priors: str) -> None:
    watcher = Watcher(tiny_pipeline)
    some = masks(18)
    together = masked_score(watcher, reading, prompt, "anger", fill=fill, priors=priors)(some)
    pictures = [each for call in watcher.given for each in call]
    for place in (0, 16, 17):  # of both calls
        assert together[place] == pytest.approx(long_way(tiny_pipeline, pictures[place], prompt, "anger"), abs=1e-4)
    alone = masked_score(tiny_pipeline, reading, prompt, "anger", fill=fill, priors=priors)(some[17:])
    assert together[17:] == pytest.approx(alone, abs=1e-4)
    assert len(watcher.given) == 2  # 16 and 2


def test_hidden_pixels_are_gone_and_shown_ones_untouched(tiny_pipeline, reading, prompt) -> None:
    watcher = Watcher(tiny_pipeline)
    (mask,) = masks(1)
    masked_score(watcher, reading, prompt, "fear", fill="grey")(mask[None])
    before, after = (np.asarray(each.seen[0].image) for each in (reading, watcher.given[0][0]))
    cell = before.shape[0] // SIDE
    shown = np.kron(mask[0], np.ones((cell, cell), bool))
    assert (after[shown] == before[shown]).all()
    assert len(np.unique(after[~shown], axis=0)) == 1
    assert np.abs(after[~shown][0] - before.mean((0, 1))).max() <= 0.5


def test_priors_are_of_the_masked_crop_or_kept(tiny_pipeline, reading, prompt) -> None:
    half = np.zeros((1, 1, SIDE, SIDE), bool)
    half[..., 2:, :] = True
    seen: dict[str, FacialPriors] = {}
    for priors in ("anew", "kept"):
        watcher = Watcher(tiny_pipeline)
        masked_score(watcher, reading, prompt, "fear", priors=priors)(half)
        seen[priors] = watcher.given[0][0].priors
        crops = watcher.given[0][0].seen
    assert (seen["kept"].embedding == reading.priors.embedding).all()
    assert np.allclose(seen["anew"].embedding, tiny_pipeline.extractor.analyse(crops).embedding, atol=1e-4)
    assert not np.allclose(seen["anew"].embedding, reading.priors.embedding, atol=1e-2)
    assert all((each.landmarks == reading.priors.landmarks).all() for each in seen.values())


def test_a_mask_is_asked_once(tiny_pipeline, reading, prompt) -> None:
    watcher = Watcher(tiny_pipeline)
    score = masked_score(watcher, reading, prompt, "fear")
    first = score(np.concatenate([masks(3), masks(3)]))
    assert (score(masks(3)) == first[:3]).all() and (first[:3] == first[3:]).all()
    assert [len(call) for call in watcher.given] == [3]


def test_log_odds_keep_their_digits_where_probabilities_do_not() -> None:
    sure = log_odds(np.array([[0.0, -40.0, -41.0]]))
    assert sure[0, 0] == pytest.approx(40 - np.log1p(np.exp(-1))) and np.isfinite(sure).all()


def test_a_clip(tiny_pipeline, reading, prompt) -> None:
    clip = Reading(
        reading.media,
        reading.crops * 3,
        replace(
            reading.priors,
            **{name: np.repeat(getattr(reading.priors, name), 3, axis=0) for name in ("embedding", "landmarks")},
            **{name: np.repeat(getattr(reading.priors, name), 3, axis=0) for name in ("boxes", "found")},
        ),
    )
    made = faithfulness(tiny_pipeline, clip, prompt, masks(1, 3)[0].astype(float), steps=2, randoms=2)
    assert made.saliency.deletion[0] == pytest.approx(long_way(tiny_pipeline, clip, prompt, made.label), abs=1e-5)
    assert made.verdict.endswith(("clip.", "guess.", "more."))
    with pytest.raises(ValueError, match="1 frames for a reading of 3"):
        faithfulness(tiny_pipeline, clip, prompt, np.zeros((1, SIDE, SIDE)))


def test_the_label_is_the_answer_unless_another_is_asked_for(tiny_pipeline, reading, prompt) -> None:
    chances = tiny_pipeline.scores(reading, prompt)
    saliency = np.random.default_rng(0).random((1, SIDE, SIDE))
    made = [
        faithfulness(tiny_pipeline, reading, prompt, saliency, label=label, steps=1, randoms=1)
        for label in (None, "fear")
    ]
    assert made[0].label == max(chances, key=chances.__getitem__) and made[1].label == "fear"
    assert set(chances) == set(DEFAULT_OPTIONS)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"label": "joy"}, "not one of at least two options"),
        ({"fill": "black"}, "fill is blur or grey"),
        ({"priors": "none"}, "priors is anew or kept"),
    ],
)
def test_what_cannot_be_asked_is_an_error(tiny_pipeline, reading, prompt, words: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        faithfulness(tiny_pipeline, reading, prompt, np.zeros((1, SIDE, SIDE)), **words)


def test_free_questions_and_empty_pictures_are_errors(tiny_pipeline, reading) -> None:
    free = make_prompt("image", "Why?", ())
    with pytest.raises(ValueError, match="options: none"):
        faithfulness(tiny_pipeline, reading, free, np.zeros((1, SIDE, SIDE)))
    with pytest.raises(ValueError, match="no face to hide"):
        faithfulness(tiny_pipeline, replace(reading, priors=None), free, np.zeros((1, SIDE, SIDE)))
