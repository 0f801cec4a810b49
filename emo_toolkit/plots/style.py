"""The look of the house: colours, axes, titles, and how a figure leaves it."""

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

# Chosen by search: the eight FERPlus labels stay apart (CIE76 > 24) for trichromats and for all three kinds of colour
# blindness (Machado, 2009), and all stand out from white and from near-black.
COLOURS = {
    "neutral": "#99958b",
    "happiness": "#f1aa0d",
    "surprise": "#58c6d7",
    "sadness": "#1358ed",
    "anger": "#f77458",
    "disgust": "#117c17",
    "fear": "#b55acb",
    "contempt": "#aa0d77",
    "anxiety": "#783abc",
    "helplessness": "#d4af89",
    "disappointment": "#bc8d03",
}
OTHER = COLOURS["neutral"]  # for words that are no label of ours
INK = "#808080"  # reads on white and on near-black alike
GRID = "rgba(128, 128, 128, 0.2)"
SCALE = "Blues"  # of every map of shares: one hue, so that only its lightness counts, and always from 0 to 100 %
FIXED: dict[str, Any] = {"fixedrange": True, "zeroline": False}
SHARES = FIXED | {"tickvals": [0, 0.25, 0.5, 0.75, 1], "tickformat": ".0%", "tickangle": 0, "gridcolor": GRID}
NAMES: dict[str, Any] = {
    "autorange": "reversed",
    "zeroline": False,
    "type": "category",
    "automargin": True,
    "ticklabelstandoff": 6,
    "fixedrange": True,
    "gridcolor": GRID,
}
BAR, HEAD = 32, 96  # px, height of one bar with its gap, and of title and axis together


def to_html(figures: Sequence[go.Figure]) -> list[str]:
    """Figures as pieces of one HTML page that needs no network; the first piece carries plotly.js for all."""
    config = {"displayModeBar": False, "responsive": True}
    return [
        figure.to_html(full_html=False, include_plotlyjs=place == 0, config=config, default_width="100%")
        for place, figure in enumerate(figures)
    ]


def base_figure(traces: Sequence[Any], title: str, *, height: int) -> go.Figure:
    """The look of the house: no ground of its own, title at the left, nothing that a scrolling finger can move."""
    figure = go.Figure(traces)
    figure.update_layout(
        template="none",  # without it, plotly writes a white ground behind the bars
        title={"text": title, "font": {"size": 14}, "x": 0.0, "xref": "container", "xanchor": "left", "pad": {"l": 4}},
        font={"color": INK, "size": 13},
        paper_bgcolor="rgba(0, 0, 0, 0)",
        plot_bgcolor="rgba(0, 0, 0, 0)",
        height=height,
        margin={"l": 8, "r": 8, "t": 60, "b": 32},
        dragmode=False,  # a finger that scrolls the page shall not zoom
    )
    return figure


def titled(what: str, *notes: str) -> str:
    return "".join([what, *(f"<br><span style='font-size: 12px'>{note}</span>" for note in notes)])


def signs(items: Sequence[tuple[str, str, str]]) -> str:
    """(letter, colour, word) as a line of the title: a legend that never covers the figure, on a phone too."""
    return "  ".join(f"<span style='color: {colour}'>{letter}</span> {word}" for letter, colour, word in items)


def whiskers(values: Sequence[float], spans: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """Error bars of intervals, which hold the value but are not symmetrical about it."""
    return {
        "type": "data",
        "array": [max(0.0, high - value) for value, (_, high) in zip(values, spans, strict=True)],
        "arrayminus": [max(0.0, value - low) for value, (low, _) in zip(values, spans, strict=True)],
        "thickness": 1.5,
        "width": 3,
    }
