"""Look inside: where the answer about the session's face came from, and whether a map of that can be trusted.

Subject, controls -> map with verdict, regions, words, times: a few sums; only a test takes the model's turn.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import gradio as gr
from gradio.components.plot import PlotData

from ..errors import EmoError
from ..explain import maps
from ..explain.wording import VIEW_TITLES
from ..schema import FaceAttention
from .desk import KEEP_SECONDS, MODEL_TURN, Desk, Subject
from .examples import EXAMPLE, example_button
from .failures import in_plain_words, within
from .map_choice import VIEWS, Choice, among, first_choice, key_of, parts_of
from .map_sheet import (
    FREE,
    HOW,
    Tested,
    the_details,
    the_heading,
    the_lens,
    the_map,
    the_regions,
    the_share,
    the_words,
    weighed,
)

EMPTY = (
    "## What did the model look at?\nRead a face in **Recognise**, or take the example. Then this page shows which "
    "parts of the face the answer came from, and tests whether that can be believed."
)
METHOD_NAMES = {
    "raw": "plain mean (raw)",
    "heads": "the hardest lookers (heads)",
    "rollout": "through the layers (rollout)",
    "gradient": "toward the answer (gradient)",
    "relative": "beyond habit (relative)",
    "sinkless": "without sinks (sinkless)",
}
PARTS = {"word": "Which word", "local": "Whose landmarks"}
PROGRESS = gr.Progress()


class Drawn(NamedTuple):
    """Components that a redraw fills, or what it fills them with. The verdict is a part of `sheet`, so that no map
    ever stands without one."""

    empty: Any
    full: Any
    heading: Any = None
    sheet: Any = None
    asking: Any = None
    share: Any = None
    curves: Any = None
    picks: Any = None
    regions: Any = None
    words: Any = None
    details: Any = None


class Inspector:
    """The event handlers of this view."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def read_example(self) -> Subject:
        """The example's face becomes the subject of all views."""
        return self.desk.read_file(EXAMPLE.path)

    def open(self, subject: Subject | None, tested: Mapping[str, Tested], view: str) -> tuple[Any, ...]:
        """A view as it is at first: values of the controls, then what `draw` fills."""
        if subject is None:
            return *[gr.skip()] * len(Choice()), *_nothing()
        choice = first_choice(subject.seen, among(VIEWS, view))
        return *_controls(subject.seen, choice), *self.draw(subject, tested, *choice)

    def draw(
        self,
        subject: Subject | None,
        tested: Mapping[str, Tested],
        view: str,
        part: str,
        method: str,
        frame: float,
        layer: float,
        head: float,
    ) -> tuple[Any, ...]:
        """Everything that is drawn, without the model."""
        if subject is None:
            return _nothing()
        seen, choice = subject.seen, Choice(view, part, method, frame, layer, head).within(subject.seen)
        values = choice.draw(seen)
        test = tested.get(key_of(seen, values))
        asking = bool(seen.label) and test is None
        curves = test and PlotData(type="plotly", plot=test.curves)
        return Drawn(
            empty=gr.Column(visible=False),
            full=gr.Column(visible=True),
            heading=the_heading(seen),
            sheet=the_map(subject, choice, values, test),
            asking=gr.Column(visible=asking),
            share=the_share(seen, choice, values),
            curves=gr.Plot(curves, visible=test is not None),
            picks=gr.Group(visible=choice.method == "raw" and choice.view != "global"),
            regions=the_regions(seen, choice, values),
            words=the_words(seen, choice) + the_lens(seen, choice),
            details=the_details(seen, choice),
        )

    def test(
        self,
        subject: Subject | None,
        tested: dict[str, Tested],
        view: str,
        part: str,
        method: str,
        frame: float,
        layer: float,
        head: float,
        progress: gr.Progress = PROGRESS,
    ) -> dict[str, Tested]:
        """Tests the chosen map, unless that is done already; its verdict joins those of the session."""
        if subject is None:
            raise EmoError("There is no face to test a map of: read one in Recognise, or take the example.")
        seen = subject.seen
        if not seen.label:
            raise EmoError(FREE[1])
        values = Choice(view, part, method, frame, layer, head).within(seen).draw(seen)
        key = key_of(seen, values)
        if key in tested:
            return tested
        progress(0, desc="Hiding parts of the face")
        side = round(values.shape[1] ** 0.5)
        squares = values.reshape(-1, side, side)
        return tested | {key: weighed(self.desk.test_map(subject.reading, subject.prompt, seen.label, squares))}


def _nothing() -> tuple[Any, ...]:
    """No face, or one that has been forgotten."""
    return (gr.Column(visible=True), gr.Column(visible=False), *[gr.skip()] * (len(Drawn._fields) - 2))


def _controls(seen: FaceAttention, choice: Choice) -> tuple[Any, ...]:
    """The controls of a view at a choice, in the order of Choice."""
    parts, frames = parts_of(seen, choice.view), len(seen.crops)
    layers, heads = maps.depth(seen, choice.view)
    named = [(METHOD_NAMES[method], method) for method in maps.methods(seen, choice.view)]
    return (
        choice.view,
        gr.Radio(parts, value=choice.part, label=PARTS.get(choice.view), visible=len(parts) > 1),
        gr.Radio(named, value=choice.method, visible=len(named) > 1),
        gr.Slider(1, max(2, frames), value=choice.frame, label="Frame", visible=frames > 1),
        gr.Slider(0, layers, value=choice.layer, label="Layer (0: the mean of all)", visible=layers > 1),
        gr.Slider(0, heads, value=choice.head, label="Head (0: the mean of all)"),
    )


def empty_side() -> tuple[gr.Column, gr.Markdown, gr.Button]:
    """What stands there while there is no face."""
    with gr.Column() as empty:
        words = gr.Markdown(EMPTY)
        example = example_button()
    return empty, words, example


def full_side() -> tuple[list[gr.components.Component], dict[str, Any], gr.Button, gr.Markdown]:
    """The controls in the order of Choice, what is drawn, and the button that asks for a test with its progress."""
    drawn: dict[str, Any] = {"heading": gr.Markdown(elem_id="inside-heading")}
    with gr.Row(elem_id="inside"):
        with gr.Column(scale=3, min_width=300, elem_id="inside-shown"):
            drawn["sheet"] = gr.HTML(elem_id="inside-sheet", padding=False)
            with gr.Column(elem_id="inside-ask") as drawn["asking"]:
                button = gr.Button("Can this map be trusted?", variant="primary")
                how = gr.Markdown(HOW, elem_id="inside-how")  # no output of `draw`, so that progress stays on it
            drawn["share"] = gr.HTML(elem_id="inside-share", padding=False)
            drawn["curves"] = gr.Plot(show_label=False, visible=False, elem_id="inside-curves")
        with gr.Column(scale=2, min_width=280):
            part = gr.Radio([], label=PARTS["word"], elem_classes="chips")
            frame = gr.Slider(1, 2, value=1, step=1, label="Frame", buttons=[])
            view = gr.Radio([(title, name) for name, title in VIEW_TITLES.items()], value=VIEWS[0], label="Look at")
            method = gr.Radio([], label="How attention becomes a map")
            with gr.Group() as drawn["picks"]:
                layer = gr.Slider(0, 1, value=0, step=1, label="Layer", buttons=[])
                head = gr.Slider(0, 1, value=0, step=1, label="Head", buttons=[])
    with gr.Row(elem_id="inside-more"):
        with gr.Column(min_width=300):
            drawn["regions"] = gr.HTML(padding=False)
        with gr.Column(min_width=300):
            drawn["words"] = gr.HTML(padding=False)
    with gr.Accordion("For experts: what exactly is drawn, and what is left out", open=False):
        drawn["details"] = gr.HTML(elem_id="inside-details", padding=False)
    controls = [view, part, method, frame, layer, head]
    for control in controls:  # as they are: Choice knows what the look has, also when the visit has been forgotten
        control.preprocess = lambda value: value
    return controls, drawn, button, how


def look_inside_view(desk: Desk, subject: gr.State) -> None:
    """The layout and its events."""
    inspector, tested = Inspector(desk), gr.State({}, time_to_live=KEEP_SECONDS)
    empty, words, example = empty_side()
    with gr.Column(visible=False) as full:
        controls, parts, button, how = full_side()
    drawn = list(Drawn(empty, full, **parts))
    view, *others = controls
    at_once = {"queue": False, "show_progress": "hidden", "trigger_mode": "always_last", "api_visibility": "private"}
    gr.on(
        [subject.change, view.input],
        within(in_plain_words, inspector.open),
        [subject, tested, view],
        [*controls, *drawn],
        **at_once,
    )
    gr.on(
        [tested.change, *(control.input for control in others)],
        within(in_plain_words, inspector.draw),
        [subject, tested, *controls],
        drawn,
        **at_once,
    )
    example.click(
        within(in_plain_words, inspector.read_example),
        None,
        subject,
        show_progress_on=words,
        api_visibility="private",
        **MODEL_TURN,
    )
    button.click(
        within(in_plain_words, inspector.test),
        [subject, tested, *controls],
        tested,
        show_progress_on=how,
        api_visibility="private",
        **MODEL_TURN,
    )
