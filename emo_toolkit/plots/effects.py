"""What words of age, gender and race do to an answer, what each prior did, and what drawn looks do -> figures.

All axes are log-odds on a scale that is even both ways from 0: +0.69 doubles the odds of a label, -0.69 halves them.
"""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from ..schema import AttributeEffects, PriorAblations, TwinEffects
from .style import BAR, FIXED, GRID, HEAD, INK, NAMES, base_figure, signs, titled, whiskers

LESS, MORE = "#0072b2", "#d55e00"  # Okabe and Ito (2008): blue and vermilion, apart for all eyes
NOTHING = "rgba(128, 128, 128, 0.3)"  # the noise floor
COUNTS, COUNTS_NOT = "#0072b2", "rgba(128, 128, 128, 0.9)"
FLOOR_ROW = "meaningless words"
UNIT = "log-odds"
FAINT = "rgba(128, 128, 128, 0.15)"
# Opaque, so that numbers on it can be read on any page; what does not count is 0, and faint.
SOLID = [[0, LESS], [0.4998, "#cfe3ef"], [0.4999, FAINT], [0.5001, FAINT], [0.5002, "#f9dfcb"], [1, MORE]]
LEGEND = signs([("■", LESS, "less likely"), ("■", MORE, "more likely"), ("■", INK, "noise floor")])
COLOUR_BAR = {"thickness": 10, "outlinewidth": 0, "tickfont": {"size": 11}, "tickformat": "+.2g", "nticks": 5}


def effect_map(effects: AttributeEffects, *, peak: float | None = None) -> go.Figure:
    """What telling each word did to each label: only effects that count have a colour.

    The last row is the noise floor: the largest that any meaningless change did.

    Args:
        effects: A words and L labels.
        peak: log-odds of the full colours; the largest by default. Give it to compare figures.
    """
    top = peak or _peak(effects.effects, effects.floor)
    rows = [_word(*value) for value in effects.values]
    blank = np.zeros((1, len(effects.labels)))
    values, p = np.vstack([effects.effects, effects.floor]), np.vstack([effects.p_holm, blank + 1])
    counted = np.where(np.vstack([effects.counts, blank]), values, 0.0)
    heat = go.Heatmap(
        z=counted.tolist(),
        x=list(effects.labels),
        y=[*rows, FLOOR_ROW],
        text=[[f"{value:+.1f}" if value else "" for value in line] for line in counted],
        texttemplate="%{text}",
        textfont={"size": 11},
        customdata=np.stack([values, p], -1).tolist(),
        hovertemplate="%{y}: %{x} %{customdata[0]:+.2f} log-odds, corrected p %{customdata[1]:.2g}<extra></extra>",
        colorscale=SOLID,
        zmin=-top,
        zmax=top,
        xgap=1,
        ygap=1,
        showscale=False,  # the cells have their numbers
    )
    number = int(effects.counts.sum())
    says = f"{number} of {effects.counts.size} effects leave" if number else "no effect leaves"
    title = titled("What being told age, gender or race did", f"{UNIT}; {says} the noise floor (last row)")
    figure = base_figure([heat], title, height=150 + 26 * (len(rows) + 1))
    for label, value in zip(effects.labels, effects.floor.tolist(), strict=True):
        figure.add_annotation(x=label, y=FLOOR_ROW, text=f"{value:.1f}", showarrow=False, font={"size": 11})
    figure.update_xaxes(tickangle=-45, showgrid=False, automargin=True, **FIXED)
    return figure.update_yaxes(**NAMES | {"showgrid": False})


def grid_map(effects: AttributeEffects, label: str, *, peak: float | None = None) -> go.Figure:
    """What every combination of age, gender and race did to one label, against telling nothing.

    What does not leave the noise floor is grey, in the figure and on its scale.

    Args:
        effects: with its grid.
        label: one of its labels.
        peak: log-odds of the full colours; the largest by default. Give it to compare figures.

    Raises:
        ValueError: no grid was measured, or no such label.
    """
    at = _place(effects.labels, label)
    if not len(effects.grid):
        raise ValueError("the grid was not measured: take attribute_effects with grid=True")
    chances = np.asarray(effects.grid_scores, float)[:, at].clip(1e-12, 1 - 1e-12)
    odds = np.log(chances / (1 - chances))
    deltas = dict(zip(effects.grid, (odds - odds[0]).tolist(), strict=True))
    ages, genders, races = (list(dict.fromkeys(kind)) for kind in zip(*effects.grid, strict=True))
    columns = [(gender, race) for race in races for gender in genders]
    z = [[deltas[age, gender, race] for gender, race in columns] for age in ages]
    floor = float(effects.floor[at])
    heat = go.Heatmap(
        z=z,
        x=[" ".join(filter(None, (race, gender))) or "not told" for gender, race in columns],
        y=[age or "not told" for age in ages],
        hovertemplate="aged %{y}, %{x}: %{z:+.2f} log-odds<extra></extra>",
        xgap=1,
        ygap=1,
        colorbar=COLOUR_BAR,
        **_scale(peak or _peak(np.array(z), np.array([floor])), floor),
    )
    beyond = sum(abs(value) > floor for line in z for value in line)
    note = f"{beyond} of {len(deltas)} leave the noise floor (±{floor:.1f} {UNIT})"
    figure = base_figure([heat], titled(f"What every combination did to “{label}”", note, LEGEND), height=490)
    figure.update_layout(margin={"t": 80})
    figure.update_xaxes(tickangle=-90, tickfont={"size": 11}, showgrid=False, automargin=True, **FIXED)
    return figure.update_yaxes(**NAMES | {"showgrid": False})


def effect_forest(effects: AttributeEffects, label: str, *, peak: float | None = None) -> go.Figure:
    """What telling each word did to one label, with 95 % intervals, and the noise floor as a band.

    Args:
        effects, label: as for `grid_map`.
        peak: end of the axis in log-odds, both ways; give it to compare figures.
    """
    at = _place(effects.labels, label)
    floor, counts = float(effects.floor[at]), effects.counts[:, at]
    rows = [_word(*value) for value in effects.values]
    legend = signs([("●", COUNTS, "counts"), ("○", INK, "does not"), ("▒", INK, f"noise floor, ±{floor:.1f}")])
    title = titled(f"What each word did to “{label}”", f"{legend}", f"{UNIT}, with 95 % intervals")
    figure = base_figure([], title, height=HEAD + 30 + 26 * len(rows))
    figure.add_vrect(x0=-floor, x1=floor, fillcolor=NOTHING, line={"width": 0}, layer="below")
    values, spans = effects.effects[:, at], effects.intervals[:, at]
    for chosen, colour, symbol in ((counts, COUNTS, "circle"), (~counts, COUNTS_NOT, "circle-open")):
        some = np.flatnonzero(chosen)
        figure.add_scatter(
            x=values[some].tolist(),
            y=[rows[place] for place in some],
            mode="markers",
            marker={"color": colour, "symbol": symbol, "size": 8},
            error_x=whiskers(values[some].tolist(), spans[some].tolist()) | {"color": colour},
            customdata=np.column_stack([spans[some], effects.p_holm[some, at]]).tolist(),
            hovertemplate="%{y}: %{x:+.2f}, 95 % interval %{customdata[0]:+.2f} to %{customdata[1]:+.2f}, "
            "corrected p %{customdata[2]:.2g}<extra></extra>",
        )
    _even_axis(figure, peak or _peak(np.concatenate([values, spans.ravel()]), np.array([floor])))
    figure.update_layout(margin={"t": 80, "r": 16}, showlegend=False)
    return figure.update_yaxes(**NAMES | {"categoryorder": "array", "categoryarray": rows})


def ablation_bars(ablations: PriorAblations, label: str, *, peak: float | None = None) -> go.Figure:
    """What having each prior added to one label.

    Args:
        ablations: of one answer.
        label: one of its labels.
        peak: end of the axis in log-odds, both ways; give it to compare figures.
    """
    at = _place(ablations.labels, label)
    values = [float(value) for value in ablations.effects[:, at]]
    known = [0.0 if np.isnan(value) else value for value in values]
    shares = [(ablations.scores[row, at], ablations.baseline[at]) for row in range(len(values))]
    bars = go.Bar(
        x=known,
        y=list(ablations.names),
        orientation="h",
        marker={"color": [MORE if value > 0 else LESS for value in known]},
        text=["not told" if np.isnan(value) else f"{value:+.1f}" for value in values],
        textposition="outside",
        cliponaxis=False,
        customdata=[[float(without), float(with_it)] for without, with_it in shares],
        hovertemplate="without %{y}: %{customdata[0]:.1%} instead of %{customdata[1]:.1%}<extra></extra>",
    )
    legend = signs([("■", MORE, "speaks for it"), ("■", LESS, "speaks against it")])
    title = titled(f"What each prior added to “{label}”", f"{legend} ({UNIT})")
    figure = base_figure([bars], title, height=HEAD + BAR * len(values))
    figure.add_vline(x=0, line={"color": INK, "width": 1})
    _even_axis(figure, peak or 1.3 * _peak(np.array(known), np.zeros(1)))
    figure.update_layout(bargap=0.3)
    return figure.update_yaxes(**NAMES)


def twin_forest(effects: TwinEffects, label: str, *, peak: float | None = None) -> go.Figure:
    """What a drawn appearance did to one label over many persons: each group of twins against all twins.

    Args:
        effects: of `n` persons.
        label: one of its labels.
        peak: end of the axis in log-odds, both ways; give it to compare figures.
    """
    at = _place(effects.labels, label)
    values = np.array([group.effects[at] for group in effects.groups])
    spans = np.array([group.effect_intervals[at] for group in effects.groups])
    notes = f"{UNIT} against all twins of the same person", f"95 % intervals over {effects.n} persons"
    title = titled(f"What a drawn look did to “{label}”", *notes)
    figure = base_figure([], title, height=HEAD + 20 + 26 * len(values)).update_layout(margin={"t": 80})
    figure.add_vline(x=0, line={"color": INK, "width": 1})
    figure.add_scatter(
        x=values.tolist(),
        y=[f"{group.key} {group.name} ({group.n})" for group in effects.groups],
        mode="markers",
        marker={"color": COUNTS, "size": 8},
        error_x=whiskers(values.tolist(), spans.tolist()) | {"color": COUNTS},
        customdata=spans.tolist(),
        hovertemplate="%{y}: %{x:+.2f}, 95 % interval %{customdata[0]:+.2f} to %{customdata[1]:+.2f}<extra></extra>",
    )
    _even_axis(figure, peak or _peak(np.concatenate([values, spans.ravel()]), np.zeros(1)))
    return figure.update_yaxes(**NAMES)


def _place(labels: Sequence[str], label: str) -> int:
    if label not in labels:
        raise ValueError(f"'{label}' is not a label of this; choose one of {', '.join(labels)}")
    return list(labels).index(label)


def _word(key: str, value: str) -> str:
    return f"age {value}" if key == "age" else value


def _peak(values: np.ndarray, floor: np.ndarray) -> float:
    """A scale that holds all values and a third more than the noise floor."""
    known = np.abs(values[np.isfinite(values)])
    return max(float(known.max(initial=0.0)), 4 / 3 * float(floor.max()), 0.1)


def _scale(peak: float, floor: float) -> dict[str, object]:
    """Blue - page - vermilion from -peak to peak, and grey up to the noise floor."""
    edge = min(floor / peak, 1.0) / 2
    colours: list[list[object]] = [[0.0, LESS], [0.5, "rgba(128, 128, 128, 0.1)"], [1.0, MORE]]
    if edge >= 0.5:
        colours = [[0.0, NOTHING], [1.0, NOTHING]]
    elif edge > 0:
        pale_less, pale_more = "rgba(0, 114, 178, 0.35)", "rgba(213, 94, 0, 0.35)"
        grey = [[0.5 - edge, NOTHING], [0.5 + edge, NOTHING]]
        colours = [[0.0, LESS], [0.5 - edge, pale_less], *grey, [0.5 + edge, pale_more], [1.0, MORE]]
    return {"colorscale": colours, "zmin": -peak, "zmax": peak}


def _even_axis(figure: go.Figure, peak: float) -> None:
    figure.update_xaxes(range=[-1.05 * peak, 1.05 * peak], gridcolor=GRID, nticks=6, tickformat="+.2~g", **FIXED)
