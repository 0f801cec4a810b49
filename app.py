"""The page: a photo or clip in; label distribution, streamed words and the crops that the model saw out.

    python app.py [--checkpoint mini] [--host 127.0.0.1] [--port 7860] [--share]

A hosted Space runs the same line; only `FaceReader`'s `ask` holds its GPU.
"""

import spaces  # first, because it prepares torch for ZeroGPU

# isort: split
import argparse
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import ceil
from pathlib import Path
from typing import Any

import gradio as gr

import emo_toolkit
from emo_toolkit.errors import EmoError
from emo_toolkit.face import draw_landmarks
from emo_toolkit.labels import AGE_GROUPS, GENDERS, RACES
from emo_toolkit.media import MediaLimits, load_media
from emo_toolkit.pipeline import MAX_NEW_TOKENS, NO_FACE, EmoPipeline, Reading, make_prompt
from emo_toolkit.plots import label_bars
from emo_toolkit.prompts import MAX_QUESTION_LETTERS
from emo_toolkit.schema import EmoPrompt, FaceAttributes, FaceStatus

TITLE = "EMO-LLaMA toolkit"
DISCLAIMER = "Independent reconstruction of EMO-LLaMA: perceived expression, not felt emotion"
PURPOSE = (
    "For learning and research. Not for assessing people at work or in education. "
    "Uploads are deleted within 20 minutes and used for nothing else. Race is never inferred."
)
EMPTY = "Choose a photo or a clip, then press **Read the face**."
LOOKING = "Looking for the face …"
READING = "The model is reading …"
NO_BARS = "A free question is answered in words only; leave it empty to see how likely each expression is."
SURE = 0.5  # below this likelihood no single label is named
ASSETS = Path(emo_toolkit.__file__).parent / "assets"
EXAMPLE = ASSETS / "examples" / "astronaut.jpg"
NO_ATTRIBUTES, ESTIMATE, GIVEN = "none", "estimate age and gender", "I give them"
PEOPLE = [("0 (the largest face)", 0), *((str(number), number) for number in range(1, 10))]
LIMITS = MediaLimits(max_bytes=100_000_000, max_seconds=120.0, max_decode_seconds=30.0)
KEEP_SECONDS = 600  # a file is deleted at the first sweep after this time, and sweeps are as far apart
THEME = gr.themes.Soft(
    primary_hue="indigo",
    neutral_hue="slate",
    font=["system-ui", "Segoe UI", "Roboto", "Helvetica Neue", "sans-serif"],
    font_mono=["ui-monospace", "SF Mono", "Consolas", "monospace"],
).set(
    color_accent="*primary_600",
    button_primary_background_fill="*primary_600",
    button_primary_background_fill_hover="*primary_700",
    checkbox_label_background_fill_selected="*primary_600",
    block_label_text_color="*primary_700",
    body_background_fill="*neutral_50",
    block_background_fill="white",
    block_border_width="1px",
    block_border_width_dark="1px",
    block_border_color="*neutral_200",
    body_text_color_subdued="*neutral_600",
    body_text_color_subdued_dark="*neutral_300",
    input_placeholder_color="*neutral_500",
    input_placeholder_color_dark="*neutral_400",
    block_title_background_fill="none",
    block_title_background_fill_dark="none",
    block_title_padding="0",
    block_title_text_color="*body_text_color",
    block_title_text_color_dark="*body_text_color",
)
# On a phone the answer stands below the button: bring it into view when work begins.
SHOW_RESULT = """() => {
    const result = document.querySelector("#result"), top = result.getBoundingClientRect().top;
    if (top < 0 || top > innerHeight - 250) result.scrollIntoView();
}"""
LAUNCH: dict[str, Any] = {
    "theme": THEME,
    "css_paths": ASSETS / "page.css",
    "max_file_size": LIMITS.max_bytes,
    "allowed_paths": [],
    "run_history": False,
    "footer_links": ["api"],
    "ssr_mode": False,
}


@dataclass(frozen=True)
class View:
    """What the output side of the page shows; fields in the order of the components."""

    result: str
    plot: Any = None
    answer: str = ""
    crops: Any = None
    prompt: str = ""
    data: Any = None

    def values(self) -> tuple[Any, ...]:
        return self.result, self.plot, self.answer, self.crops, self.prompt, self.data


def gpu_seconds(reading: Reading, *args: Any, **kwargs: Any) -> int:
    """How long a hosted GPU is asked for: load, frames and tokens, times 1.4. An estimate, not a measurement."""
    return ceil(1.4 * (4 + 0.1 * len(reading.crops) + 0.06 * MAX_NEW_TOKENS))


def for_gpu(reading: Reading) -> Reading:
    """The reading without its full frames: the model needs the crops, and arguments travel to another process."""
    return replace(reading, media=replace(reading.media, frames=()))


def look(pipeline: EmoPipeline, photo: str | None, clip: str | None, *, face: int, estimate: bool) -> Reading:
    """Decoding and face work, on the CPU and outside the GPU call.

    Raises:
        EmoError: there is not exactly one file, it cannot be read, or it has no such face.
    """
    if photo and clip:
        raise EmoError("There is a photo and a clip: remove one of them.")
    if not (photo or clip):
        raise EmoError("There is nothing to read yet: choose a photo or a clip first.")
    media = load_media(photo or clip, num_frames=pipeline.processor.num_frames, limits=LIMITS)
    return pipeline.look(media, face=face, estimate=estimate)


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


class FaceReader:
    """The event handler of one pipeline. It keeps nothing between calls: visitors come at the same time."""

    def __init__(self, pipeline: EmoPipeline) -> None:
        @spaces.GPU(duration=gpu_seconds)
        def ask(reading: Reading, prompt: EmoPrompt) -> Iterator[tuple[dict[str, float], str, str]]:
            yield from pipeline.stream(reading, prompt)

        self.pipeline, self.ask = pipeline, ask

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
            reading = look(self.pipeline, photo, clip, face=face, estimate=attributes == ESTIMATE)
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
        name, seconds = Path(self.pipeline.checkpoint.name).name, round(time.perf_counter() - began, 2)
        data |= {"checkpoint": name, "seconds": seconds}
        yield replace(answer, data=data, result=f"{answer.result} Model {name}, {seconds} s.").values()

    def _answers(self, reading: Reading, prompt: EmoPrompt, crops: Any, note: str) -> Iterator[View]:
        """The view as the answer grows: first with the bars, then word by word."""
        plot = None
        for scores, text, exact in self.ask(for_gpu(reading), prompt):
            plot = plot or (label_bars(scores) if scores else None)
            title = headline(scores) if scores else f"## Answer in words\n{NO_BARS}"
            label = max(scores, key=scores.__getitem__) if scores else None
            data = {"label": label, "scores": scores, "text": text}
            yield View(f"{title}\n\n{note}", plot, text, crops, exact, data)


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


def build_app(pipeline: EmoPipeline) -> gr.Blocks:
    """The page of one loaded checkpoint; `launch(**LAUNCH)` serves it."""
    gr.set_static_paths([EXAMPLE])
    reader = FaceReader(pipeline)
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(KEEP_SECONDS, KEEP_SECONDS)) as page:
        gr.Markdown(f"# {TITLE}")
        gr.Markdown(DISCLAIMER, elem_id="disclaimer")
        gr.Markdown(PURPOSE, elem_id="purpose")
        with gr.Row():
            with gr.Column(scale=2, min_width=280):
                photo, clip, example = media_inputs()
                wishes = wish_inputs()
                button = gr.Button("Read the face", variant="primary")
            with gr.Column(scale=3, min_width=280):
                outputs = output_side()
        serve = {"outputs": outputs, "show_progress": "minimal", "show_progress_on": outputs[0]}
        serve |= {"concurrency_limit": 2, "concurrency_id": "model"}
        ask = [button.click, wishes[1].submit]
        gr.on(ask, reader.read_face, [photo, clip, *wishes], api_name="read_face", **serve)
        example.click(lambda: str(EXAMPLE), None, photo, api_visibility="private").then(
            reader.read_face, [photo, gr.State(None), *wishes], api_visibility="private", **serve
        )
        gr.on([*ask, example.click], None, js=SHOW_RESULT)
    return page.queue(max_size=16)


def main(words: Sequence[str] | None = None) -> None:
    """Loads the checkpoint once and serves the page until it is stopped."""
    parser = argparse.ArgumentParser(description=f"Serves the page of the {TITLE}. {DISCLAIMER}.")
    parser.add_argument("--checkpoint", default="mini", help="mini, a folder or a Hub id (default: mini)")
    parser.add_argument("--host", help="default: GRADIO_SERVER_NAME, or else 127.0.0.1: this machine only")
    parser.add_argument("--port", type=int, help="default: GRADIO_SERVER_PORT, or else the first free one from 7860")
    parser.add_argument("--share", action="store_true", help="a public address through Gradio's servers, for 72 hours")
    arguments = parser.parse_args(words)
    try:
        pipeline = EmoPipeline.from_checkpoint(arguments.checkpoint, progress=show_progress)
    except EmoError as error:
        parser.exit(1, f"{error}\n")
    page = build_app(pipeline)
    page.launch(server_name=arguments.host, server_port=arguments.port, share=arguments.share, **LAUNCH)


def show_progress(what: str, done: int, total: int) -> None:
    """How much of a checkpoint's part is there, on one line of standard error."""
    sys.stderr.write(f"\r{what}: {done / max(total, 1):4.0%}" + "\n" * (done >= total))


if __name__ == "__main__":
    main()
