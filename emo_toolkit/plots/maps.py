"""Maps of where a model looked, by picture, region, word and frame -> figures. Plain arrays in; one scale a figure."""

import base64
import io
from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from PIL import Image
from plotly.subplots import make_subplots

from .style import BAR, FIXED, GRID, HEAD, INK, NAMES, SCALE, base_figure, titled

LIT = (255, 123, 0)  # orange on the grey picture: grey has no hue, so that every eye sees what was added
STRONGEST = 0.8  # opacity of the largest value; what is beneath stays visible
OVERLAY = [[0, f"rgba{(*LIT, 0)}"], [1, f"rgba{(*LIT, STRONGEST)}"]]
WIDEST, SHEET_WIDEST = 480, 240  # px of a picture alone, and of one among others
TALL = {1: 380, 2: 200, 4: 130}  # columns -> px of a row in the figure
DOT = {"size": 4, "color": "white", "line": {"color": "black", "width": 1}}
TOKEN_NAMES = {"face_global": "face, global", "face_local": "face, local"}
BARE = {"visible": False, "fixedrange": True}
BAR_OF_COLOURS = {"thickness": 10, "outlinewidth": 0, "tickfont": {"size": 11}, "nticks": 4}


def map_overlays(
    pictures: Sequence[Image.Image],
    maps: Sequence[np.ndarray],
    names: Sequence[str] = (),
    *,
    title: str = "Where the model looked",
    note: str = "grey: the picture; orange: the map",
    peak: float | None = None,
    points: Sequence[np.ndarray] = (),
) -> go.Figure:
    """Maps on their pictures, all on one scale from 0; several stand side by side.

    Args:
        pictures: N pictures: source frames, or crops.
        maps: N maps (h, w) of the whole picture, or (side, side) patches that fill it; below 0 counts as 0.
        names: N captions.
        title, note: what is seen, and how to read it.
        peak: value of the full colour; the largest of all maps by default. Give it to compare figures.
        points: N arrays (K, 2) of landmarks in pixels of the pictures, drawn as dots.

    Raises:
        ValueError: different numbers of pictures, maps, names or points; none at all.
    """
    if not pictures or {len(pictures)} != {len(each) for each in (pictures, maps, names, points) if len(each)}:
        raise ValueError(f"{len(pictures)} pictures, {len(maps)} maps, {len(names)} names, {len(points)} points")
    if not len(maps):
        raise ValueError("there is no map to draw")
    peak = peak_of(maps) if peak is None else peak
    columns = 1 if len(pictures) == 1 else 2 if len(pictures) <= 4 else 4
    rows = -(-len(pictures) // columns)
    widest = WIDEST if len(pictures) == 1 else SHEET_WIDEST
    figure = base_figure([], titled(title, note), height=HEAD + 30 + TALL[columns] * rows)
    gaps = {"horizontal_spacing": 0.02, "vertical_spacing": 0.14 / rows}
    make_subplots(rows, columns, figure=figure, subplot_titles=names, **gaps)
    for place, (picture, values) in enumerate(zip(pictures, maps, strict=True)):
        at = {"row": place // columns + 1, "col": place % columns + 1}
        small = picture.convert("RGB")
        small.thumbnail((widest, widest))
        figure.add_trace(go.Image(source=data_uri(lit(small, values, peak)), hoverinfo="skip"), **at)
        if len(points):
            shrink = np.array(small.size) / np.array(picture.size)
            x, y = ((np.asarray(points[place]) + 0.5) * shrink - 0.5).T.tolist()
            figure.add_scatter(x=x, y=y, mode="markers", marker=DOT, hoverinfo="skip", **at)
    figure.update_annotations(font={"size": 12, "color": INK})
    figure.update_xaxes(**BARE).update_yaxes(**BARE)
    _add_scale(figure, peak)
    return figure.update_layout(showlegend=False, margin={"t": 84 if names else 60, "b": 48})


def lit(picture: Image.Image, values: np.ndarray, peak: float) -> Image.Image:
    """The picture in grey, with orange where the map (h, w) is above 0, as opaque as the map is high."""
    heights = Image.fromarray(np.clip(np.asarray(values, np.float32) / peak, 0, 1))
    heights = np.asarray(heights.resize(picture.size, Image.Resampling.BILINEAR))[..., None] * STRONGEST
    grey = np.asarray(picture.convert("L"), np.float32)[..., None]
    return Image.fromarray(np.rint(grey * (1 - heights) + np.float32(LIT) * heights).astype(np.uint8))


def peak_of(maps: Sequence[np.ndarray]) -> float:
    """The largest value of some maps, to draw them on one scale; 1 when none is above 0."""
    return max(float(np.max(values)) for values in maps) if any(np.max(values) > 0 for values in maps) else 1.0


def data_uri(picture: Image.Image) -> str:
    """The picture as text that stands in a page where an address would."""
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=88)
    return "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode()


def region_bars(
    values: Mapping[str, float],
    *,
    title: str = "Which parts of the face the model looked at",
    note: str = "mean over the landmarks of a region",
    even: float | None = None,
    peak: float | None = None,
) -> go.Figure:
    """One bar a region, in the order given.

    Args:
        values: region -> value, not negative.
        title, note: what is seen, and how to read it.
        even: the value of a map that is the same everywhere, drawn as a dotted line.
        peak: end of the axis; give it to compare figures.
    """
    heights = [float(value) for value in values.values()]
    top = peak or max([*heights, even or 0.0]) or 1.0
    bars = go.Bar(
        x=heights,
        y=list(values),
        orientation="h",
        marker={"color": f"rgb{LIT}"},
        text=[f"{height / top:.0%}" for height in heights],
        textposition="outside",
        cliponaxis=False,
        hovertemplate="%{y}: %{x:.3g}<extra></extra>",
    )
    notes = [f"{note}; % of the largest" if peak is None else f"{note}; % of {peak:.3g}"]
    if even is not None:
        notes.append("dotted: if the model looked everywhere alike")
    figure = base_figure([bars], titled(title, *notes), height=HEAD + BAR * len(heights))
    if even is not None:
        figure.add_vline(x=even, line={"color": INK, "dash": "dot", "width": 2})
    figure.update_layout(bargap=0.3, margin={"t": 78 if even is not None else 60, "b": 8})
    figure.update_xaxes(range=[0, 1.2 * top], showticklabels=False, showgrid=False, **FIXED)
    return figure.update_yaxes(**NAMES)


def word_regions(words: Sequence[str], regions: Sequence[str], values: np.ndarray, **words_of: object) -> go.Figure:
    """Each generated word at each region of the face: values (W, regions); other arguments as for `word_heat`."""
    title = {"title": "Where on the face each word looked", "note": "darker: more attention reached the region"}
    return word_heat(words, regions, values, **title | words_of)


def word_tokens(words: Sequence[str], kinds: Sequence[str], values: np.ndarray, **words_of: object) -> go.Figure:
    """Each generated word at each kind of token: values (W, kinds); other arguments as for `word_heat`."""
    title = {"title": "What each word looked at", "note": "share of its attention, %; the rest went to other words"}
    names = [TOKEN_NAMES.get(kind, kind) for kind in kinds]
    return word_heat(words, names, values, **{"shares": True} | title | words_of)


def word_heat(
    words: Sequence[str],
    columns: Sequence[str],
    values: np.ndarray,
    *,
    title: str,
    note: str = "",
    peak: float | None = None,
    shares: bool = False,
) -> go.Figure:
    """Words as rows, in reading order, on a scale from 0.

    Args:
        words: W words, repeated ones too; columns: C names; values: (W, C), not negative.
        title, note: what is seen, and how to read it.
        peak: value of the darkest colour; the largest by default. Give it to compare figures.
        shares: write each value in its cell, as % .
    """
    values = np.asarray(values, float)
    if values.shape != (len(words), len(columns)) or not values.size:
        raise ValueError(f"values {values.shape} for {len(words)} words and {len(columns)} columns")
    top = peak or peak_of([values])
    heat = go.Heatmap(
        z=values.tolist(),
        x=list(columns),
        y=list(range(len(words))),
        customdata=[[word] * len(columns) for word in words],
        hovertemplate="%{customdata}, %{x}: " + ("%{z:.1%}" if shares else "%{z:.3g}") + "<extra></extra>",
        text=[[f"{100 * value:.0f}" if shares and value >= 0.005 else "" for value in line] for line in values],
        texttemplate="%{text}",
        colorscale=SCALE,
        zmin=0,
        zmax=top,
        xgap=1,
        ygap=1,
        showscale=not shares,
        colorbar=BAR_OF_COLOURS,
    )
    height = 190 + 26 * len(words)  # below 190 plotly cuts slanted names off
    figure = base_figure([heat], titled(title, *filter(None, [note])), height=height)
    figure.update_xaxes(tickangle=-45, showgrid=False, automargin=True, **FIXED)
    ticks = {"tickvals": list(range(len(words))), "ticktext": list(words), "tickmode": "array"}
    return figure.update_yaxes(showgrid=False, **NAMES | {"type": "linear"}, **ticks)


def timeline(
    times: Sequence[float],
    words: Sequence[str],
    values: np.ndarray,
    *,
    title: str = "When in the clip each word looked",
    note: str = "darker: more attention to the frame",
    peak: float | None = None,
) -> go.Figure:
    """Words over the frames of a clip: values (W, F), not negative; `times` (F,) seconds. As `word_heat` else."""
    seconds = [f"{when:.1f} s" for when in times]
    unique = [name if seconds.count(name) == 1 else f"{when:.2f} s" for name, when in zip(seconds, times, strict=True)]
    figure = word_heat(words, unique, values, title=title, note=note, peak=peak)
    return figure.update_xaxes(type="category", nticks=min(len(unique), 8), gridcolor=GRID)


def _add_scale(figure: go.Figure, peak: float) -> None:
    """A bar of colours under the pictures."""
    scale = {"orientation": "h", "y": -0.02, "yanchor": "top", "len": 0.5, "thickness": 10, "outlinewidth": 0}
    ticks = {"tickvals": [0, peak], "ticktext": ["0", f"{peak:.2g}"], "tickfont": {"size": 11}}
    marker = {
        "color": [0],
        "colorscale": OVERLAY,
        "cmin": 0,
        "cmax": peak,
        "showscale": True,
        "colorbar": scale | ticks,
    }
    figure.add_scatter(x=[None], y=[None], mode="markers", marker=marker, hoverinfo="skip")
