"""Many prompts behind one prefix get the scores that each gets alone, whatever the chunks, lengths and threads."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emo_toolkit.explain.variants import VariantScorer, part_of
from emo_toolkit.labels import DEFAULT_OPTIONS
from emo_toolkit.likelihood import PackedAnswers
from emo_toolkit.pipeline import EmoPipeline, Reading
from emo_toolkit.prompts import asked_otherwise, filled, reworded
from emo_toolkit.schema import EmoPrompt, FaceAttributes, Media

ODD = ("neutral", "x", "fear, sadness and anger, all of it", "fear")


@pytest.fixture(scope="module")
def photo(tiny_pipeline: EmoPipeline, astronaut: Path) -> Reading:
    return tiny_pipeline.read(astronaut)


@pytest.fixture(scope="module")
def clip(tiny_pipeline: EmoPipeline, astronaut: Path) -> Reading:
    """Three frames, the second without a face, the third mirrored."""
    picture = Image.open(astronaut).convert("RGB")
    frames = (picture, Image.new("RGB", picture.size), picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    return tiny_pipeline.look(Media(frames, (0.0, 0.5, 1.0), "video", picture.size, 1.5))


def prompts(kind: str, options: tuple[str, ...] = DEFAULT_OPTIONS) -> list[EmoPrompt]:
    """Sentences of several lengths and questions of several wordings."""
    plain = EmoPrompt(kind, options=options)
    told = replace(plain, attributes=FaceAttributes("30-39", "female", "Asian"))
    few = [plain, told, replace(plain, attributes=FaceAttributes(gender="male")), plain, *reworded(told)[:2]]
    return few + [*filled(plain)[:2], asked_otherwise(plain)[0], asked_otherwise(told)[2]]


@pytest.mark.parametrize("options", [DEFAULT_OPTIONS, ODD])
@pytest.mark.parametrize("max_bytes", [0, 2**17, 2**30])
def test_scores_equal_one_by_one(tiny_pipeline, photo, clip, options, max_bytes):
    for reading in (photo, clip):
        asked = prompts(reading.media.kind, options)
        alone = np.array([list(tiny_pipeline.scores(reading, prompt).values()) for prompt in asked])
        together = np.exp(VariantScorer(tiny_pipeline, reading, max_bytes=max_bytes).log_scores(asked))
        np.testing.assert_allclose(together, alone, atol=1e-6)
        assert np.ptp(together, axis=0).max() > 1e-5 and np.array_equal(together[0], together[3])


def test_memory_bounds_the_rows(tiny_pipeline, photo, monkeypatch):
    rows = []
    behind = PackedAnswers.behind

    def watched(self: PackedAnswers, seen: object, tails: list, **more: object) -> dict:
        rows.append(len(tails))
        return behind(self, seen, tails, **more)

    monkeypatch.setattr(PackedAnswers, "behind", watched)
    asked = prompts("image")[:8]
    for max_bytes, expected in ((1, [1] * 8), (2**30, [8])):
        rows.clear()
        VariantScorer(tiny_pipeline, photo, max_bytes=max_bytes).log_scores(asked)
        assert rows == expected


def test_a_part_of_the_frames(tiny_pipeline, clip):
    asked = prompts("video")[:3]
    whole = VariantScorer(tiny_pipeline, clip)
    assert whole.frames == 2
    for place in (0, 1):
        alone = part_of(clip, [place])
        assert alone.media.times == (clip.media.times[2 * place],) and len(alone.crops) == 1
        expected = [list(tiny_pipeline.scores(alone, prompt).values()) for prompt in asked]
        np.testing.assert_allclose(np.exp(whole.part([place]).log_scores(asked)), expected, atol=1e-6)
    np.testing.assert_allclose(whole.part([0, 1]).log_scores(asked), whole.log_scores(asked), atol=1e-5)


def test_several_at_once(tiny_pipeline, photo, clip):
    jobs = [(photo, prompts("image")), (clip, prompts("video"))] * 3
    alone = [VariantScorer(tiny_pipeline, reading).log_scores(asked) for reading, asked in jobs]
    with ThreadPoolExecutor(3) as pool:
        together = pool.map(lambda job: VariantScorer(tiny_pipeline, job[0]).log_scores(job[1]), jobs)
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("options", [(), ("fear",)])
def test_options_that_cannot_be_compared(tiny_pipeline, photo, options):
    with pytest.raises(ValueError, match="the same options, at least two"):
        VariantScorer(tiny_pipeline, photo).log_scores([EmoPrompt(options=options)])


def test_unlike_options(tiny_pipeline, photo):
    with pytest.raises(ValueError, match="the same options"):
        VariantScorer(tiny_pipeline, photo).log_scores([EmoPrompt(options=ODD), EmoPrompt(options=ODD[::-1])])


def test_no_face(tiny_pipeline):
    grey = Media((Image.new("RGB", (64, 64)),), (0.0,), "image", (64, 64))
    with pytest.raises(ValueError, match="no frame has a usable face \\(no face\\)"):
        VariantScorer(tiny_pipeline, tiny_pipeline.look(grey))
