"""Faithfulness of maps -> figures: curves of one map beside chance and a centre guess, and several maps compared."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ..schema import Faithfulness, MapScore
from .style import FIXED, GRID, HEAD, INK, NAMES, base_figure, signs, titled, whiskers

OWN, CENTRE = "#0072b2", "#d55e00"  # Okabe and Ito (2008)
CHANCE = "rgba(128, 128, 128, 0.25)"
PERCENTS = (0.0001, 0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999)
UNIT = "log-odds"


def faithfulness_curves(found: Faithfulness, *, name: str = "this map") -> go.Figure:
    """The label's probability while patches are hidden, and while they are shown, most salient first.

    The axis is even in log-odds, written in %. The band spans all moved copies of the map.

    Args:
        found: curves and verdict.
        name: of the map, for the title.
    """
    legend = signs([("━", OWN, name), ("╍", CENTRE, "centre first"), ("▒", INK, "by chance")])
    title = titled(f"Does “{found.label}” come from where the map is?", found.verdict, legend)
    figure = base_figure([], title, height=550)
    panels = ("hidden, most salient first: should fall early", "shown, most salient first: should rise early")
    make_subplots(2, 1, figure=figure, vertical_spacing=0.16, subplot_titles=panels)
    for row, kind in enumerate(("deletion", "insertion"), start=1):
        _add_curves(figure, found, kind, row)
    figure.update_layout(margin={"t": 116, "r": 16, "b": 44}, showlegend=False)
    figure.update_annotations(font={"size": 12, "color": INK})
    ends = [curves for each in (found.saliency, found.centre, found.chance) for curves in vars(each).values()]
    low, high = min(map(np.min, ends)), max(map(np.max, ends))
    room = max(0.25, 0.05 * (high - low))
    figure.update_yaxes(range=[low - room, high + room], gridcolor=GRID, automargin=True, **FIXED, **_ticks(low, high))
    shares = {"tickvals": [0, 0.25, 0.5, 0.75, 1], "tickformat": ".0%", "range": [-0.02, 1.02]}
    figure.update_xaxes(gridcolor=GRID, **shares, **FIXED)
    return figure.update_xaxes(title={"text": "of the face's patches", "font": {"size": 12}}, row=2, col=1)


def faithfulness_forest(found: Mapping[str, Faithfulness | MapScore], *, peak: float | None = None) -> go.Figure:
    """Several maps of one picture or of many: how far each is above chance, and above a centre guess.

    Args:
        found: name of a map -> its faithfulness.
        peak: end of the axis in log-odds, both ways; give it to compare figures.
    """
    if not found:
        raise ValueError("there is no map to compare")
    colours = {
        "over_chance": (OWN, "circle", "●", "over chance"),
        "over_centre": (CENTRE, "diamond", "◆", "over a centre guess"),
    }
    level = next(iter(found.values())).level
    legend = signs([(letter, colour, word) for colour, _, letter, word in colours.values()])
    note = f"{UNIT}, with {level:.0%} intervals; left of 0: no better"
    figure = base_figure(
        [], titled("How well each map points at the answer", legend, note), height=HEAD + 40 + 44 * len(found)
    )
    reach = [0.1]
    for field, (colour, symbol, _, word) in colours.items():
        values = [getattr(each, field) for each in found.values()]
        spans = [getattr(each, f"{field}_interval") for each in found.values()]
        reach += [abs(end) for span in spans for end in span]
        figure.add_scatter(
            x=values,
            y=list(found),
            mode="markers",
            orientation="h",
            offsetgroup=field,
            marker={"color": colour, "symbol": symbol, "size": 9},
            error_x=whiskers(values, spans) | {"color": colour},
            customdata=spans,
            hovertemplate="%{y}: %{x:.2f} (%{customdata[0]:.2f} to %{customdata[1]:.2f}) " + f"{word}<extra></extra>",
        )
    end = peak or 1.05 * max(reach)
    figure.add_vline(x=0, line={"color": INK, "width": 1})
    figure.update_layout(scattermode="group", scattergap=0.5, margin={"t": 80, "r": 24}, showlegend=False)
    figure.update_xaxes(range=[-end, end], gridcolor=GRID, nticks=5, **FIXED)
    return figure.update_yaxes(**NAMES)


def _add_curves(figure: go.Figure, found: Faithfulness, kind: str, row: int) -> None:
    chance, own, centre = (getattr(curves, kind) for curves in (found.chance, found.saliency, found.centre))
    x = np.linspace(0, 1, len(own)).tolist()
    band = [*chance.max(0).tolist(), *chance.min(0).tolist()[::-1]]
    at = {"row": row, "col": 1}
    figure.add_scatter(
        x=x + x[::-1], y=band, fill="toself", fillcolor=CHANCE, line={"width": 0}, mode="lines", hoverinfo="skip", **at
    )
    for values, colour, dash, word in ((centre, CENTRE, "dash", "centre first"), (own, OWN, "solid", "map")):
        figure.add_scatter(
            x=x,
            y=values.tolist(),
            mode="lines+markers",
            line={"color": colour, "dash": dash, "width": 2},
            marker={"size": 5, "color": colour},
            customdata=(1 / (1 + np.exp(-values))).tolist(),
            hovertemplate=f"{word}, %{{x:.0%}} of the patches: %{{customdata:.1%}}<extra></extra>",
            **at,
        )


def _ticks(low: float, high: float) -> dict[str, list]:
    """Round probabilities at their log-odds; plain log-odds where no two of them lie in the range."""
    odds = [float(np.log(share / (1 - share))) for share in PERCENTS]
    inside = [(place, share) for place, share in zip(odds, PERCENTS, strict=True) if low - 0.5 <= place <= high + 0.5]
    if len(inside) < 2:
        inside = [(place, 1 / (1 + np.exp(-place))) for place in np.linspace(low, high, 3)]
    return {"tickvals": [place for place, _ in inside], "ticktext": [f"{100 * share:.6g} %" for _, share in inside]}
