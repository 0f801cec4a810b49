"""Shuffled weights: only the named parts change, only in the copy, and only maps that use them notice."""

from pathlib import Path

import numpy as np
import pytest
import torch

from emo_toolkit.explain.randomisation import FACE, LANGUAGE, randomisation_check, shuffled, spearman
from emo_toolkit.pipeline import EmoPipeline, Reading, make_prompt
from emo_toolkit.schema import EmoPrompt


@pytest.fixture(scope="module")
def reading(tiny_pipeline: EmoPipeline, astronaut: Path) -> Reading:
    return tiny_pipeline.read(astronaut)


PROMPT = make_prompt("image", None, ())


def face_map(pipeline: EmoPipeline, reading: Reading, prompt: EmoPrompt) -> np.ndarray:
    """Landmarks looking at patches: a map of Face Info Mining."""
    _, batch = pipeline.inputs([reading], [prompt])
    with torch.inference_mode():
        output = pipeline.model(**batch, output_face_attentions=True)
    return output.face.local_attention[0].mean((0, 1)).numpy()


def edges(pipeline: EmoPipeline, reading: Reading, prompt: EmoPrompt) -> np.ndarray:
    """A picture of the input alone."""
    return np.asarray(reading.seen[0].image, float).mean(2)[::8, ::8]


def test_only_the_named_parts_are_shuffled_and_only_in_the_copy(tiny_pipeline) -> None:
    model = tiny_pipeline.model
    before = {name: value.clone() for name, value in model.state_dict().items()}
    twin = shuffled(model, [FACE], torch.Generator().manual_seed(0))
    for name, value in twin.state_dict().items():
        assert torch.equal(model.state_dict()[name], before[name])
        if name.startswith(FACE):
            assert torch.equal(value.flatten().sort().values, before[name].flatten().sort().values)
        else:
            assert value.data_ptr() == model.state_dict()[name].data_ptr(), name  # shared, not copied
    changed = [name for name, value in twin.state_dict().items() if not torch.equal(value, before[name])]
    assert changed and all(name.startswith(FACE) for name in changed)
    assert twin.lm_head.weight is twin.get_input_embeddings().weight


def test_a_map_of_the_model_changes(tiny_pipeline, reading) -> None:
    made = randomisation_check(tiny_pipeline, reading, PROMPT, face_map, draws=3)
    assert made.correlations.shape == (3,) and made.interval[0] <= made.mean <= made.interval[1]
    assert made.parts == (FACE, LANGUAGE) and made.mean < 0.9


def test_a_map_of_the_picture_alone_stays(tiny_pipeline, reading) -> None:
    made = randomisation_check(tiny_pipeline, reading, PROMPT, edges, draws=2)
    assert made.correlations.tolist() == pytest.approx([1, 1])
    assert "not about what the model learned" in made.verdict


def test_a_map_stays_when_parts_behind_it_are_shuffled(tiny_pipeline, reading) -> None:
    made = randomisation_check(tiny_pipeline, reading, PROMPT, face_map, parts=[LANGUAGE], draws=2)
    assert made.mean == pytest.approx(1)


def test_noise_changes(tiny_pipeline, reading) -> None:
    rng = np.random.default_rng(0)
    made = randomisation_check(tiny_pipeline, reading, PROMPT, lambda *_: rng.random(500), parts=[FACE], draws=4)
    assert abs(made.mean) < 0.1 and made.verdict.startswith("The map changes with the weights")


def test_spearman_knows_ranks_ties_and_flat_maps() -> None:
    rng = np.random.default_rng(1)
    values = rng.random((3, 4, 4))
    assert spearman(values, np.exp(5 * values)) == pytest.approx(1)
    assert spearman(values, -values) == pytest.approx(-1)
    assert spearman(values, np.ones_like(values)) == 0
    assert spearman(np.array([1, 2, 2, 3]), np.array([1, 2, 3, 4])) == pytest.approx(0.9486833)


def test_what_cannot_be_checked_is_an_error(tiny_pipeline, reading) -> None:
    with pytest.raises(ValueError, match="no weights in 'mining'"):
        randomisation_check(tiny_pipeline, reading, PROMPT, edges, parts=["mining"])
    with pytest.raises(ValueError, match="at least 2"):
        randomisation_check(tiny_pipeline, reading, PROMPT, edges, draws=1)
