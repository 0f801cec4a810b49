"""Every view, empty and filled, in a wide window and on a phone: it fits, and a screen reader gets along with it."""

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser_windows import PHONE, WIDE

from emo_toolkit.ui.page import VIEWS

pytestmark = pytest.mark.browser
TRY = "Eileen Collins, astronaut (NASA)"
FILLED: dict[str, dict[str, str]] = {  # view -> the buttons to press, and what is there after each one
    "recognise": {TRY: "#more"},
    "inside": {TRY: "#inside-sheet img"},
    "effects": {TRY: '#effects-words:has-text("that you had read")', "Measure the effects": "#effects .main-svg"},
    "make": {"surprise": "#drawn-plot .main-svg"},
}
# A gallery of Gradio takes the caption under a picture as its alternative text as well, so that is said twice.
RULES = {"resultTypes": ["violations"], "rules": {"image-redundant-alt": {"enabled": False}}}
windows = pytest.mark.parametrize(("size", "dark"), [(WIDE, False), (PHONE, True)], ids=["wide-light", "phone-dark"])


def check(page: Any, size: dict[str, int]) -> None:
    """Nothing sticks out to the right, and axe finds nothing."""
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    found = Axe().run(page, options=RULES).response["violations"]
    assert not found, [(each["id"], [node["html"][:150] for node in each["nodes"]]) for each in found]


@windows
@pytest.mark.parametrize("view", VIEWS)
def test_an_address_opens_its_view_and_it_fits(open_page: Callable, view: str, size: dict, dark: bool) -> None:
    check(open_page(view, size, dark=dark), size)


@windows
@pytest.mark.parametrize("view", FILLED)
def test_a_filled_view_fits_as_well(open_page: Callable, view: str, size: dict, dark: bool) -> None:
    page = open_page(view, size, dark=dark)
    for button, there in FILLED[view].items():
        page.locator("button:visible").filter(has_text=button).first.click()
        page.locator(there).first.wait_for()
    check(page, size)
