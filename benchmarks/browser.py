"""Times the page in a headless browser, served by `python app.py` in a process of its own; prints JSON, in seconds.

    python benchmarks/browser.py [--checkpoint mini] [--browser /usr/bin/chromium]

Needs playwright (requirements-dev.txt) and Chromium. A redraw is timed in the page, from the move to the new picture.
"""

import argparse
import json
import os
import shutil
import statistics
import time

from latency import PHOTO
from page import seconds_until_up, served
from playwright.sync_api import Page, sync_playwright

REDRAWS = 15
# Moves a slider by one step and waits until the part of the page that it draws has changed and can be seen.
MOVE = """async ([label, part]) => {
    const sliders = [...document.querySelectorAll('input[type=range]')].filter(each => each.offsetParent)
    const slider = sliders.find(each => each.ariaLabel?.includes(label))
    const images = () => [...document.querySelector(part).querySelectorAll('img')]
    const sources = () => images().map(image => image.src).join(), before = sources(), began = performance.now()
    const drawn = new Promise(done => new MutationObserver(() => sources() == before || done()).observe(
        document.querySelector(part), {subtree: true, childList: true, attributes: true}))
    slider.value = Number(slider.value) + Number(slider.step)
    if (slider.value == slider.max) slider.value = slider.min
    slider.dispatchEvent(new Event('input', {bubbles: true}))
    await drawn
    await Promise.all(images().map(image => image.decode()))
    return (performance.now() - began) / 1000
}"""


def answer(page: Page, *, view: str, address: str) -> None:
    """Opens a view, with the example read."""
    page.goto(f"{address}?view={view}")
    page.locator("button:visible").filter(has_text="Try it").click()


def useful(page: Page, address: str) -> float:
    """Until the first view can be used."""
    began = time.perf_counter()
    page.goto(address)
    page.get_by_role("button", name="Read the face").wait_for()
    return time.perf_counter() - began


def photo_to_bars(page: Page, address: str) -> float:
    """From a file to the bars, on a page that has just been opened."""
    useful(page, address)
    page.wait_for_timeout(2000)
    began = time.perf_counter()
    page.locator("input[type=file]").set_input_files(PHOTO)
    page.locator("#faces-found").wait_for()
    page.get_by_role("button", name="Read the face").click()
    page.locator("#plot .main-svg").first.wait_for()
    return time.perf_counter() - began


def redraws(page: Page, label: str, part: str, *, rest: float) -> list[float]:
    """Of as many moves of a slider, with `rest` seconds after each one."""
    times = []
    for _ in range(REDRAWS):
        times.append(page.evaluate(MOVE, [label, part]))
        page.wait_for_timeout(1000 * rest)
    return times


def until(page: Page, button: str, there: str) -> float:
    """From the press of a button to what it brings."""
    began = time.perf_counter()
    page.locator("button:visible").filter(has_text=button).click()
    page.locator(there).first.wait_for()
    return time.perf_counter() - began


def measure(page: Page, address: str) -> dict[str, float]:
    figures = {"useful": useful(page, address)}
    figures["photo_to_bars_first"], *again = [photo_to_bars(page, address) for _ in range(6)]
    figures["photo_to_bars"] = statistics.median(again)
    answer(page, view="inside", address=address)
    page.locator("#inside-sheet img").first.wait_for()
    page.wait_for_timeout(3000)  # the answer goes on for a while
    moves = redraws(page, "Head", "#inside-sheet", rest=0.2)
    figures |= {"map_redraw": statistics.median(moves), "map_redraw_longest": max(moves)}
    figures["map_test"] = until(page, "Can this map be trusted?", "#inside-curves .main-svg")
    page.goto(f"{address}?view=make")
    page.get_by_role("tab", name="Make a face", selected=True).wait_for()
    moves = redraws(page, "AU12", "#drawn-face", rest=2)[1:]  # the first one may compile
    figures |= {"drawn_face": statistics.median(moves), "drawn_face_longest": max(moves)}
    answer(page, view="effects", address=address)
    page.locator("#effects-words").get_by_text("that you had read").wait_for()
    figures["effects_quick"] = until(page, "Measure the effects", "#effects .main-svg")
    page.get_by_text("Drawn twins").click()
    figures["twelve_twins"] = until(page, "Draw and read them", "h2:has-text('twins are read')")
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", default="mini")
    parser.add_argument("--browser", default=shutil.which("chromium"), help="the program (default: chromium)")
    arguments = parser.parse_args()
    if not arguments.browser:
        parser.exit(1, "There is no chromium: install Debian's package, or name a browser with --browser.\n")
    with served(arguments.checkpoint) as (address, _), sync_playwright() as driver:
        seconds_until_up(address)
        browser = driver.chromium.launch(executable_path=arguments.browser, chromium_sandbox=os.geteuid() != 0)
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.set_default_timeout(600_000)
        figures = measure(page, address)
        browser.close()
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}, indent=1))


if __name__ == "__main__":
    main()
