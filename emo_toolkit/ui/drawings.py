"""Maps, shares and verdicts -> pieces of HTML that redraw at once, read aloud well and follow the page's colours.

Every text is escaped here, so that callers hand over plain words.
"""

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
from PIL import Image

from ..plots import peak_of
from ..plots.maps import data_uri, lit

DOT = '<circle cx="{:.4f}" cy="{:.4f}" r=".007"/>'


def map_picture(
    title: str,
    note: str,
    picture: Image.Image,
    values: np.ndarray,
    peak: float,
    *,
    alt: str,
    points: np.ndarray | None = None,
    below: str = "",
) -> str:
    """The picture in grey with the map in orange, under a title and how to read it, over its scale.

    Args:
        values: (side, side) over the whole picture; peak: the value of the full colour.
        alt: what is seen, in words.
        points: (K, 2) in 0..1 of the picture, drawn as dots.
        below: HTML that stays with the picture.
    """
    circles = "" if points is None else "".join(DOT.format(x, y) for x, y in points.tolist())
    dots = f'<svg viewBox="0 0 1 1" aria-hidden="true">{circles}</svg>' if circles else ""
    image = f'<img alt="{escape(alt)}" src="{data_uri(lit(picture, values, peak))}">'
    scale = f'<div class="ramp" aria-hidden="true"><span>0</span><i></i><span>{peak:.2g}</span></div>'
    head = f"<h3>{escape(title)}</h3><p>{escape(note)}</p>"
    return f'{head}<div class="map"><div class="stack">{image}{dots}</div>{scale}{below}</div>'


def parts_bar(title: str, parts: Sequence[tuple[str, float]]) -> str:
    """One bar that is a whole, with what its parts are; the first one is what the map shows."""
    blocks = "".join(f'<i style="flex-grow:{max(0.0, share):.4f}"></i>' for _, share in parts)
    lines = "".join(f"<li><b>{_percent(share)}</b> {escape(name)}</li>" for name, share in parts)
    return f'<div class="parts"><p>{escape(title)}</p><div aria-hidden="true">{blocks}</div><ul>{lines}</ul></div>'


def notice(kind: str, title: str, *more: str) -> str:
    """A box beside a map: what speaks for it and against it. `kind` is "good", "fair", "bad" or "open"."""
    lines = "".join(f"<p>{escape(line)}</p>" for line in more if line)
    return f'<div class="trust {kind}"><p><b>{escape(title)}</b></p>{lines}</div>'


def bars(title: str, note: str, values: Mapping[str, float], *, even: float) -> str:
    """A bar a name, in % of the largest; the dotted line is where all would stand if they were alike."""
    top = peak_of([np.array([*values.values(), even])])
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td><i style="width:{max(0.0, value) / top:.1%}"></i></td>'
        f"<td>{max(0.0, value) / top:.0%}</td></tr>"
        for name, value in values.items()
    )
    return _figure(title, note, f'<table class="bars" style="--even:{even / top:.4f}"><tbody>{rows}</tbody></table>')


def heat(
    title: str,
    note: str,
    rows: Sequence[str],
    columns: Sequence[str],
    values: np.ndarray,
    *,
    row: int | None = None,
    column: int | None = None,
) -> str:
    """A table of shares, the darker the larger.

    Args:
        values: (rows, columns), 0..1.
        row, column: the one that is marked.
    """
    top = peak_of([values])
    names = "".join(
        f'<th scope="col"{_marked(at == column)}><span>{escape(name)}</span></th>' for at, name in enumerate(columns)
    )
    lines = "".join(
        f'<tr{_marked(at == row)}><th scope="row">{escape(name)}</th>'
        + "".join(f'<td style="--heat:{share / top:.3f}">{100 * share:.0f}</td>' for share in line)
        + "</tr>"
        for at, (name, line) in enumerate(zip(rows, values.tolist(), strict=True))
    )
    kind = "heat narrow" if len(columns) > 8 else "heat"
    table = f'<table class="{kind}"><thead><tr><td></td>{names}</tr></thead><tbody>{lines}</tbody></table>'
    return _figure(title, note, table)


def word_lists(title: str, note: str, lists: Mapping[str, Sequence[tuple[str, float]]]) -> str:
    """Lists of words, each with a number from 0 to 1."""
    rows = "".join(
        f"<dt>{escape(name)}</dt><dd>"
        + " ".join(f"<span>{escape(word)} <small>{value:.2f}</small></span>" for word, value in words)
        + "</dd>"
        for name, words in lists.items()
    )
    return _figure(title, note, f'<dl class="lens">{rows}</dl>')


def terms(meanings: Mapping[str, str]) -> str:
    """Words and what they mean."""
    rows = "".join(f"<dt>{escape(word)}</dt><dd>{escape(text)}</dd>" for word, text in meanings.items())
    return f"<dl>{rows}</dl>"


def _figure(title: str, note: str, body: str) -> str:
    head = f"<h4>{escape(title)}</h4><p>{escape(note)}</p>"
    return f'<section class="drawn">{head}<div class="wide">{body}</div></section>'


def _marked(chosen: bool) -> str:
    return ' class="chosen"' if chosen else ""


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.1 else f"{max(0.0, share):.1%}"
