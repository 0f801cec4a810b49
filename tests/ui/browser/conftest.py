"""A real browser, at two widths; skipped with the reason where there is none.

EMO_TOOLKIT_BROWSER names the program, such as /usr/bin/chromium; otherwise the usual names are tried.
"""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Timer

import numpy as np
import pytest
from browser_windows import WIDE
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from emo_toolkit.ui.page import VIEWS

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 60_000  # ms until something must have come, on a busy machine too
LIMIT = 300.0  # s for a whole test: a script in the page has no time limit of its own
OpenPage = Callable[..., Page]


@pytest.fixture(scope="session")
def camera_film(astronaut: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the browser's fake camera shows: the astronaut, 480 x 480, as raw video (Y4M, 4:2:0)."""
    path = tmp_path_factory.mktemp("camera") / "camera.y4m"
    picture = Image.open(astronaut).convert("RGB").resize((480, 480)).convert("YCbCr")
    light, blue, red = picture.split()
    planes = [light, *(plane.resize((240, 240)) for plane in (blue, red))]
    frame = b"FRAME\n" + b"".join(np.asarray(plane).tobytes() for plane in planes)
    path.write_bytes(b"YUV4MPEG2 W480 H480 F10:1 Ip A1:1 C420jpeg\n" + frame * 10)
    return path


@pytest.fixture(scope="module")
def browser(address: str, camera_film: Path) -> Iterator[Browser]:
    """One browser for all tests here; the page is served before, because both want this thread's event loop."""
    named = os.environ.get("EMO_TOOLKIT_BROWSER")
    program = named or next(filter(None, map(shutil.which, PROGRAMS)), None)
    if not program:
        pytest.skip("no browser: install Debian's chromium, or name one in EMO_TOOLKIT_BROWSER")
    flags = [
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-video-capture={camera_film}",
    ]
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, chromium_sandbox=os.geteuid() != 0, args=flags)
        yield browser
        browser.close()


@pytest.fixture
def watchdog(browser: Browser) -> Iterator[None]:
    """Ends the browser, and so the test, when a page does not come back."""
    session = browser.new_browser_cdp_session()
    processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
    session.detach()
    main = next(process["id"] for process in processes if process["type"] == "browser")
    timer = Timer(LIMIT, os.kill, (main, signal.SIGKILL))
    timer.start()
    yield
    timer.cancel()


@pytest.fixture
def open_page(browser: Browser, address: str, watchdog: None) -> Iterator[OpenPage]:
    """Opens the page in a window of its own; at the end no script may have failed in any."""
    complaints, contexts = [], []

    def open_it(view: str = "recognise", size: dict[str, int] = WIDE, *, dark: bool = False) -> Page:
        context = browser.new_context(viewport=size, color_scheme="dark" if dark else "light", permissions=["camera"])
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda said: said.type == "error" and complaints.append(said.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{address}?view={view}")
        page.get_by_role("tab", name=VIEWS[view][0], selected=True).wait_for()
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert complaints == []
