"""Figures -> files: HTML and JSON by themselves, PNG and SVG through a browser that is already on the machine.

Plotly draws in JavaScript, so there is no picture without a browser; any of Chrome's family does, offline.
"""

import base64
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from ..errors import EmoError
from .style import to_html

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
    "C:/Program Files (x86)/Microsoft/Edge/Application/msedge.exe",
)
GROUNDS = {"light": "#ffffff", "dark": "#0b0f19"}
SHARPNESS = 2  # px of a PNG for one of the figure
PATIENCE, PATIENCE_EACH = 60, 10  # s, for the browser and for each figure
PAGE = """<!doctype html><meta charset="utf-8"><script>{library}</script><pre id="picture"></pre><script>
const asked = {asked};
Promise.all(asked.map(([figure, how]) => Plotly.toImage(figure, how)))
  .then(urls => {{ document.getElementById("picture").textContent = "<<" + urls.map(btoa).join(" ") + ">>"; }});
</script>"""
MISSING = (
    "A {kind} picture needs a browser, and none was found. Install one (apt-get install chromium, or Google Chrome), "
    "or name it in EMO_TOOLKIT_BROWSER; .html and .json need none."
)


def export(figure: go.Figure, path: str | Path, *, width: int = 800, ground: str = "light") -> Path:
    """Writes a figure to a file; the suffix chooses the kind: .html, .json, .png or .svg.

    An HTML file carries plotly.js and needs no network. A PNG has twice the pixels.

    Args:
        figure: any figure of this package.
        path: the file; its folder is made if needed.
        width: px of a PNG or SVG; the height is the figure's own.
        ground: "light" or "dark", behind a PNG or SVG.

    Raises:
        EmoError: another suffix, or no browser for a PNG or SVG; says what to install.
        ValueError: another ground.
    """
    path = Path(path)
    kind = path.suffix.lower().removeprefix(".")
    if ground not in GROUNDS:
        raise ValueError(f"'{ground}' is no ground; choose light or dark")
    if kind not in ("html", "json", "png", "svg"):
        raise EmoError(f"'{path.name}' does not say what to write; end it in .html, .json, .png or .svg")
    if kind == "html":
        name = re.sub(r"<[^>]*>", " ", (figure.layout.title.text or path.stem).split("<br>")[0])
        head = (
            '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        )
        data = f"{head}<title>{name}</title><body>{to_html([figure])[0]}</body></html>\n".encode()
    elif kind == "json":
        data = figure.to_json().encode()
    else:
        (data,) = _pictures([figure], kind, width, GROUNDS[ground])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def export_pngs(figures: Mapping[str, go.Figure], folder: str | Path, *, width: int = 800) -> list[Path]:
    """Writes {name: figure} as folder/name.png, all drawn by one start of the browser, which is what takes the time.

    Raises:
        EmoError: no browser, or one that does not draw; says what to do.
    """
    folder = Path(folder)
    pictures = _pictures(list(figures.values()), "png", width, GROUNDS["light"]) if figures else []
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.png" for name in figures]
    for path, data in zip(paths, pictures, strict=True):
        path.write_bytes(data)
    return paths


def find_browser() -> str | None:
    """A browser of Chrome's family: EMO_TOOLKIT_BROWSER if set, else one on the PATH or in its usual place."""
    named = os.environ.get("EMO_TOOLKIT_BROWSER")
    found = [shutil.which(name) for name in ([named] if named else BROWSERS)]
    return next(filter(None, [*found, *(place for place in PLACES if not named and Path(place).exists())]), None)


def _pictures(figures: Sequence[go.Figure], kind: str, width: int, ground: str) -> list[bytes]:
    """PNG or SVG bytes: plotly.js draws in the browser and writes the pictures into its page, which is read back."""
    browser = find_browser()
    if browser is None:
        raise EmoError(MISSING.format(kind=kind.upper()))
    asked = []
    for figure in figures:
        how = {"format": kind, "width": width, "height": int(figure.layout.height or 450)}
        how["scale"] = SHARPNESS if kind == "png" else 1
        asked.append(f"[{go.Figure(figure).update_layout(paper_bgcolor=ground).to_json()}, {json.dumps(how)}]")
    page = PAGE.format(library=get_plotlyjs(), asked="[" + ",".join(asked).replace("</", "<\\/") + "]")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "figure.html")
        file.write_text(page, encoding="utf-8")
        options = ["--headless", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={folder}/profile"]
        options += ["--virtual-time-budget=20000", "--disable-background-networking", "--dump-dom"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            options.append("--no-sandbox")  # the sandbox does not run as root, as in a container; the page is ours
        patience = PATIENCE + PATIENCE_EACH * len(figures)
        try:
            ran = subprocess.run([browser, *options, file.as_uri()], capture_output=True, timeout=patience)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise EmoError(f"The browser {browser} did not draw the figure: {error}") from error
    drawn = re.search(rb"&lt;&lt;([\w+/= ]+)&gt;&gt;", ran.stdout)
    if drawn is None:
        raise EmoError(
            f"The browser {browser} did not draw the figure; it said: {ran.stderr[-300:].decode('utf-8', 'replace')}"
        )
    return [_content(base64.b64decode(url).decode(), kind) for url in drawn.group(1).split()]


def _content(url: str, kind: str) -> bytes:
    _, _, content = url.partition(",")
    return base64.b64decode(content) if kind == "png" else unquote(content).encode()
