"""The shipped examples: there, small, drawn or in the public domain, and readable."""

import gradio as gr
import pytest

from emo_toolkit.pipeline import EmoPipeline
from emo_toolkit.ui.examples import EXAMPLES, FOLDER, Example, example_picker


def test_there_are_faces_and_clips_and_they_are_small() -> None:
    drawn = [each for each in EXAMPLES if each.title.startswith("Drawn ")]
    assert [each.name for each in EXAMPLES if each not in drawn] == ["astronaut.jpg"]
    assert (sum(not each.is_clip for each in drawn), sum(each.is_clip for each in drawn)) == (6, 2)
    assert all(each.poster.is_file() and len(each.title) < 40 for each in EXAMPLES)
    assert len({each.title for each in EXAMPLES}) == len(EXAMPLES)
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 1_000_000


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_every_example_can_be_read(example: Example, tiny_pipeline: EmoPipeline) -> None:
    reading = tiny_pipeline.read(example.path)
    assert (reading.media.kind == "video") is example.is_clip
    assert len(reading.seen) == len(reading.crops) > 0
    assert not example.is_clip or 1.9 < reading.media.duration < 2.2


def test_photos_and_clips_are_laid_out_apart() -> None:
    with gr.Blocks():
        photos, clips = example_picker(), example_picker(clips=True)
    assert [*photos.values(), *clips.values()] == list(EXAMPLES)
    assert all(button.value == each.title and button.icon for button, each in (photos | clips).items())
