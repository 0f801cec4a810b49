"""Figures -> files: HTML and JSON always, pictures where a browser is, and a message that helps where none is."""

import io
import json
import os
import stat
import xml.etree.ElementTree as tree
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest
from PIL import Image

from emo_toolkit.errors import EmoError
from emo_toolkit.plots import export, label_bars, region_bars
from emo_toolkit.plots.exporting import find_browser

needs_browser = pytest.mark.skipif(find_browser() is None, reason="needs Chrome or Chromium for PNG and SVG")
SCORES = {"happiness": 0.7, "</script><b>fear": 0.3}


def test_html_needs_no_network(tmp_path: Path) -> None:
    page = export(label_bars(SCORES), tmp_path / "new" / "bars.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>") and "<title>Perceived expression</title>" in page
    assert len(page) > 1_000_000 and "<script src" not in page and "</script><b>fear" not in page


def test_json_comes_back_as_the_figure(tmp_path: Path) -> None:
    figure = label_bars(SCORES)
    back = json.loads(export(figure, tmp_path / "bars.JSON").read_text(encoding="utf-8"))
    assert json.loads(go.Figure(back).to_json()) == json.loads(figure.to_json())


@needs_browser
@pytest.mark.browser
@pytest.mark.parametrize(("ground", "colour"), [("light", (255, 255, 255)), ("dark", (11, 15, 25))])
def test_png_has_the_size_and_ground(tmp_path: Path, ground: str, colour: tuple[int, int, int]) -> None:
    figure = region_bars({"jaw": 1.0, "left eye": 0.4})
    data = export(figure, tmp_path / "bars.png", width=400, ground=ground).read_bytes()
    picture = Image.open(io.BytesIO(data)).convert("RGB")
    assert picture.size == (800, 2 * figure.layout.height)
    assert picture.getpixel((799, 0)) == colour
    assert (np.asarray(picture) == (255, 123, 0)).all(2).mean() > 0.05  # the bars


@needs_browser
@pytest.mark.browser
def test_svg_is_svg(tmp_path: Path) -> None:
    text = export(label_bars(SCORES), tmp_path / "bars.svg", width=390).read_text(encoding="utf-8")
    root = tree.fromstring(text)
    assert root.tag.endswith("svg") and root.get("width") == "390" and "happiness" in text


def test_without_a_browser_the_message_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMO_TOOLKIT_BROWSER", "no-such-browser")
    with pytest.raises(EmoError, match=r"apt-get install chromium.*\.html and \.json need none"):
        export(label_bars(SCORES), tmp_path / "bars.png")
    assert not (tmp_path / "bars.png").exists()
    assert export(label_bars(SCORES), tmp_path / "bars.html").exists()


@pytest.mark.skipif(os.name == "nt", reason="a shell script stands in for the browser")
def test_a_browser_that_draws_nothing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken-browser"
    broken.write_text("#!/bin/sh\necho no display >&2\n")
    broken.chmod(broken.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("EMO_TOOLKIT_BROWSER", str(broken))
    with pytest.raises(EmoError, match="did not draw the figure; it said: no display"):
        export(label_bars(SCORES), tmp_path / "bars.svg")


def test_unknown_suffixes_and_grounds_are_errors(tmp_path: Path) -> None:
    for name in ("bars.pdf", "bars"):
        with pytest.raises(EmoError, match=r"\.html, \.json, \.png or \.svg"):
            export(label_bars(SCORES), tmp_path / name)
    with pytest.raises(ValueError, match="light or dark"):
        export(label_bars(SCORES), tmp_path / "bars.png", ground="blue")
