"""What a visitor does, in a real browser: upload, camera, sliders, keyboard, and what goes wrong."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from browser_windows import PHONE, WIDE
from playwright.sync_api import expect

from emo_toolkit.pipeline import EmoPipeline

pytestmark = pytest.mark.browser
TRY = "Eileen Collins, astronaut (NASA)"
DATA = "() => JSON.parse(document.querySelector('#data').innerText)"


def upload(page: Any, path: Path, tab: str = "Photo") -> None:
    """Until the page shows that it has the file; before, there is nothing to read."""
    page.get_by_role("tab", name=tab, exact=True).click()
    kind, shown = ("image", "#photo img") if tab == "Photo" else ("video", "#clip video")
    page.locator(f"input[type=file][accept*={kind}]").set_input_files(path)
    page.locator(shown).wait_for(state="attached")


def camera_on(page: Any, where: str) -> Any:
    """Starts the camera of that input, as far as its first picture: before that its button does nothing."""
    source = page.locator(where)
    source.get_by_label("Capture from camera").click()
    source.get_by_text("Click to Access Webcam").click()
    page.wait_for_function("where => document.querySelector(where + ' video')?.videoWidth > 0", arg=where)
    return source


def read(page: Any) -> str:
    """The headline, once the answer is complete."""
    page.get_by_role("button", name="Read the face").click()
    answered(page)
    return page.locator("#result h2").inner_text()


def answered(page: Any) -> None:
    """Waits for the last sentence of a complete answer."""
    page.locator("#result").get_by_text(re.compile(r"Model .* s\.")).wait_for()


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_an_uploaded_photo_gets_bars_words_and_the_crop_of_its_face(
    open_page: Callable, talker: EmoPipeline, astronaut: Path, size: dict
) -> None:
    page, expected = open_page(size=size), talker.predict(astronaut)
    upload(page, astronaut)
    page.get_by_text("One face found").wait_for()
    share = f"{expected.scores[expected.label]:.1%}"
    assert share in read(page) and expected.label in page.locator("#result h2").inner_text()
    page.locator("#plot .main-svg").first.wait_for()
    expect(page.get_by_label("Answer in the model's words")).to_have_value(expected.text)
    assert page.locator("#crops img").count() == 1
    heading = page.locator("#result h2").bounding_box()
    assert 0 <= heading["y"] < size["height"]  # what the visitor waited for is in sight


def test_an_uploaded_clip_shows_the_frames_that_were_read(open_page: Callable, clip: Path) -> None:
    page = open_page()
    upload(page, clip, "Clip")
    assert "%" in read(page)
    assert page.locator("#crops img").count() == 3 and "3 of 4 frames" in page.locator("#result").inner_text()


def test_a_new_file_takes_the_other_one_away_and_is_searched_for_faces_once(
    open_page: Callable, two_faces: Path, clip: Path
) -> None:
    page, searches = open_page(), []
    page.on("request", lambda asked: "FileData" in (asked.post_data or "") and searches.append(asked.post_data))
    upload(page, two_faces)
    page.get_by_text("2 faces found").wait_for()
    page.wait_for_timeout(1000)
    assert len(searches) == 1, searches
    upload(page, clip, "Clip")
    expect(page.locator("#photo img")).to_have_count(0)
    page.wait_for_timeout(1000)
    assert page.locator("#clip video").count() == 1
    upload(page, two_faces)
    expect(page.locator("#clip video")).to_have_count(0)
    page.wait_for_timeout(1000)
    assert page.locator("#photo img").count() == 1


def test_a_picture_of_the_camera_is_read(open_page: Callable) -> None:
    page = open_page()
    camera_on(page, "#photo").get_by_label("capture photo").click()
    page.get_by_text("One face found").wait_for()
    assert "%" in read(page)


def test_a_recording_of_the_camera_is_read(open_page: Callable) -> None:
    page = open_page()
    page.get_by_role("tab", name="Clip", exact=True).click()
    clip = camera_on(page, "#clip")
    clip.get_by_text("Record", exact=True).click()
    page.wait_for_timeout(1500)
    clip.get_by_text("Stop", exact=True).click()
    clip.locator("video[src*=webm]").wait_for()
    assert "%" in read(page) and "frames" in page.locator("#result").inner_text()


def test_one_of_several_faces_is_chosen_by_a_click(open_page: Callable, two_faces: Path) -> None:
    page = open_page()
    upload(page, two_faces)
    page.get_by_text("2 faces found").wait_for()
    page.locator("#faces button").nth(1).click()
    page.get_by_role("button", name="Which face, age and gender").click()
    expect(page.get_by_role("spinbutton", name="Which face")).to_have_value("1")  # the click has gone round
    read(page)
    page.get_by_text("The exact prompt, and the whole run as data").click()
    with page.expect_download() as file:
        page.get_by_role("button", name="Download the run record").click()
    record = json.loads(Path(file.value.path()).read_text())
    assert record["settings"]["face"] == 1 and record["status"] == "ok"


def test_a_follow_up_question_is_answered_below(open_page: Callable) -> None:
    page = open_page()
    page.locator("button:visible").filter(has_text=TRY).click()
    answered(page)
    question = page.locator("#more textarea")
    question.fill("How do the eyes look?")
    question.press("Enter")
    page.locator("#chat .bot").first.wait_for()
    expect(page.locator("#chat")).to_contain_text("How do the eyes look?")


def test_what_cannot_be_read_says_why_and_the_next_file_is_read(
    open_page: Callable, noise: Path, astronaut: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0 no picture")
    for path, words in ((noise, "No usable face"), (broken, "damaged")):
        page = open_page()
        upload(page, path)
        page.get_by_role("button", name="Read the face").click()
        page.locator("#result").get_by_text(words).wait_for()
        assert not page.locator("#more").is_visible()
        page.get_by_label("Remove Image").click()
        upload(page, astronaut)
        assert "%" in read(page)


def test_a_slider_redraws_the_map_without_the_model(open_page: Callable) -> None:
    page = open_page("inside")
    page.locator("button:visible").filter(has_text=TRY).click()
    page.locator("#inside-sheet img").first.wait_for()
    before = page.locator("#inside-sheet").inner_html()
    page.get_by_label("Head (0: the mean of all)").last.press("ArrowRight")
    page.wait_for_function("old => document.querySelector('#inside-sheet').innerHTML !== old", arg=before)
    page.get_by_role("button", name="Can this map be trusted?").click()
    page.locator("#inside-curves .main-svg").first.wait_for()
    expect(page.locator("#inside-sheet")).to_contain_text("chance")


def test_an_action_unit_moves_the_drawn_face_and_its_reading(open_page: Callable) -> None:
    page = open_page("make")
    before = page.locator("#drawn-face img").get_attribute("src")
    slider = page.get_by_label("AU12 lip corner puller").last
    for _ in range(8):
        slider.press("ArrowRight")
    page.locator("#drawn-truth").get_by_text("AU12").first.wait_for()
    page.locator("#drawn-plot .main-svg").first.wait_for()
    assert page.locator("#drawn-face img").get_attribute("src") != before


def test_everything_works_by_keyboard_alone(open_page: Callable) -> None:
    page = open_page()

    def tab_to(text: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate("text => document.activeElement.innerText?.trim().startsWith(text)", text):
                return
        raise AssertionError(f"Tab never reaches '{text}'")

    tab_to(TRY)
    page.keyboard.press("Enter")
    answered(page)
    tab_to("Look inside")
    page.keyboard.press("Enter")
    page.locator("#inside-sheet img").first.wait_for()
