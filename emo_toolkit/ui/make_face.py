"""Make a face: sliders for action units, person, pose and light -> a drawn face, and what the model reads in it.

settings -> FaceWish -> picture and truth (every move of a slider); the same settings -> the model, when asked or live.
"""

import os
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from random import randint
from typing import Any

import gradio as gr
from PIL import Image

from ..pipeline import NO_FACE, make_prompt
from ..plots import label_bars
from ..schema import Media
from ..synthetic import DrawnFace
from ..synthetic.action_units import (
    ACTION_UNITS,
    PROTOTYPES,
    VISIBLE_FROM,
    intensity_letter,
    intensity_word,
    split_code,
)
from ..synthetic.convention import conventional
from ..synthetic.scoring import score_text
from ..synthetic.wishes import RANGES, FaceWish, caption, make_wish, truth_data, with_units
from .desk import KEEP_SECONDS, MODEL_TURN, Desk, Subject, for_gpu
from .face_controls import TRAITS, face_sliders, person_and_scene, settings_of, unit_name, wish_of
from .failures import in_plain_words, within
from .studio import studio
from .theme import ASSETS
from .words import headline

START = ASSETS / "examples" / "drawn_start.jpg"  # what FaceWish() draws: train/draw_examples.py writes it
QUESTION = "What does the face in the image show?"  # one of those that its captions were learnt with
START_CAPTION = "No action unit is strong enough to be seen."
NOT_READ = "*Not read yet: press **Read this face**.*"
SAID = "## In the model's words\n> {}"
WRITING = "*The model is writing …*"
WAIT = "The renderer is being prepared: about ten seconds, once."
DRAW_TURN: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "draw"}
HOSTED = "SPACE_ID" in os.environ  # where GPU time is counted, nothing is read without a press of the button


def truth_words(wish: FaceWish, said: str) -> str:
    """What was drawn, in Markdown: label by convention, action units with letters, caption."""
    label, second = conventional(dict(wish.units)) or (None, None)
    if label is None:
        title = "**No prototype fits** these action units, so the face has no name by convention."
    else:
        title = f"**{label}{f' with {second}' if second else ''}** by convention (EMFACS). Nobody rated this picture."
    rows = [
        f"| **{unit_name(code)}**<br>{ACTION_UNITS[split_code(code)[0]].muscle} "
        f"| **{intensity_letter(value)}** {intensity_word(value)} |"
        for code, value in wish.units
    ]
    table = "\n".join(["| action unit and muscle | strength |", "|---|---|", *rows]) if rows else "No action unit."
    return f"{title}\n\n{table}\n\n> {said}"


def verdict(wish: FaceWish, label: str) -> str:
    """Whether the model's likeliest label is the one that convention gives."""
    named = conventional(dict(wish.units))
    if named is None:
        return "No convention names what was drawn, so there is no right answer."
    drawn = " with ".join(filter(None, named))
    return f"Drawn as {drawn}: {'the same' if label in named else '**another one**'}."


def named_units(text: str, face: DrawnFace) -> str:
    """How many of the drawn action units a text names, and which of those that it names were not drawn."""
    score = score_text(text, face.truth)
    drawn = {split_code(code)[0] for code, value in face.truth.action_units.items() if value >= VISIBLE_FROM}
    claimed = {split_code(code)[0] for code in score.present}
    wrong = sorted(claimed - drawn, key=list(ACTION_UNITS).index)
    note = f" Not drawn: {', '.join(wrong)}." if wrong else ""
    return f"Of {len(drawn)} visible action units the words name {len(drawn & claimed)}.{note}"


class FaceMaker:
    """The event handlers of this view."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.studio = desk, studio()

    def shown(self, wish: FaceWish, live: bool) -> list[Any]:
        """Picture, truth, and what the reading side says; at last the wish, if it shall be read at once."""
        face = self.studio.draw(wish)
        label = " with ".join(filter(None, conventional(dict(wish.units)) or ("an unnamed expression",)))
        alt = f"Drawn face of a {wish.gender} person aged {wish.age:.0f}: {label}"
        drawn = [gr.Image(face.image, alt_text=alt), truth_words(wish, caption(wish, face))]
        return [*drawn, *([gr.skip()] * 3 if live else [NOT_READ, gr.Plot(visible=False), ""]), wish if live else None]

    def waiting(self) -> list[Any]:
        """The outputs of `shown` while the renderer is compiled."""
        return [gr.skip(), gr.skip(), WAIT, gr.skip(), gr.skip(), gr.skip()]

    def draw(self, live: bool, *settings: Any) -> Iterator[list[Any]]:
        wish = wish_of(*settings)
        if not self.studio.ready.is_set():
            yield self.waiting()
        yield self.shown(wish, live)

    def change(self, live: bool, *settings: Any, units: dict[str, float] | None = None) -> Iterator[list[Any]]:
        """Other settings, and their face: the units of a prototype, or another person with the same traits."""
        wish = wish_of(*settings)
        wish = replace(wish, person=randint(*RANGES["person"])) if units is None else with_units(wish, units)
        yield from self._with_settings(live, wish)

    def reset(self, live: bool) -> Iterator[list[Any]]:
        yield from self._with_settings(live, FaceWish())

    def _with_settings(self, live: bool, wish: FaceWish) -> Iterator[list[Any]]:
        settings = settings_of(wish)
        if not self.studio.ready.is_set():
            yield [*settings, *self.waiting()]
        yield [*settings, *self.shown(wish, live)]

    def read_drawn(self, wish: FaceWish | None) -> Iterator[list[Any]]:
        """As `read`, without words. What was drawn last stands in the session: the page may lag behind it."""
        if wish:
            yield from self._read(wish, words=False)

    def read(self, *settings: Any) -> Iterator[list[Any]]:
        """Headline, bars and words of the model as they come, and at last the subject of the other views."""
        yield from self._read(wish_of(*settings), words=True)

    def _read(self, wish: FaceWish, *, words: bool) -> Iterator[list[Any]]:
        face = self.studio.draw(wish)
        reading = self.desk.pipeline.look(Media((face.image,), (0.0,), "image", face.image.size))
        if reading.priors is None:
            yield [NO_FACE.format(why=reading.missing), gr.Plot(visible=False), "", gr.skip()]
            return
        light, asked = for_gpu(reading), make_prompt("image", None, ())
        for scores, _, _, seen in self.desk.ask(light, asked):
            label = max(scores, key=scores.__getitem__)
            title = f"{headline(scores)}\n\n{verdict(wish, label)}"
            subject = Subject(light, asked, seen) if seen else gr.skip()
            yield [title, gr.Plot(label_bars(scores), visible=True), WRITING if words else "", subject]
        if words:
            yield from self._words(light, face)

    def _words(self, light: Any, face: DrawnFace) -> Iterator[list[Any]]:
        text = ""
        for _, text, _, _ in self.desk.ask(light, make_prompt("image", QUESTION, ())):
            yield [gr.skip(), gr.skip(), SAID.format(text), gr.skip()]
        yield [gr.skip(), gr.skip(), f"{SAID.format(text)}\n\n{named_units(text, face)}", gr.skip()]

    def draw_face(
        self,
        action_units: dict[str, float],
        person: float = FaceWish.person,
        age: float = FaceWish.age,
        gender: str = FaceWish.gender,
        race: str = FaceWish.race,
        yaw: float = 0,
        pitch: float = 0,
        roll: float = 0,
        light: float = FaceWish.light,
        height: float = FaceWish.height,
        brightness: float = FaceWish.brightness,
    ) -> tuple[Image.Image, dict[str, Any]]:
        """Draws a made-up face that shows given FACS action units, and tells its exact truth.

        Args:
            action_units: FACS codes with intensities 0 to 1, such as {"AU6": 0.7, "AU12": 0.9}; L12 is one side alone.
            person: which made-up person, 0 to 99999; the same number is the same person.
            age: years, 4 to 85.
            gender: female or male.
            race: Black, Asian or White, of the drawn person.
            yaw: degrees that the head turns to the viewer's right, -60 to 60.
            pitch: degrees that it looks up, -30 to 30.
            roll: degrees that it tilts clockwise, -30 to 30.
            light: degrees from which the light comes, -75 (viewer's left) to 75.
            height: degrees of the light above the face, 5 to 65.
            brightness: 0.6 to 1.4.

        Returns:
            The picture, 224 x 224 pixels, and as data what is exactly known of it: action units, label, caption, pose.
        """
        given = (person, age, gender, race, yaw, pitch, roll, light, height, brightness)
        wish = make_wish(action_units, **dict(zip(TRAITS, given, strict=True)))
        face = self.studio.draw(wish)
        return face.image, truth_data(wish, face)


def publish(maker: FaceMaker) -> None:
    """The endpoint for programs; its components are on no page."""
    first = FaceWish()
    with gr.Column(visible=False):
        units = gr.JSON({"AU6": 0.7, "AU12": 0.9}, label="action_units")
        traits = [
            gr.Textbox(getattr(first, name), label=name)
            if name in ("gender", "race")
            else gr.Number(getattr(first, name), label=name)
            for name in TRAITS
        ]
        picture, truth = gr.Image(label="picture", format="png", type="pil"), gr.JSON(label="truth")
        gr.Button("draw").click(
            within(in_plain_words, maker.draw_face),
            [units, *traits],
            [picture, truth],
            api_name="draw_face",
            **DRAW_TURN,
        )


def listen(maker: FaceMaker, live: gr.Checkbox, settings: list[gr.components.Component], shown: list[Any]) -> None:
    """Every move of a control draws; of moves that come faster, the last one counts."""
    gr.on(
        [component.input for component in (live, *settings)],
        within(in_plain_words, maker.draw),
        [live, *settings],
        shown,
        trigger_mode="always_last",
        show_progress="hidden",
        api_visibility="private",
        **DRAW_TURN,
    )


def make_face_view(desk: Desk, subject: gr.State) -> None:
    """The layout: picture and headline (kept in sight on a phone), controls, and what was drawn and read."""
    maker, drawn = FaceMaker(desk), gr.State(None, time_to_live=KEEP_SECONDS)
    maker.studio.warm_up()
    with gr.Row(elem_id="make-face"):
        with gr.Column(elem_id="drawn-top", min_width=0):
            picture = gr.Image(
                str(START),
                label="Drawn face",
                show_label=False,
                alt_text="Drawn face of a female person aged 35: neutral",
                buttons=["download", "fullscreen"],
                elem_id="drawn-face",
            )
            with gr.Column(min_width=0):
                title = gr.Markdown(NOT_READ, elem_id="drawn-title")
                button = gr.Button("Read this face", variant="primary", min_width=0)
        with gr.Column(elem_id="drawn-controls", min_width=0):
            gr.Markdown("Begin with the textbook face of an expression, then move single **action units**.")
            with gr.Row(elem_id="prototypes"):
                prototypes = {label: gr.Button(label, size="sm", min_width=80) for label in PROTOTYPES}
            with gr.Row():
                another = gr.Button("Another person", size="sm", min_width=100)
                reset = gr.Button("Reset", size="sm", min_width=100)
            units = face_sliders()
            traits = person_and_scene()
        with gr.Column(elem_id="drawn-read", min_width=0):
            live = gr.Checkbox(not HOSTED, label="Read at every change", info="Expression only, without words.")
            plot = gr.Plot(show_label=False, visible=False, elem_id="drawn-plot")
            words = gr.Markdown("", elem_classes="small-heading")
            gr.Markdown("## What was drawn", elem_classes="small-heading")
            truth = gr.Markdown(truth_words(FaceWish(), START_CAPTION), elem_id="drawn-truth")
    settings, shown, read = (
        [*units, *traits],
        [picture, truth, title, plot, words, drawn],
        [title, plot, words, subject],
    )
    listen(maker, live, settings, shown)
    change = {"outputs": [*settings, *shown], "show_progress": "hidden", "api_visibility": "private", **DRAW_TURN}
    for label, label_button in prototypes.items():
        begin = partial(maker.change, units=PROTOTYPES[label][0])
        label_button.click(within(in_plain_words, begin), [live, *settings], **change)
    another.click(within(in_plain_words, maker.change), [live, *settings], **change)
    reset.click(within(in_plain_words, maker.reset), live, **change)
    serve = {"outputs": read, "show_progress_on": title, "api_visibility": "private", **MODEL_TURN}
    drawn.change(within(in_plain_words, maker.read_drawn), drawn, trigger_mode="always_last", **serve)
    button.click(within(in_plain_words, maker.read), settings, **serve)
    publish(maker)
