"""Several faces in one photo: a small crop of each to click, before anything is read.

photo -> the desk's detector -> crops, largest first -> the number that `read_face` takes
"""

from typing import Any

import gradio as gr

from ..errors import EmoError
from .desk import Desk

MOST_FACES = 20  # that are shown; a photo may have more, and a program may ask for those
ONE_FACE = "One face found."
NO_FACE = "No face found. Use a photo in which one face is at least 20 pixels wide and mostly visible."
MANY_FACES = "**{count} faces found. Choose the one to read**, then press the button."


class FacePicker:
    """The event handlers of the picker."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def find(self, photo: str | None) -> tuple[Any, Any]:
        """The note and the crops; a bad file gets its sentence here already."""
        if not photo:
            return gr.Markdown("", visible=False), gr.Gallery(None, visible=False)
        try:
            crops = self.desk.faces(photo)[:MOST_FACES]
        except EmoError as error:
            message = str(error)
            return gr.Markdown(f"{message[:1].upper()}{message[1:]}", visible=True), gr.Gallery(None, visible=False)
        if len(crops) < 2:
            return gr.Markdown(ONE_FACE if crops else NO_FACE, visible=True), gr.Gallery(None, visible=False)
        pictures = [(crop.image, f"face {crop.track}") for crop in crops]
        note = gr.Markdown(MANY_FACES.format(count=len(crops)), visible=True)
        return note, gr.Gallery(pictures, visible=True, selected_index=0)


def chosen(event: gr.SelectData) -> int:
    """The number of the clicked crop; anything else that a program may send is the largest face."""
    return event.index if event.index in range(MOST_FACES) else 0


def face_picker(desk: Desk, photo: gr.Image, face: gr.Number) -> None:
    """The crops under a photo; a click sets `face`."""
    note = gr.Markdown(visible=False, elem_id="faces-found")
    crops = gr.Gallery(
        label="Faces in the photo",
        show_label=False,
        visible=False,
        allow_preview=False,
        interactive=False,
        height="auto",
        columns=5,
        buttons=[],
        elem_id="faces",
    )
    find = FacePicker(desk).find
    photo.change(find, photo, [note, crops], api_visibility="private", show_progress="hidden", concurrency_limit=2)
    crops.select(chosen, None, face, api_visibility="private", queue=False, show_progress="hidden")
