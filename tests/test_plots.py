"""Scores -> bars: order, honest scale, no ground of their own, and colours that all eyes can tell apart."""

import json

import numpy as np
import plotly.graph_objects as go
import pytest

from emo_toolkit.labels import LABELS
from emo_toolkit.plots import COLOURS, INK, OTHER, label_bars

SCORES = {"neutral": 0.2, "happiness": 0.7, "fear": 0.1}
PAGES = ("#ffffff", "#f8fafc", "#0b0f19", "#1e293b")  # grounds of the page, light and dark
# Machado, Oliveira, Fernandes (2009), severity 1: linear RGB as seen without one kind of cone.
EYES = {
    "all cones": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def linear(colour: str) -> np.ndarray:
    values = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """WCAG contrast ratio."""
    low, high = sorted(float(linear(colour) @ [0.2126, 0.7152, 0.0722]) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIE L*a*b* (D65) of linear RGB."""
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    share = to_xyz @ np.clip(rgb, 0, 1) / to_xyz.sum(1)
    x, y, z = np.where(share > 0.008856, np.cbrt(share), 7.787 * share + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_bars_hold_the_scores_likeliest_on_top() -> None:
    bar = label_bars(SCORES).data[0]
    assert dict(zip(bar.y, bar.x, strict=True)) == SCORES
    assert list(bar.x) == sorted(bar.x, reverse=True)
    assert label_bars(SCORES).layout.yaxis.autorange == "reversed"  # plotly draws upwards
    assert bar.marker.color[0] == COLOURS["happiness"]


@pytest.mark.parametrize("top", [0.02, 1.0])
def test_the_scale_never_stretches(top: float) -> None:
    low, high = label_bars({"fear": top, "anger": 0.01}).layout.xaxis.range
    assert low == 0 and high > 1


def test_title_says_what_is_seen() -> None:
    title = label_bars(SCORES).layout.title.text.lower()
    assert "perceived expression" in title and "likelihood" in title and "emotion" not in title


def test_nothing_to_draw_is_an_error() -> None:
    with pytest.raises(ValueError, match="no scores"):
        label_bars({})


def test_synonyms_share_a_colour_and_other_words_are_grey() -> None:
    figure = label_bars({"joy": 0.5, "happiness": 0.3, "a wink": 0.2})
    assert figure.data[0].marker.color == (COLOURS["happiness"], COLOURS["happiness"], OTHER)


def test_the_figure_is_small_plain_json_on_no_ground() -> None:
    text = label_bars(dict.fromkeys(LABELS["mafw"], 1 / 11)).to_json()
    figure = json.loads(text)
    assert len(text) < 8000 and "bdata" not in text  # no template of plotly's, no packed arrays
    assert all(figure["layout"][ground].endswith(" 0)") for ground in ("paper_bgcolor", "plot_bgcolor"))
    assert go.Figure(figure).data[0].orientation == "h"


def test_every_label_of_every_set_has_a_colour_of_its_own() -> None:
    assert set(COLOURS) == {label for labels in LABELS.values() for label in labels}
    assert len(set(COLOURS.values())) == len(COLOURS)


@pytest.mark.parametrize("page", PAGES)
def test_words_and_bars_stand_out_from_light_and_dark_pages(page: str) -> None:
    assert contrast(INK, page) >= 3.5
    assert min(contrast(colour, page) for colour in COLOURS.values()) >= 1.9


@pytest.mark.parametrize("eyes", EYES)
def test_the_eight_expressions_look_different_to(eyes: str) -> None:
    seen = [lab(np.array(EYES[eyes]) @ linear(COLOURS[label])) for label in LABELS["ferplus"]]
    gaps = [np.linalg.norm(one - other) for place, one in enumerate(seen) for other in seen[:place]]
    assert min(gaps) > 24
