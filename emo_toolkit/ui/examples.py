"""The examples that ship with the page: one public-domain photo, and drawn faces and clips of nobody.

EXAMPLES -> buttons with a picture each; whoever lays them out decides what a press does.
"""

import filecmp
from dataclasses import dataclass
from pathlib import Path

import gradio as gr

from .theme import ASSETS

FOLDER = ASSETS / "examples"


@dataclass(frozen=True)
class Example:
    """One file that visitors may try."""

    name: str  # of the file, in FOLDER
    title: str  # under its picture; it is the button's name for a screen reader as well

    @property
    def path(self) -> str:
        """Where the file is; the server may hand it out."""
        return str(FOLDER / self.name)

    @property
    def is_clip(self) -> bool:
        """Whether it belongs into the input for clips."""
        return self.name.endswith(".mp4")

    @property
    def poster(self) -> Path:
        """Its picture on the button."""
        return (FOLDER / self.name).with_suffix(".jpg")


# The label of a drawn face is not in its title: whoever tries one shall judge it first.
EXAMPLES = (
    Example("astronaut.jpg", "Eileen Collins, astronaut (NASA)"),
    Example("drawn_happiness.jpg", "Drawn face: man, 33"),
    Example("drawn_surprise.jpg", "Drawn face: woman, 72"),
    Example("drawn_fear.jpg", "Drawn face: man, 36"),
    Example("drawn_sadness.jpg", "Drawn face: woman, 58"),
    Example("drawn_anger.jpg", "Drawn face: man, 23"),
    Example("drawn_contempt.jpg", "Drawn face: woman, 45"),
    Example("drawn_clip_happiness.mp4", "Drawn clip: boy, 10"),
    Example("drawn_clip_disgust.mp4", "Drawn clip: man, 30"),
)


def is_example(path: str) -> bool:
    """Whether a file is one of the examples, by its content: uploads have paths of their own."""
    return any(filecmp.cmp(path, each.path, shallow=False) for each in EXAMPLES)


EXAMPLE = EXAMPLES[0]  # which the views that have no upload of their own offer


def example_button() -> gr.Button:
    """The one example of a view that has no upload of its own; whoever lays it out decides what a press does."""
    return gr.Button(f"Try it: {EXAMPLE.title}, public domain", icon=EXAMPLE.poster, elem_classes="try-it")


def example_picker(*, clips: bool = False) -> dict[gr.Button, Example]:
    """Lays out one button an example, with its picture above its title. The files may be served from then on.

    Args:
        clips: lay out the clips instead of the photos.
    """
    gr.set_static_paths([FOLDER])
    with gr.Row(elem_classes="examples"):
        return {
            gr.Button(each.title, icon=each.poster, size="sm", min_width=0, elem_classes="example"): each
            for each in EXAMPLES
            if each.is_clip is clips
        }
