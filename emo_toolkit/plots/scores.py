"""Scores and reports -> figures."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from ..labels import canonical
from ..schema import EvalReport, FoldsReport, GroupReport
from .style import BAR, COLOURS, FIXED, HEAD, NAMES, OTHER, SCALE, SHARES, base_figure, signs, titled, whiskers

TITLE = "Perceived expression<br><span style='font-size: 12px'>the model's own likelihood of each word</span>"
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
SPAN = "%{x:.1%}, 95 % interval %{customdata[0]:.1%} to %{customdata[1]:.1%}<extra></extra>"


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
    figure = base_figure([bars], TITLE, height=HEAD + BAR * len(labels))
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
    title = titled("What each true expression was read as", "rows are true, columns answered; % of the row")
    figure = base_figure([heat], title, height=150 + 30 * len(rows))
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
                error_x=whiskers(values, spans),
                customdata=spans,
                hovertemplate=f"%{{y}}: {word} {SPAN}",
            )
        )
    title = titled("How well each expression is read", _legend("recall", "precision", "f1"), COUNTED)
    figure = base_figure(bars, title, height=HEAD + 40 + 50 * len(labels))
    figure.update_layout(barmode="group", bargap=0.25, margin={"t": 80, "r": 24}, showlegend=False)
    figure.update_xaxes(range=[0, 1.02], **SHARES)
    figure.update_yaxes(**NAMES)
    return figure


def group_forest(report: GroupReport) -> go.Figure:
    """WAR and UAR of each group with 95 % intervals, a line a group."""
    names = [f"{group.name} ({group.n})" for group in report.groups]
    key = KEYS.get(report.key, report.key) + (", as estimated by a net" if report.origin == "estimated" else "")
    return _forest(report.groups, names, titled(f"By {key}", _legend("war", "uar"), COUNTED))


def fold_dots(report: FoldsReport) -> go.Figure:
    """WAR and UAR of each fold with 95 % intervals, and their plain means as lines."""
    names = [f"fold {each.fold} ({each.n})" for each in report.reports]
    figure = _forest(
        report.reports, names, titled("Scores of each fold", _legend("war", "uar"), "dotted: means over the folds")
    )
    for name in ("war", "uar"):
        figure.add_vline(x=getattr(report, name), line={"color": MEASURES[name][1], "dash": "dot", "width": 1})
    return figure


def _legend(*names: str) -> str:
    """The signs of measures with their names."""
    items = [(letter, colour, word) for word, colour, _, letter in map(MEASURES.get, names)]
    return f"{signs(items)} with 95 % intervals"


def _forest(scores: Sequence[Any], names: Sequence[str], title: str) -> go.Figure:
    """WAR and UAR of named scores as dots with whiskers, a line a name."""
    figure = base_figure([], title, height=HEAD + 30 + 44 * len(names))
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
            error_x=whiskers(values, spans) | {"color": colour},
            customdata=spans,
            hovertemplate=f"%{{y}}: {word} {SPAN}",
        )
    figure.update_layout(scattermode="group", scattergap=0.5, margin={"t": 80, "r": 24}, showlegend=False)
    figure.update_xaxes(range=[-0.02, 1.02], **SHARES)
    figure.update_yaxes(**NAMES)
    return figure
