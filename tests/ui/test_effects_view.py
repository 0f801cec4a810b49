"""Attribute effects: one call of the model, then every label without it; nothing a visitor sends breaks it."""

import time
from pathlib import Path

import gradio as gr
import numpy as np
import pytest

from emo_toolkit.errors import EmoError
from emo_toolkit.explain.attributes import attribute_effects, prior_ablations
from emo_toolkit.labels import DEFAULT_OPTIONS
from emo_toolkit.pipeline import EmoPipeline, make_prompt
from emo_toolkit.ui import Desk, Subject
from emo_toolkit.ui.effects import FULL, QUICK, Effects, EffectsReader, figures


@pytest.fixture(scope="module")
def reader(talker: EmoPipeline) -> EffectsReader:
    return EffectsReader(Desk(talker))


@pytest.fixture(scope="module")
def subject(reader: EffectsReader, astronaut: Path) -> Subject:
    return reader.desk.read(reader.desk.look(str(astronaut)), make_prompt("image", None, ()))


@pytest.fixture(scope="module")
def found(reader: EffectsReader, subject: Subject) -> Effects:
    return reader.measure(subject, FULL)[0]


def test_what_is_shown_is_what_the_library_measures(
    found: Effects, talker: EmoPipeline, subject: Subject, astronaut: Path
) -> None:
    whole = talker.read(astronaut)
    np.testing.assert_allclose(found.told.effects, attribute_effects(talker, whole, subject.prompt).effects, atol=1e-4)
    priors = prior_ablations(talker, whole, subject.prompt)
    np.testing.assert_allclose(found.priors.baseline, priors.baseline, atol=1e-5)


def test_the_first_label_shown_is_the_answer(reader: EffectsReader, subject: Subject) -> None:
    _, words, _, _, label, forest, _, grid = reader.measure(subject, QUICK)
    answer = max(subject.seen.scores, key=subject.seen.scores.get)
    assert label.value == answer and answer in words and answer in forest.layout.title.text
    assert "count" in words and grid.visible is False  # the quick way tells no combinations


def test_every_label_is_drawn_at_once_and_differently(reader: EffectsReader, found: Effects) -> None:
    began = time.perf_counter()
    drawn = [reader.draw(found, label) for label in DEFAULT_OPTIONS]
    assert (time.perf_counter() - began) / len(drawn) < 0.5  # 0.03 s alone
    assert len({str(forest.data[-1].x) for forest, *_ in drawn}) == len(drawn)


def test_a_free_question_is_measured_on_the_eight_expressions(reader: EffectsReader, astronaut: Path) -> None:
    asked = reader.desk.read(reader.desk.look(str(astronaut)), make_prompt("image", "What do the eyes show?", ()))
    assert reader.measure(asked, QUICK)[0].told.labels == DEFAULT_OPTIONS


def test_parts_of_a_clip_are_measured_without_its_frames(reader: EffectsReader, clip: Path) -> None:
    reading = reader.desk.look(str(clip))
    subject = reader.desk.read(reading, make_prompt("video", None, ()))
    assert not subject.reading.media.frames and reader.measure(subject, QUICK)[0].told.units >= 4


def test_wrong_wishes_get_a_sentence(reader: EffectsReader, subject: Subject, found: Effects) -> None:
    for ask, message in (
        (lambda: reader.measure(None, QUICK), "Recognise"),
        (lambda: reader.measure(subject, "all night"), "all night"),
        (lambda: reader.draw(found, "boredom"), "boredom"),
        (lambda: next(reader.twins("boredom", 7)), "boredom"),
        (lambda: next(reader.twins("fear", -1)), "whole number"),
        (lambda: next(reader.twins("fear", float("nan"))), "whole number"),
    ):
        with pytest.raises(EmoError, match=message):
            ask()
    assert all(part == gr.skip() for part in reader.draw(None, "fear"))


def test_twins_are_drawn_read_and_counted(reader: EffectsReader) -> None:
    *_, (pictures, words) = reader.twins("happiness", 3)
    assert len(pictures) == 12 and "of 12 twins are read" in words
    assert len({np.asarray(picture).tobytes() for picture, _ in pictures}) == 12
    names = [caption for _, caption in pictures]
    assert names[0].startswith("25, ") and all(": " in name and name.endswith("%") for name in names)


def test_figures_of_a_quick_measurement_have_no_grid(reader: EffectsReader, subject: Subject) -> None:
    quick = reader.measure(subject, QUICK)[0]
    assert not len(quick.told.grid) and figures(quick, "fear")[2].visible is False
