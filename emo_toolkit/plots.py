"""Scores and reports -> plotly Figure, for app, notebooks and reports. The colour of each expression lives here."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from .labels import canonical
from .schema import EvalReport, FoldsReport, GroupReport

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
SCALE = "Blues"  # of every map of shares: one hue, so that only its lightness counts, and always from 0 to 100 %
# Name, colour, sign and the same as a letter. Okabe and Ito (2008); but their green comes too near to blue for F1.
MEASURES = {
    "war": ("WAR", "#0072b2", "circle", "●"),
    "uar": ("UAR", "#d55e00", "diamond", "◆"),
    "recall": ("recall", "#0072b2", "square", "■"),
    "precision": ("precision", "#e69f00", "square", "■"),
    "f1": ("F1", "#9b2c5c", "square", "■"),
}
KEYS = {
    "age": "age, years",
    "gender": "gender",
    "race": "race",
    "yaw": "head turned to the side, degrees",
    "intensity": "strength of the expression",
    "factor": "held-out factor",
}
NO_LABEL = "no label"
COUNTED = "in brackets, how many faces"
FIXED: dict[str, Any] = {"fixedrange": True, "zeroline": False}
SHARES = FIXED | {"tickvals": [0, 0.25, 0.5, 0.75, 1], "tickformat": ".0%", "tickangle": 0, "gridcolor": GRID}
NAMES = {"autorange": "reversed", "type": "category", "automargin": True, "ticklabelstandoff": 6, "fixedrange": True}
SPAN = "%{x:.1%}, 95 % interval %{customdata[0]:.1%} to %{customdata[1]:.1%}<extra></extra>"
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
    figure = _figure([bars], TITLE, height=HEAD + BAR * len(labels))
    figure.update_layout(bargap=0.3)
    figure.update_xaxes(
        range=[0, 1.25],  # room for "100.0%" behind the longest bar, on a phone too
        **SHARES,
    )
    figure.update_yaxes(**NAMES)
    return figure


def confusion_matrix(report: EvalReport) -> go.Figure:
    """Which answer each true expression got, as shares of its row; the counts are in the hover text.

    Answers without a label have a column of their own if there are any.
    """
    rows = [label for label in report.labels if label in report.classes]
    counts = report.confusion[[report.labels.index(label) for label in rows]]
    support = np.array([report.classes[label].support for label in rows])
    columns = list(report.labels)
    if report.unparsed:
        counts, columns = np.column_stack([counts, support - counts.sum(1)]), [*columns, NO_LABEL]
    shares = counts / support[:, None]
    heat = go.Heatmap(
        z=shares.tolist(),
        x=columns,
        y=rows,
        customdata=[[[int(count), int(whole)] for count in line] for line, whole in zip(counts, support, strict=True)],
        hovertemplate="true %{y}, answered %{x}<br>%{customdata[0]} of %{customdata[1]}, %{z:.1%}<extra></extra>",
        text=[[f"{100 * share:.0f}" if share >= 0.005 else "" for share in line] for line in shares],
        texttemplate="%{text}",
        colorscale=SCALE,
        zmin=0,
        zmax=1,
        xgap=1,
        ygap=1,
        showscale=False,  # every cell that is not white has its number
    )
    title = _title("What each true expression was read as", "rows are true, columns answered; % of the row")
    figure = _figure([heat], title, height=150 + 30 * len(rows))
    figure.update_xaxes(tickangle=-45, showgrid=False, automargin=True, **FIXED)
    figure.update_yaxes(showgrid=False, **NAMES)
    return figure


def class_bars(report: EvalReport) -> go.Figure:
    """Recall, precision and F1 of each expression that occurs, with 95 % intervals."""
    labels = list(report.classes)
    bars = []
    for name in ("recall", "precision", "f1"):
        word, colour, *_ = MEASURES[name]
        values = [getattr(report.classes[label], name) for label in labels]
        spans = [getattr(report.classes[label], f"{name}_interval") for label in labels]
        bars.append(
            go.Bar(
                x=values,
                y=[f"{label} ({report.classes[label].support})" for label in labels],
                orientation="h",
                name=word,
                marker={"color": colour},
                error_x=_whiskers(values, spans),
                customdata=spans,
                hovertemplate=f"%{{y}}: {word} {SPAN}",
            )
        )
    title = _title("How well each expression is read", _legend("recall", "precision", "f1"), COUNTED)
    figure = _figure(bars, title, height=HEAD + 40 + 50 * len(labels))
    figure.update_layout(barmode="group", bargap=0.25, margin={"t": 80, "r": 24}, showlegend=False)
    figure.update_xaxes(range=[0, 1.02], **SHARES)
    figure.update_yaxes(**NAMES)
    return figure


def group_forest(report: GroupReport) -> go.Figure:
    """WAR and UAR of each group with 95 % intervals, a line a group."""
    names = [f"{group.name} ({group.n})" for group in report.groups]
    key = KEYS.get(report.key, report.key) + (", as estimated by a net" if report.origin == "estimated" else "")
    return _forest(report.groups, names, _title(f"By {key}", _legend("war", "uar"), COUNTED))


def fold_dots(report: FoldsReport) -> go.Figure:
    """WAR and UAR of each fold with 95 % intervals, and their plain means as lines."""
    names = [f"fold {each.fold} ({each.n})" for each in report.reports]
    figure = _forest(
        report.reports, names, _title("Scores of each fold", _legend("war", "uar"), "dotted: means over the folds")
    )
    for name in ("war", "uar"):
        figure.add_vline(x=getattr(report, name), line={"color": MEASURES[name][1], "dash": "dot", "width": 1})
    return figure


def to_html(figures: Sequence[go.Figure]) -> list[str]:
    """Figures as pieces of one HTML page that needs no network; the first piece carries plotly.js for all."""
    config = {"displayModeBar": False, "responsive": True}
    return [
        figure.to_html(full_html=False, include_plotlyjs=place == 0, config=config, default_width="100%")
        for place, figure in enumerate(figures)
    ]


def _figure(traces: Sequence[Any], title: str, *, height: int) -> go.Figure:
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


def _title(what: str, *notes: str) -> str:
    return "".join([what, *(f"<br><span style='font-size: 12px'>{note}</span>" for note in notes)])


def _legend(*names: str) -> str:
    """The signs of measures with their names: a legend that never covers the figure, on a phone too."""
    signs = [MEASURES[name] for name in names]
    words = [f"<span style='color: {colour}'>{letter}</span> {word}" for word, colour, _, letter in signs]
    return f"{'  '.join(words)} with 95 % intervals"


def _forest(scores: Sequence[Any], names: Sequence[str], title: str) -> go.Figure:
    """WAR and UAR of named scores as dots with whiskers, a line a name."""
    figure = _figure([], title, height=HEAD + 30 + 44 * len(names))
    for name in ("war", "uar"):
        word, colour, sign, _ = MEASURES[name]
        values = [getattr(each, name) for each in scores]
        spans = [getattr(each, f"{name}_interval") for each in scores]
        figure.add_scatter(
            x=values,
            y=list(names),
            mode="markers",
            orientation="h",
            offsetgroup=name,
            name=word,
            marker={"color": colour, "symbol": sign, "size": 9},
            error_x=_whiskers(values, spans) | {"color": colour},
            customdata=spans,
            hovertemplate=f"%{{y}}: {word} {SPAN}",
        )
    figure.update_layout(scattermode="group", scattergap=0.5, margin={"t": 80, "r": 24}, showlegend=False)
    figure.update_xaxes(range=[-0.02, 1.02], **SHARES)
    figure.update_yaxes(**NAMES)
    return figure


def _whiskers(values: Sequence[float], spans: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """Error bars of 95 % intervals, which hold the value but are not symmetrical about it."""
    return {
        "type": "data",
        "array": [max(0.0, high - value) for value, (_, high) in zip(values, spans, strict=True)],
        "arrayminus": [max(0.0, value - low) for value, (low, _) in zip(values, spans, strict=True)],
        "thickness": 1.5,
        "width": 3,
    }
