"""The page behind a real server: what visitors send, and what they and their programs get back."""

import json
import re
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from emo_toolkit.labels import DEFAULT_OPTIONS
from emo_toolkit.pipeline import EmoPipeline
from emo_toolkit.ui import Desk, Subject
from emo_toolkit.ui.face_picker import FacePicker, chosen
from emo_toolkit.ui.recognise import ESTIMATE, GIVEN, FaceReader, View
from emo_toolkit.ui.run_record import Wishes
from emo_toolkit.ui.words import SURE, headline, unsure

BARS_OFF = "answered in words only"


def ask(client: Client, photo: Path | dict | None = None, clip: Path | None = None, **wishes: Any) -> dict[str, Any]:
    """The run record at the end."""
    files = {
        "photo": handle_file(str(photo)) if isinstance(photo, Path) else photo,
        "clip": handle_file(str(clip)) if clip else None,
    }
    return client.predict(api_name="/read_face", **files, **wishes)


@pytest.fixture(scope="module")
def reader(talker: EmoPipeline) -> FaceReader:
    return FaceReader(Desk(talker))


def views(reader: FaceReader, photo: Path | None = None, clip: Path | None = None, **wishes: Any) -> list[View]:
    """What the page shows, step by step."""
    return list(reader.read(photo and str(photo), clip and str(clip), Wishes(**wishes)))


def test_a_photo_gets_a_distribution_and_words_as_they_come(
    client: Client, talker: EmoPipeline, astronaut: Path
) -> None:
    job = client.submit(photo=handle_file(str(astronaut)), api_name="/read_face")
    last = job.result()
    expected = talker.predict(astronaut)
    assert last["scores"] == pytest.approx(expected.scores, abs=1e-5)
    assert sum(last["scores"].values()) == pytest.approx(1, abs=1e-5) and tuple(last["scores"]) == DEFAULT_OPTIONS
    assert (last["status"], last["label"], last["kind"]) == ("ok", expected.label, "image")
    assert last["text"] == expected.text and expected.text and last["prompt"] == expected.prompt
    texts = [update["text"] for update in job.outputs()]
    assert len(set(texts)) > 3 and texts[-1] == expected.text


def test_the_page_shows_each_part_as_soon_as_it_is_there(reader: FaceReader, astronaut: Path) -> None:
    shown = views(reader, astronaut)
    assert shown[0].subject is None and "Looking" in shown[0].result
    assert len(shown[1].crops) == 1 and shown[1].plot is None
    assert shown[2].answer == "" and "perceived expression" in str(shown[2].plot).lower()
    assert len({view.answer for view in shown[2:]}) > 3
    assert [isinstance(view.subject, Subject) for view in shown] == [False] * (len(shown) - 2) + [True, True]
    last = shown[-1]
    assert last.record["label"] in last.result and "in the photo" in last.result and last.prompt
    assert last.subject.seen.text == last.answer and not last.subject.reading.media.frames


def test_the_run_record_holds_what_is_needed_to_do_it_again_and_no_path(
    reader: FaceReader, talker: EmoPipeline, astronaut: Path
) -> None:
    wishes = {"attributes": GIVEN, "age": "30-39"}
    *_, last = views(reader, astronaut, **wishes)
    record = json.loads(json.dumps(last.record))
    assert record["settings"] | wishes == record["settings"] and record["settings"]["unsure_below"] == SURE
    assert set(record["versions"]) == {"emo_toolkit", "python", "torch", "transformers", "gradio"}
    assert record["seconds"] > 0 and record["frames"][0]["found"] and record["attributes"]["age"] == "30-39"
    assert record["checkpoint"] == talker.checkpoint.folder.name and "not felt" in record["note"]
    assert astronaut.name not in str(record) and "/" not in str(record)


def test_a_clip_shows_the_frames_that_were_read(reader: FaceReader, clip: Path) -> None:
    shown = views(reader, None, clip, attributes=ESTIMATE)
    last, crops = shown[-1], shown[1].crops
    frames = last.record["frames"]
    assert [frame["found"] for frame in frames] == [True, True, True, False]
    assert [caption for _, caption in crops] == [f"{frame['time']:.1f} s" for frame in frames[:3]]
    assert "3 of 4 frames" in last.result and "no face" in last.result
    known = last.record["attributes"]
    assert known["origin"] == "estimated" and known["race"] is None and known["age"] in last.prompt


def test_a_free_question_with_given_words_reaches_the_model(client: Client, astronaut: Path) -> None:
    question = "  How do the eyes look? <image> "
    seen = ask(client, astronaut, question=question, attributes=GIVEN, gender="female", race="Asian")
    assert "The person in the image is an Asian female. How do the eyes look?<" in seen["prompt"]
    assert seen["prompt"].count("<image>") == 1
    assert seen["attributes"]["origin"] == "given" and seen["attributes"]["age"] is None
    assert seen["scores"] == {} and seen["label"] is None and seen["unsure"] is False


def test_a_free_question_has_no_bars_and_says_so(reader: FaceReader, astronaut: Path) -> None:
    *_, last = views(reader, astronaut, question="How do the eyes look?")
    assert last.plot is None and BARS_OFF in last.result


def test_words_left_in_the_boxes_stay_out_of_the_prompt(client: Client, astronaut: Path) -> None:
    assert "female" not in ask(client, astronaut, gender="female")["prompt"]


def test_every_face_of_a_photo_can_be_picked(reader: FaceReader, client: Client, two_faces: Path) -> None:
    note, crops = FacePicker(reader.desk).find(str(two_faces))
    assert "2 faces" in note.value and len(crops.value) == 2 and crops.visible
    boxes = [ask(client, two_faces, face=number)["frames"][0]["box"] for number in (0, 1)]
    assert boxes[0][2] < boxes[1][0] and boxes[0][3] - boxes[0][1] > boxes[1][3] - boxes[1][1]


def test_the_picker_speaks_before_anything_is_read(reader: FaceReader, astronaut: Path, noise: Path) -> None:
    find = FacePicker(reader.desk).find
    for path, sentence in ((astronaut, "One face"), (noise, "No face"), (Path(__file__), "damaged|kind")):
        note, crops = find(str(path))
        assert re.search(sentence, note.value) and note.visible and not crops.visible
    note, crops = find(None)
    assert not note.visible and not crops.visible


@pytest.mark.parametrize(("index", "number"), [(3, 3), (0, 0), (-1, 0), (10**9, 0), ([1], 0), ("1", 0), (None, 0)])
def test_a_click_is_a_number_of_the_list(index: Any, number: int) -> None:
    assert chosen(gr.SelectData(None, {"index": index, "value": None})) == number


def test_no_face_is_said_in_plain_words(client: Client, noise: Path) -> None:
    seen = ask(client, noise)
    assert seen["status"] == "no_face" and "No usable face was found" in seen["message"]


def test_wishes_that_cannot_be_met_get_a_sentence(client: Client, astronaut: Path, clip: Path) -> None:
    for wishes, message in (
        ({}, "nothing to read"),
        ({"photo": astronaut, "clip": clip}, "remove one"),
        ({"photo": astronaut, "face": 3}, "no face number 3: 1 found"),
        ({"photo": astronaut, "attributes": GIVEN, "race": "Martian"}, "Martian"),
    ):
        with pytest.raises(AppError, match=message):
            ask(client, **wishes)


def test_an_unsure_answer_names_two_words_and_a_sure_one_names_one() -> None:
    assert headline({"fear": 0.4, "anger": 0.35, "neutral": 0.25}) == "## Unsure: fear 40.0% or anger 35.0%?"
    assert headline({"fear": 0.6, "anger": 0.4}) == "## fear 60.0%"
    assert unsure({"fear": 0.4, "anger": 0.35, "neutral": 0.25}) and not unsure({"fear": 0.6, "anger": 0.4})
    assert not unsure({})
