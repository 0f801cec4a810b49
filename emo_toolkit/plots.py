"""Scores -> plotly Figure, for the app and the notebooks. The colour of each expression lives here."""

from collections.abc import Mapping

import plotly.graph_objects as go

from .labels import canonical

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
TITLE = "Perceived expression<br><span style='font-size: 12px'>the model's own likelihood of each word</span>"
BAR, HEAD = 32, 96  # px, height of one bar with its gap, and of title and axis together


def label_bars(scores: Mapping[str, float]) -> go.Figure:
    """One bar a label, the likeliest on top, on a scale that always runs from 0 to 100 %.

    Args:
        scores: label -> probability.

    Raises:
        ValueError: there are no scores.
    """
    if not scores:
        raise ValueError("there are no scores to draw: ask with options")
    labels = sorted(scores, key=scores.__getitem__, reverse=True)
    chances = [float(scores[label]) for label in labels]
    bars = go.Bar(
        x=chances,
        y=labels,
        orientation="h",
        marker={"color": [COLOURS.get(canonical(label), OTHER) for label in labels]},
        text=[f"{chance:.1%}" for chance in chances],
        textposition="outside",
        cliponaxis=False,
        hovertemplate="%{y}: %{x:.2%}<extra></extra>",
    )
    figure = go.Figure(bars)
    figure.update_layout(
        template="none",  # without it, plotly writes a white ground behind the bars
        title={"text": TITLE, "font": {"size": 14}, "x": 0.0, "xref": "container", "xanchor": "left", "pad": {"l": 4}},
        font={"color": INK, "size": 13},
        paper_bgcolor="rgba(0, 0, 0, 0)",
        plot_bgcolor="rgba(0, 0, 0, 0)",
        height=HEAD + BAR * len(labels),
        margin={"l": 8, "r": 8, "t": 60, "b": 32},
        bargap=0.3,
        dragmode=False,  # a finger that scrolls the page shall not zoom
    )
    figure.update_xaxes(
        range=[0, 1.25],  # room for "100.0%" behind the longest bar, on a phone too
        tickvals=[0, 0.25, 0.5, 0.75, 1],
        tickformat=".0%",
        gridcolor=GRID,
        zeroline=False,
        fixedrange=True,
    )
    figure.update_yaxes(autorange="reversed", type="category", automargin=True, ticklabelstandoff=6, fixedrange=True)
    return figure
