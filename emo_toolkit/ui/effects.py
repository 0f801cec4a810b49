"""Attribute effects: what words of age, gender and race, what each prior, and what another look do to an answer.

Subject -> one call of the model -> AttributeEffects and PriorAblations, from which every label is drawn without it.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import gradio as gr
import numpy as np

from ..errors import EmoError
from ..explain.attributes import MOST_QUESTIONS, counting
from ..labels import DEFAULT_OPTIONS, GENDERS
from ..pipeline import make_prompt
from ..plots import ablation_bars, effect_forest, effect_map, grid_map
from ..schema import AttributeEffects, EmoPrompt, Media, PriorAblations
from ..synthetic import sample_spec, twin_grid
from ..synthetic.action_units import PROTOTYPES
from ..synthetic.specs import RENDERED_RACES
from .desk import KEEP_SECONDS, MODEL_TURN, Desk, Subject, for_gpu
from .examples import EXAMPLE, example_button
from .failures import in_plain_words, within
from .studio import studio

INTRO = (
    "The pixels stay; only words in the prompt change. Each age, gender and race word is **told** to the model, one "
    "after the other, beside sentences that mean nothing. Nothing here estimates anybody's age, gender or race."
)
EMPTY = "Read a face first, in **Recognise** or by the button below; then measure what such words do to its answer."
COUNTS = (
    "An effect counts only when it is larger than what meaningless changes do (the noise floor) and steadier than "
    "chance. It says how this model treats this file, and nothing about people."
)
QUICK, FULL = "quick: 4 wordings", "full: 8 wordings and all 150 combinations"
DEPTHS = {QUICK: (4, False), FULL: (MOST_QUESTIONS, True)}
TWIN_AGES = (25.0, 70.0)
TWINS = "Twelve drawn people with the very same expression, pose and light; only their looks differ."


class Effects(NamedTuple):
    """What the session keeps of one measurement."""

    told: AttributeEffects
    priors: PriorAblations


class EffectsReader:
    """The event handlers of this view."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def measure(self, subject: Subject | None, depth: str) -> tuple[Any, ...]:
        """What attribute words and priors do to the answer about the session's face."""
        if subject is None:
            raise EmoError("There is no face to measure yet: read one in Recognise, or take the example.")
        if depth not in DEPTHS:
            raise EmoError(f"There is no depth '{depth}'; choose one of: {', '.join(DEPTHS)}.")
        questions, grid = DEPTHS[depth]
        prompt = subject.prompt
        if len(prompt.options) < 2:  # a free question has no labels to move
            prompt = make_prompt(subject.reading.media.kind, None, (), prompt.attributes)
        found = Effects(*self.desk.vary(subject.reading, prompt, questions, grid))
        answer = found.priors.labels[int(np.nanargmax(found.priors.baseline))]
        labels = gr.Dropdown(list(found.told.labels), value=answer)
        return (
            found,
            _words(found, answer),
            gr.Column(visible=True),
            effect_map(found.told),
            labels,
            *figures(found, answer),
        )

    def draw(self, found: Effects | None, label: str) -> tuple[Any, ...]:
        """The figures of one label, without the model."""
        if found is None:
            return gr.skip(), gr.skip(), gr.skip()
        if label not in found.told.labels:
            raise EmoError(f"There is no label '{label}'; choose one of: {', '.join(found.told.labels)}.")
        return figures(found, label)

    def twins(self, label: str, person: float) -> Iterator[tuple[Any, str]]:
        """Drawn twins of one person and how the model reads each: a gallery, and what changed in words."""
        if label not in PROTOTYPES:
            raise EmoError(f"There is no drawn expression '{label}'; choose one of: {', '.join(PROTOTYPES)}.")
        if not (isinstance(person, int | float) and 0 <= person < 2**31 and person == int(person)):
            raise EmoError("The number of a person is a whole number from 0 on.")
        yield gr.skip(), "Drawing twelve people …"
        spec = sample_spec(int(person), label=label)
        grid = twin_grid(spec, ages=TWIN_AGES, genders=GENDERS, races=RENDERED_RACES)
        readings = []
        for twin in grid.values():
            picture = studio().draw_spec(twin).image
            readings.append(self.desk.pipeline.look(Media((picture,), (0.0,), "image", picture.size)))
        yield [(reading.media.frames[0], name) for reading, name in zip(readings, _names(grid), strict=True)], READING
        found = [reading for reading in readings if reading.priors is not None]
        rows = iter(self.desk.weigh([for_gpu(reading) for reading in found], EmoPrompt(options=DEFAULT_OPTIONS)))
        shares = [None if reading.priors is None else next(rows) for reading in readings]
        yield _captioned(readings, grid, shares), _twin_words(shares, label)


READING = "The model is reading them …"


def words_of(subject: Subject | None) -> str:
    """What to do next."""
    if subject is None:
        return EMPTY
    return f"The face that you had read: “{subject.seen.label or subject.seen.text}”. Measure what words do to that."


def figures(found: Effects, label: str) -> tuple[Any, Any, Any]:
    """Forest plot, prior ablations, and the grid (or nothing, when it was not told) of one label."""
    grid = gr.Plot(grid_map(found.told, label), visible=True) if len(found.told.grid) else gr.Plot(None, visible=False)
    return effect_forest(found.told, label), ablation_bars(found.priors, label), grid


def _words(found: Effects, answer: str) -> str:
    chance = float(np.nanmax(found.priors.baseline))
    return f"## {counting(found.told)}\nThe answer is “{answer}” ({chance:.1%}). {COUNTS}"


def _names(grid: dict[tuple[float, str, str], Any]) -> list[str]:
    return [f"{age:g}, {gender}, {race}" for age, gender, race in grid]


def _captioned(readings: list[Any], grid: dict[Any, Any], shares: list[np.ndarray | None]) -> list[tuple[Any, str]]:
    """Pictures with who they are drawn as, and what the model reads."""
    rows = []
    for reading, name, share in zip(readings, _names(grid), shares, strict=True):
        read = "no face found" if share is None else f"{DEFAULT_OPTIONS[int(share.argmax())]} {share.max():.0%}"
        rows.append((reading.media.frames[0], f"{name}: {read}"))
    return rows


def _twin_words(shares: list[np.ndarray | None], label: str) -> str:
    """How many twins get the drawn label, and how far its likelihood moves."""
    known = np.array([share for share in shares if share is not None])
    if not len(known):
        return "## No usable face was found in any of them\nChoose another person."
    at = DEFAULT_OPTIONS.index(label)
    hits, low, high = int((known.argmax(1) == at).sum()), known[:, at].min(), known[:, at].max()
    return (
        f"## {hits} of {len(known)} twins are read as “{label}”, which was drawn\n"
        f"Its likelihood lies between {low:.0%} and {high:.0%}. One person is an anecdote; train/audit.py reads many."
    )


def effects_view(desk: Desk, subject: gr.State) -> None:
    """The layout."""
    reader = EffectsReader(desk)
    found = gr.State(None, time_to_live=KEEP_SECONDS)
    gr.Markdown(INTRO)
    with gr.Row(equal_height=True, elem_classes="ask"):
        depth = gr.Radio(list(DEPTHS), value=QUICK, label="How thorough", info="15 to 50 s on two cores", scale=3)
        button = gr.Button("Measure the effects", variant="primary", scale=1, min_width=200)
    words = gr.Markdown(EMPTY, elem_id="effects-words", elem_classes="small-heading")
    example = example_button()
    with gr.Column(visible=False, elem_id="effects") as shown:
        label = gr.Dropdown([], label="Effects on", filterable=False)
        with gr.Row():
            with gr.Column(min_width=300):
                forest = gr.Plot(label="What each word did", show_label=False)
            with gr.Column(min_width=300):
                priors = gr.Plot(label="What each prior added", show_label=False)
        with gr.Accordion("Every label, and every combination of words", open=False):
            overview = gr.Plot(label="What each word did to each label", show_label=False)
            grid = gr.Plot(label="What every combination did", show_label=False)
    drawn = [forest, priors, grid]
    quiet: dict[str, Any] = {"api_visibility": "private"}
    subject.change(
        lambda one: (gr.Button(visible=one is None), gr.Column(visible=False), words_of(one)),
        subject,
        [example, shown, words],
        queue=False,
        show_progress="hidden",
        **quiet,
    )
    example.click(
        within(in_plain_words, lambda: desk.read_file(EXAMPLE.path)),
        None,
        subject,
        show_progress_on=words,
        **quiet,
        **MODEL_TURN,
    )
    button.click(
        within(in_plain_words, reader.measure),
        [subject, depth],
        [found, words, shown, overview, label, *drawn],
        show_progress_on=words,
        **quiet,
        **MODEL_TURN,
    )
    label.input(
        within(in_plain_words, reader.draw), [found, label], drawn, show_progress="hidden", queue=False, **quiet
    )
    twins_part(reader)


def twins_part(reader: EffectsReader) -> None:
    """The layout of the drawn twins."""
    with gr.Accordion("Drawn twins: same expression, other looks", open=False):
        gr.Markdown(TWINS)
        with gr.Row(equal_height=True):
            label = gr.Dropdown(list(PROTOTYPES), value="happiness", label="Expression", filterable=False)
            person = gr.Number(7, label="Person", precision=0, minimum=0)
            button = gr.Button("Draw and read them", variant="primary", min_width=200)
        words = gr.Markdown("", elem_classes="small-heading")
        gallery = gr.Gallery(
            label="Twins", show_label=False, height="auto", preview=False, interactive=False, elem_id="twins"
        )
    button.click(
        within(in_plain_words, reader.twins),
        [label, person],
        [gallery, words],
        api_visibility="private",
        show_progress_on=words,
        **MODEL_TURN,
    )
