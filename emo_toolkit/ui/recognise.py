"""Recognise: a photo or clip in; label distribution, streamed words and the crops that the model saw out."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr

from ..errors import EmoError
from ..face import draw_landmarks
from ..labels import AGE_GROUPS, GENDERS, RACES
from ..pipeline import NO_FACE, Reading, make_prompt
from ..plots import label_bars
from ..prompts import MAX_QUESTION_LETTERS
from ..schema import EmoPrompt, FaceAttributes, FaceStatus
from .desk import MODEL_TURN, Desk, Subject, for_gpu
from .theme import ASSETS

EMPTY = "Choose a photo or a clip, then press **Read the face**."
LOOKING = "Looking for the face …"
READING = "The model is reading …"
NO_BARS = "A free question is answered in words only; leave it empty to see how likely each expression is."
SURE = 0.5  # below this likelihood no single label is named
EXAMPLE = ASSETS / "examples" / "astronaut.jpg"
NO_ATTRIBUTES, ESTIMATE, GIVEN = "none", "estimate age and gender", "I give them"
PEOPLE = [("0 (the largest face)", 0), *((str(number), number) for number in range(1, 10))]
# On a phone the answer stands below the button: bring it into view when work begins.
SHOW_RESULT = """() => {
    const result = document.querySelector("#result"), top = result.getBoundingClientRect().top;
    if (top < 0 || top > innerHeight - 250) result.scrollIntoView();
}"""


@dataclass(frozen=True)
class View:
    """What the output side shows, in the order of its components, and the subject once there is one."""

    result: str
    plot: Any = None
    answer: str = ""
    crops: Any = None
    prompt: str = ""
    data: Any = None
    subject: Subject | None = None

    def values(self) -> tuple[Any, ...]:
        outputs = (self.result, self.plot, self.answer, self.crops, self.prompt, self.data)
        return *outputs, self.subject or gr.skip()


def captioned_crops(reading: Reading) -> list[tuple[Any, str]]:
    """What the model sees, for the gallery: crops with landmarks, and when each one is shown."""
    pictures = []
    for when, crop in zip(reading.media.times, reading.crops, strict=True):
        if crop.status.usable:
            caption = "the face" if reading.media.kind == "image" else f"{when:.1f} s"
            edge = ", partly outside" if crop.status == FaceStatus.CUT_OFF else ""
            pictures.append((draw_landmarks(crop), caption + edge))
    return pictures


def frames_sentence(reading: Reading) -> str:
    """How many frames the model sees, and why the others are left out."""
    seen, total = len(reading.seen), len(reading.crops)
    if reading.media.kind == "image":
        return "Read from the face in the photo."
    if seen == total:
        return f"Read from {total} frames, all with a usable face."
    return f"Read from {seen} of {total} frames; {total - seen} without a usable face ({reading.missing})."


def headline(scores: Mapping[str, float]) -> str:
    """The likeliest label, or the two that come closest when none is likelier than not."""
    (first, high), (second, low), *_ = sorted(scores.items(), key=lambda item: -item[1])
    if high < SURE:
        return f"## Unsure: {first} {high:.1%} or {second} {low:.1%}?"
    return f"## {first} {high:.1%}"


def attributes_sentence(known: FaceAttributes) -> str:
    """The attribute words that the prompt holds, and where they come from."""
    words = ", ".join(filter(None, (known.race, known.gender, known.age and f"aged {known.age}")))
    source = {"estimated": "Estimated from the face", "given": "Given by you"}
    return f"{source[known.origin]}: {words}." if words else ""


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
    """The event handler of this view."""

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
    ) -> Iterator[tuple[Any, ...]]:
        """Reads the perceived expression of one face in a photo or a clip; give one of the two."""
        began = time.perf_counter()
        yield View(LOOKING).values()
        try:
            reading = self.desk.look(only(photo, clip), face=face, estimate=attributes == ESTIMATE)
        except EmoError as error:
            message = str(error)[:1].upper() + str(error)[1:]
            yield View(f"## That did not work\n{message}", data={"status": "error", "message": message}).values()
            raise gr.Error(message, title="That did not work", print_exception=False) from error
        data = {"kind": reading.media.kind, "frames": [asdict(frame) for frame in reading.frames]}
        if reading.priors is None:
            message = NO_FACE.format(why=reading.missing)
            data |= {"status": "no_face", "message": message}
            yield View(f"## No face to read\n{message}", data=data).values()
            return
        known = reading.priors.attributes
        if attributes == GIVEN and (age or gender or race):
            known = FaceAttributes(age or None, gender or None, race or None, origin="given")
        note = f"{frames_sentence(reading)} {attributes_sentence(known)}"
        view = View(f"{READING}\n\n{note}", crops=captioned_crops(reading))
        yield view.values()
        prompt = make_prompt(reading.media.kind, question, (), known)
        for answer in self._answers(reading, prompt, view.crops, note):
            yield replace(answer, crops=gr.skip()).values()
        data |= {"status": "ok", **answer.data, "attributes": asdict(replace(known, probabilities={}))}
        name, seconds = Path(self.desk.pipeline.checkpoint.name).name, round(time.perf_counter() - began, 2)
        data |= {"checkpoint": name, "seconds": seconds}
        yield replace(answer, data=data, result=f"{answer.result} Model {name}, {seconds} s.").values()

    def _answers(self, reading: Reading, prompt: EmoPrompt, crops: Any, note: str) -> Iterator[View]:
        """The view as the answer grows: first with the bars, then word by word."""
        plot, light = None, for_gpu(reading)
        for scores, text, exact, seen in self.desk.ask(light, prompt):
            plot = plot or (label_bars(scores) if scores else None)
            title = headline(scores) if scores else f"## Answer in words\n{NO_BARS}"
            label = max(scores, key=scores.__getitem__) if scores else None
            data = {"label": label, "scores": scores, "text": text}
            subject = seen and Subject(light, prompt, seen)
            yield View(f"{title}\n\n{note}", plot, text, crops, exact, data, subject)


def media_inputs() -> tuple[gr.Image, gr.Video, gr.Button]:
    """Two tabs, one file: a new photo takes the clip away and the other way round."""
    sources = ["upload", "webcam"]
    with gr.Tabs():
        with gr.Tab("Photo"):
            photo = gr.Image(label="Photo", type="filepath", sources=sources, height=250, alt_text="The photo to read")
            example = gr.Button(
                "Try it: astronaut Eileen Collins (NASA, public domain)",
                icon=str(EXAMPLE),
                size="sm",
                elem_id="example",
            )
        with gr.Tab("Clip"):
            clip = gr.Video(label="Clip, up to 2 minutes", sources=sources, include_audio=False, height=310)
    # Handed over as they are: PIL and ffmpeg would open the files before media.py has checked them.
    photo.preprocess = clip.preprocess = lambda upload: upload and upload.path
    keep_newer = "(mine, other) => mine ? null : other"
    photo.change(None, [photo, clip], clip, js=keep_newer)
    clip.change(None, [clip, photo], photo, js=keep_newer)
    return photo, clip, example


def wish_inputs() -> list[gr.components.Component]:
    """Which face, what question, which attributes; in the order in which `read_face` takes them."""
    question = gr.Textbox(
        value="",
        label="Your question (optional)",
        placeholder="Leave it empty for the eight expressions, or ask freely: What do the eyes and the mouth show?",
        lines=2,
        max_length=MAX_QUESTION_LETTERS,
    )
    with gr.Accordion("Which face, age and gender", open=False):
        face = gr.Dropdown(PEOPLE, value=0, label="Which face, from large to small", filterable=False)
        attributes = gr.Radio(
            [NO_ATTRIBUTES, ESTIMATE, GIVEN],
            value=NO_ATTRIBUTES,
            label="Age and gender in the prompt",
            info="EMO-LLaMA can be told such words. Race is in the prompt only if you give it here.",
        )
        with gr.Row(visible=False) as words:
            given = [
                gr.Dropdown([("none", ""), *zip(choices, choices, strict=True)], value="", label=name, min_width=90)
                for name, choices in (("Age", AGE_GROUPS), ("Gender", GENDERS), ("Race", RACES))
            ]
    attributes.change(lambda choice: gr.Row(visible=choice == GIVEN), attributes, words, api_visibility="private")
    return [face, question, attributes, *given]


def output_side() -> list[gr.components.Component]:
    """The components that a View fills, in its order."""
    result = gr.Markdown(EMPTY, elem_id="result")
    plot = gr.Plot(label="Label distribution", show_label=False, elem_id="plot")
    answer = gr.Textbox(
        label="Answer in the model's words", placeholder="It appears here word by word.", lines=2, interactive=False
    )
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
    with gr.Accordion("The exact prompt, and everything as data", open=False):
        prompt = gr.Textbox(label="Exact prompt", lines=6, interactive=False, buttons=["copy"])
        data = gr.JSON(label="Data", elem_id="data")
    return [result, plot, answer, crops, prompt, data]


def recognise_view(desk: Desk, subject: gr.State) -> None:
    """The layout; what is read becomes the `subject` of all views."""
    reader = FaceReader(desk)
    with gr.Row():
        with gr.Column(scale=2, min_width=280):
            photo, clip, example = media_inputs()
            wishes = wish_inputs()
            button = gr.Button("Read the face", variant="primary")
        with gr.Column(scale=3, min_width=280):
            outputs = [*output_side(), subject]
    serve = {"outputs": outputs, "show_progress": "minimal", "show_progress_on": outputs[0], **MODEL_TURN}
    ask = [button.click, wishes[1].submit]
    gr.on(ask, reader.read_face, [photo, clip, *wishes], api_name="read_face", **serve)
    example.click(lambda: str(EXAMPLE), None, photo, api_visibility="private").then(
        reader.read_face, [photo, gr.State(None), *wishes], api_visibility="private", **serve
    )
    gr.on([*ask, example.click], None, js=SHOW_RESULT)
