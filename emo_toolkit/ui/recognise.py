"""Recognise: a photo or clip in; label distribution, streamed words and the crops that the model saw out.

files, wishes -> Desk.look -> Desk.ask -> Views as they grow: tuples for the page, run records for programs
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import gradio as gr

from ..errors import EmoError
from ..face import draw_landmarks
from ..labels import AGE_GROUPS, GENDERS, RACES
from ..pipeline import NO_FACE, Reading, make_prompt
from ..plots import label_bars
from ..prompts import MAX_QUESTION_LETTERS
from ..schema import EmoPrompt, FaceAttributes, FaceStatus
from .desk import KEEP_SECONDS, MODEL_TURN, Desk, Subject, for_gpu
from .examples import Example, example_picker
from .face_picker import face_picker
from .failures import TITLE, in_plain_words, toast
from .follow_up import FollowUpPanel, follow_up_panel
from .run_record import DOWNLOAD, Wishes, about_answer, about_face, about_run, failed
from .words import NO_BARS, attributes_sentence, frames_sentence, headline

EMPTY = """## Which expression would people see?
{first}

- **How likely** is each of eight expressions? *Unsure* is an answer too.
- **In words**: what the model says, as it says it. Then ask more about the same face.
- **What it saw**: the pixels and the prompt, no more and no less.
"""
CHOOSE = "Choose a photo or a clip, then press **Read the face**. Nothing at hand? Press one of the examples."
PRESS = "Press one of the examples."
LOOKING = "Looking for the face …"
READING = "The model is reading …"
NO_ATTRIBUTES, ESTIMATE, GIVEN = "none", "estimate age and gender", "I give them"
ATTRIBUTES = "EMO-LLaMA can be told such words; nothing is estimated until you ask. Race only if you give it here."
RESEARCH = "Research mode: an analyser that knows race words may estimate them too."
QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
# On a phone the answer stands below the button: bring it into view when work begins.
SHOW_RESULT = """() => {
    const result = document.querySelector("#result"), top = result.getBoundingClientRect().top;
    if (top < 0 || top > innerHeight - 250) result.scrollIntoView();
}"""
# A value that is set anew is a change again, and would be searched for faces again: undefined leaves one alone.
KEEP_NEWER = "(mine, other) => [mine && other ? null : undefined, mine ? 0 : undefined]"


@dataclass(frozen=True)
class View:
    """What the output side shows, in the order of its components; then what the session keeps."""

    result: str
    plot: Any = None
    answer: str = ""
    crops: Any = None
    prompt: str = ""
    record: dict[str, Any] | None = None
    subject: Any = field(default_factory=gr.skip)  # stays as it is

    def values(self) -> tuple[Any, ...]:
        """What has nothing to show is hidden; the conversation begins anew, once there is a subject."""
        plot = gr.Plot(self.plot, visible=self.plot is not None)
        shown = (self.result, plot, self.answer, self.crops, self.prompt, self.record)
        found, done = gr.Column(visible=bool(self.crops)), gr.Column(visible=isinstance(self.subject, Subject))
        return *shown, self.subject, self.record, found, done, gr.Chatbot([], visible=False)


def captioned_crops(reading: Reading) -> list[tuple[Any, str]]:
    """What the model sees, for the gallery: crops with landmarks, and when each one is shown."""
    pictures = []
    for when, crop in zip(reading.media.times, reading.crops, strict=True):
        if crop.status.usable:
            caption = "the face" if reading.media.kind == "image" else f"{when:.1f} s"
            edge = ", partly outside" if crop.status == FaceStatus.CUT_OFF else ""
            pictures.append((draw_landmarks(crop), caption + edge))
    return pictures


def only(photo: str | None, clip: str | None) -> str:
    """The one file that there is.

    Raises:
        EmoError: there are two, or none.
    """
    if photo and clip:
        raise EmoError("There is a photo and a clip: remove one of them.")
    if not (photo or clip):
        raise EmoError("There is nothing to read yet: choose a photo or a clip first.")
    return photo or clip


class FaceReader:
    """The event handlers of this view."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def read_face(
        self,
        photo: str | None = None,
        clip: str | None = None,
        face: int = 0,
        question: str = "",
        attributes: str = NO_ATTRIBUTES,
        age: str = "",
        gender: str = "",
        race: str = "",
    ) -> Iterator[dict[str, Any]]:
        """Reads the perceived expression of one face in a photo or a short clip; give one of the two. It says which
        expression most people would call the picture, not what the person feels. Not for assessing people at work or
        in education. The file is deleted afterwards.

        Args:
            photo: One picture (JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF) of at most 25 megapixels.
            clip: One video (MP4, MOV, WebM, MKV, AVI or MPEG) of at most 2 minutes and 100 MB.
            face: Which face, by size; 0 is the largest one.
            question: A free question, answered in words only; empty for the likelihood of eight expressions.
            attributes: What the model is told of the person: nothing, an estimate from the face, or what you give.
            age: Age group to tell the model; counts only with "I give them".
            gender: Gender to tell the model; counts only with "I give them".
            race: Race to tell the model; counts only with "I give them". It is never estimated.

        Returns:
            A record: status ("ok" or "no_face"; then message says why), label (the likeliest expression, or null),
            unsure (true when no expression is likelier than not), scores (expression -> likelihood, summing to 1),
            text (the model's own words), prompt (exactly what it was asked), frames (time in s, face box in pixels,
            status), attributes, settings, checkpoint, seconds, versions. It comes several times while the text grows.
        """
        with in_plain_words():
            for view in self.read(photo, clip, Wishes(face, question, attributes, age, gender, race)):
                if view.record:
                    yield view.record

    def show(self, photo: str | None, clip: str | None, *wishes: Any) -> Iterator[tuple[Any, ...]]:
        """The same for the page, where an error also takes the place of the result."""
        try:
            for view in self.read(photo, clip, Wishes(*wishes)):
                yield view.values()
        except Exception as error:
            failure = toast(error)
            yield View(f"## {TITLE}\n{failure.message}", record=failed(str(failure.message)), subject=None).values()
            raise failure from error

    def read(self, photo: str | None, clip: str | None, wishes: Wishes) -> Iterator[View]:
        """The view as the answer grows. Only the last one has a subject.

        Raises:
            EmoError: for wishes that cannot be met and files that cannot be read.
        """
        began = time.perf_counter()
        yield View(LOOKING, subject=None)
        reading = self.desk.look(only(photo, clip), face=wishes.face or 0, estimate=wishes.attributes == ESTIMATE)
        face = about_face(reading)
        if reading.priors is None:
            message = NO_FACE.format(why=reading.missing)
            yield View(f"## No face to read\n{message}", record=failed(message, "no_face") | face)
            return
        known = reading.priors.attributes
        if wishes.attributes == GIVEN and (wishes.age or wishes.gender or wishes.race):
            known = FaceAttributes(wishes.age or None, wishes.gender or None, wishes.race or None, origin="given")
        note = f"{frames_sentence(reading)} {attributes_sentence(known)}"
        yield View(f"{READING}\n\n{note}", crops=captioned_crops(reading))
        prompt = make_prompt(reading.media.kind, wishes.question, (), known)
        for view in self._answers(reading, prompt, note):
            yield replace(view, record={"status": "reading"} | view.record)
        run = about_run(self.desk.pipeline, wishes, known, time.perf_counter() - began)
        result = f"{view.result} Model {run['checkpoint']}, {run['seconds']} s."
        yield replace(view, result=result, record={"status": "ok"} | view.record | face | run)

    def _answers(self, reading: Reading, prompt: EmoPrompt, note: str) -> Iterator[View]:
        """First with the bars, then word by word; the last one has the subject."""
        plot, light = None, for_gpu(reading)
        for scores, text, exact, seen in self.desk.ask(light, prompt):
            plot = plot or (label_bars(scores) if scores else None)
            title = headline(scores) if scores else f"## Answer in words\n{NO_BARS}"
            subject = Subject(light, prompt, seen) if seen else gr.skip()
            record = about_answer(scores, text, exact)
            yield View(f"{title}\n\n{note}", plot, text, gr.skip(), exact, record, subject)


def media_inputs(desk: Desk, face: gr.Number) -> tuple[gr.Image, gr.Video, dict[gr.Button, Example]]:
    """Two tabs, one file: a new photo takes the clip away and the other way round."""
    sources = ["upload", "webcam"]
    with gr.Tabs():
        with gr.Tab("Photo"):
            photo = gr.Image(
                label="Photo",
                type="filepath",
                sources=sources,
                height=250,
                alt_text="The photo to read",
                interactive=not desk.classroom,
                buttons=["fullscreen"],
                elem_id="photo",
            )
            face_picker(desk, photo, face)
            examples = example_picker()
        with gr.Tab("Clip"):
            clip = gr.Video(
                label="Clip, up to 2 minutes",
                sources=sources,
                include_audio=False,
                interactive=not desk.classroom,
                buttons=[],
                elem_id="clip",
            )
            examples |= example_picker(clips=True)
    # Handed over as they are: PIL and ffmpeg would open the files before media.py has checked them.
    photo.preprocess = clip.preprocess = lambda upload: upload and upload.path
    photo.change(None, [photo, clip], [clip, face], js=KEEP_NEWER)
    clip.change(None, [clip, photo], [photo, face], js=KEEP_NEWER)
    return photo, clip, examples


def wish_inputs(desk: Desk, face: gr.Number) -> list[gr.components.Component]:
    """What question, which face, which attributes; in the order in which `read_face` takes them."""
    question = gr.Textbox(
        value="",
        label="Your question (optional)",
        placeholder="Leave it empty for the eight expressions, or ask freely: What do the eyes and the mouth show?",
        lines=2,
        max_length=MAX_QUESTION_LETTERS,
    )
    with gr.Accordion("Which face, age and gender", open=False):
        face.render()
        attributes = gr.Radio(
            [NO_ATTRIBUTES, ESTIMATE, GIVEN],
            value=NO_ATTRIBUTES,
            label="Age and gender in the prompt",
            info=f"{ATTRIBUTES} {RESEARCH if desk.research else ''}",
        )
        with gr.Row(visible=False) as words:
            given = [
                gr.Dropdown([("none", ""), *zip(choices, choices, strict=True)], value="", label=name, min_width=90)
                for name, choices in (("Age", AGE_GROUPS), ("Gender", GENDERS), ("Race", RACES))
            ]
    attributes.change(lambda choice: gr.Row(visible=choice == GIVEN), attributes, words, api_visibility="private")
    return [face, question, attributes, *given]


def output_side(first: str) -> tuple[list[gr.components.Component], gr.Column, FollowUpPanel]:
    """The components that a View fills, in its order; all but the first stand in a column that waits for a face."""
    result = gr.Markdown(EMPTY.format(first=first), elem_id="result")
    with gr.Column(visible=False) as found:
        plot = gr.Plot(label="Label distribution", show_label=False, elem_id="plot")
        answer = gr.Textbox(
            label="Answer in the model's words", placeholder="It appears here word by word.", interactive=False
        )
        panel = follow_up_panel()
        gr.Markdown("**What the model saw**: face crops, with landmarks drawn on them for you")
        crops = gr.Gallery(
            label="Face crops with landmarks",
            show_label=False,
            height="auto",
            object_fit="contain",
            interactive=False,
            buttons=["fullscreen"],
            elem_id="crops",
        )
        with gr.Accordion("The exact prompt, and the whole run as data", open=False):
            prompt = gr.Textbox(label="Exact prompt", lines=6, interactive=False, buttons=["copy"])
            data = gr.JSON(label="Run record", elem_id="data")
            gr.Button("Download the run record", size="sm").click(None, data, None, js=DOWNLOAD)
    return [result, plot, answer, crops, prompt, data], found, panel


def recognise_view(desk: Desk, subject: gr.State) -> None:
    """The layout; what is read becomes the `subject` of all views."""
    reader, record = FaceReader(desk), gr.State(None, time_to_live=KEEP_SECONDS)
    with gr.Row():
        with gr.Column(scale=2, min_width=280):
            face = gr.Number(0, label="Which face", info="0 is the largest one", precision=0, minimum=0, render=False)
            photo, clip, examples = media_inputs(desk, face)
            wishes = wish_inputs(desk, face)
            button = gr.Button("Read the face", variant="primary")
        with gr.Column(scale=3, min_width=280):
            shown, found, panel = output_side(PRESS if desk.classroom else CHOOSE)
    outputs = [*shown, subject, record, found, panel.column, panel.chat]
    serve = {"outputs": outputs, "show_progress": "minimal", "show_progress_on": shown[0], **MODEL_TURN}
    serve |= {"inputs": [photo, clip, *wishes], "api_visibility": "private"}
    asks = [button.click, wishes[1].submit]
    gr.on(asks, reader.show, **serve)
    for pressed, example in examples.items():
        files = (None, example.path, 0) if example.is_clip else (example.path, None, 0)
        chosen = pressed.click(lambda files=files: files, None, [photo, clip, face], api_visibility="private")
        chosen.then(reader.show, **serve)
    gr.on([*asks, *(pressed.click for pressed in examples)], None, js=SHOW_RESULT)
    panel.wire(desk, subject, record, shown[-1])
    bars = gr.Plot(visible="hidden")  # so that the browser has plotly.js before the first answer comes
    gr.on([photo.change, clip.change], lambda: label_bars({"": 1.0}), None, bars, queue=False, **QUIET)
    program = gr.Button(visible=False)  # what programs call has no place in the page
    program.click(reader.read_face, [photo, clip, *wishes], shown[-1], api_name="read_face", **MODEL_TURN)
