"""Make a face: what the controls hold is what is drawn, what is drawn is what is read."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import gradio as gr
import numpy as np
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from PIL import Image

from emo_toolkit.pipeline import EmoPipeline, make_prompt
from emo_toolkit.schema import Media
from emo_toolkit.synthetic import FaceRenderer
from emo_toolkit.synthetic.action_units import ACTION_UNITS, PROTOTYPES, split_code
from emo_toolkit.synthetic.wishes import FaceWish, make_wish
from emo_toolkit.ui import Desk
from emo_toolkit.ui.desk import Subject
from emo_toolkit.ui.face_controls import CODES, LOWER, OTHERS, TRAITS, UPPER, settings_of, wish_of
from emo_toolkit.ui.make_face import NOT_READ, START, START_CAPTION, FaceMaker, named_units, truth_words, verdict
from emo_toolkit.ui.studio import SIZE, Studio, studio

SMILE = FaceWish(units=(("AU6", 0.9), ("AU12", 0.9)))


@pytest.fixture(scope="module")
def maker(tiny_pipeline: EmoPipeline) -> FaceMaker:
    return FaceMaker(Desk(tiny_pipeline))


def last(steps: Any) -> Any:
    *_, end = steps
    return end


def test_every_action_unit_has_one_slider() -> None:
    assert sorted((*UPPER, *LOWER, *OTHERS)) == sorted(ACTION_UNITS)
    assert len(set(CODES)) == len(CODES)
    assert {code for variants in PROTOTYPES.values() for code in variants[0]} <= set(CODES)
    assert all(split_code(code) for code in CODES)


def test_controls_and_wish_are_the_same_thing() -> None:
    wish = make_wish({"AU4": 0.35, "L14": 1}, person=9, age=70, gender="male", race="Asian", yaw=-8, light=10)
    assert wish_of(*settings_of(wish)) == wish
    assert len(settings_of(wish)) == len(CODES) + len(TRAITS)


def test_the_view_begins_with_what_its_controls_say(maker: FaceMaker) -> None:
    drawn = np.asarray(studio().draw(FaceWish()).image, np.float32)
    shipped = np.asarray(Image.open(START).convert("RGB"), np.float32)
    assert np.abs(drawn - shipped).mean() < 4  # it went through a JPEG
    _, words, *_ = maker.shown(FaceWish(), live=False)
    assert START_CAPTION in truth_words(FaceWish(), START_CAPTION) and "**neutral** by convention" in words


def test_a_move_draws_and_only_live_reads(maker: FaceMaker) -> None:
    picture, words, title, plot, _, wish = last(maker.draw(False, *settings_of(SMILE)))
    assert picture.value and "Drawn face of a female person aged 35: happiness" in picture.alt_text
    assert "**AU12 lip corner puller**<br>zygomaticus major | **E** maximum" in words
    assert (title, plot.visible, wish) == (NOT_READ, False, None)
    *_, wish = last(maker.draw(True, *settings_of(SMILE)))
    assert wish == SMILE


def test_a_prototype_moves_the_sliders_and_leaves_the_person(maker: FaceMaker) -> None:
    mine = make_wish({"AU43": 1}, person=7, age=60, yaw=20)
    outputs = last(maker.change(False, *settings_of(mine), units=PROTOTYPES["surprise"][0]))
    wish = wish_of(*outputs[: len(CODES) + len(TRAITS)])
    assert dict(wish.units) == PROTOTYPES["surprise"][0]
    assert (wish.person, wish.age, wish.yaw) == (7, 60, 20)
    other = wish_of(*last(maker.change(False, *settings_of(mine)))[: len(CODES) + len(TRAITS)])
    assert other.person != 7 and (other.units, other.age) == (mine.units, 60)
    assert wish_of(*last(maker.reset(False))[: len(CODES) + len(TRAITS)]) == FaceWish()


def test_what_is_read_is_what_was_drawn(maker: FaceMaker, tiny_pipeline: EmoPipeline) -> None:
    steps = list(maker.read_drawn(SMILE))
    title, plot, words, subject = steps[-1]
    face = studio().draw(SMILE).image
    reading = tiny_pipeline.look(Media((face,), (0.0,), "image", face.size))
    scores = tiny_pipeline.scores(reading, make_prompt("image", None, ()))
    assert isinstance(subject, Subject) and subject.seen.scores == pytest.approx(scores, abs=1e-4)
    assert np.array_equal(np.asarray(subject.reading.crops[0].image), np.asarray(reading.crops[0].image))
    best = max(scores, key=scores.__getitem__)
    assert best in title and "Drawn as happiness" in title and plot.visible and not words
    assert not list(maker.read_drawn(None))


def test_the_button_asks_for_words_too(maker: FaceMaker) -> None:
    steps = list(maker.read(*settings_of(SMILE)))
    assert any(isinstance(step[3], Subject) for step in steps)
    assert "visible action units the words name" in steps[-1][2]


def test_words_are_held_against_what_was_drawn() -> None:
    face = studio().draw(make_wish({"AU6": 0.9, "L12": 0.9, "AU4": 0.05}))
    assert named_units("The cheeks are raised (AU6) and the lip corners pulled up (AU12).", face) == (
        "Of 2 visible action units the words name 2."
    )
    assert named_units("The brows are lowered (AU4).", face).endswith("name 0. Not drawn: AU4.")
    assert "**another one**" in verdict(SMILE, "fear") and "the same" in verdict(SMILE, "happiness")
    assert "no right answer" in verdict(make_wish({"AU9": 1, "AU1": 1, "AU12": 1}), "fear")


def test_many_visitors_at_once_each_get_their_own_face() -> None:
    wishes = [make_wish({"AU12": k / 8}, person=k, age=20 + 5 * k) for k in range(8)]
    renderer = FaceRenderer()
    alone = [np.asarray(renderer.draw(wish.spec, size=SIZE).image) for wish in wishes]
    fresh = Studio()
    with ThreadPoolExecutor(4) as visitors:
        together = list(visitors.map(fresh.draw, wishes * 2))
    for face, expected in zip(together, alone * 2, strict=True):
        np.testing.assert_array_equal(np.asarray(face.image), expected)


def test_programs_draw_by_name(client: Client) -> None:
    path, truth = client.predict({"AU6": 0.9, "AU12": 0.9}, age=70, gender="male", race="Asian", api_name="/draw_face")
    assert Image.open(path).size == (SIZE, SIZE)
    assert truth["label"] == "happiness" and truth["action_units"][1]["name"] == "Lip corner puller"
    expected = studio().draw(make_wish(dict(SMILE.units), age=70, gender="male", race="Asian")).image
    np.testing.assert_array_equal(np.asarray(Image.open(path).convert("RGB")), np.asarray(expected))


@pytest.mark.parametrize(
    ("units", "traits", "message"),
    [
        ({"AU99": 1}, {}, "AU99"),
        ("AU12", {}, "FACS codes"),
        ({"AU12": 7}, {}, "from 0 to 1"),
        ({}, {"gender": "robot"}, "cannot be drawn"),
        ({}, {"age": 4000}, "from 4 to 85"),
        ({}, {"person": -1}, "from 0 to 99999"),
    ],
)
def test_programs_hear_what_was_wrong(client: Client, units: Any, traits: dict[str, Any], message: str) -> None:
    with pytest.raises(AppError, match=message):
        client.predict(units, **traits, api_name="/draw_face")


def test_values_that_no_slider_gives_are_refused(maker: FaceMaker) -> None:
    for at, junk in ((0, 2), (0, None), (len(CODES), "x"), (len(CODES) + 1, 10**9), (len(CODES) + 3, "Martian")):
        settings = settings_of(FaceWish())
        settings[at] = junk
        with pytest.raises(Exception, match="must be|cannot be drawn"):
            last(maker.draw(False, *settings))


def test_the_first_visitor_of_a_cold_machine_is_told_to_wait(
    maker: FaceMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    cold = Studio()
    monkeypatch.setattr(maker, "studio", cold)
    first, second = maker.draw(False, *settings_of(SMILE))
    assert "ten seconds" in first[2] and second[0].value and cold.ready.is_set()
    assert len(list(maker.draw(False, *settings_of(SMILE)))) == 1
    assert isinstance(first[0], dict) and first[0] == gr.skip()
