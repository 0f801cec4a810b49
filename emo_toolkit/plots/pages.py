"""Figures, tables and words -> one HTML page that needs no network."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

from .style import to_html

STYLE = """
:root { color-scheme: light; }
body { margin: 0 auto; max-width: 54rem; padding: 1rem; color: #1f2933; background: #fff;
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .5rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .5rem; border-top: 1px solid #d9dee3; padding-top: 1rem; }
p, dd { max-width: 42rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; margin: .5rem 0; }
th, td { padding: .2rem .6rem .2rem 0; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
thead th { border-bottom: 1px solid #9aa5b1; font-weight: 600; }
.words th, .words td { text-align: left; }
.verdict { border-left: 4px solid #0072b2; margin: 1rem 0; padding: .1rem .8rem; background: #f3f6f9; }
.verdict p { margin: .4rem 0; }
img { max-width: 100%; max-height: 32rem; }
dt { font-weight: 600; margin-top: .5rem; }
dd { margin: 0; }
"""


class Section(NamedTuple):
    """A part of a page; `figure` is a plotly Figure, `above` and `below` are HTML."""

    title: str
    figure: Any = None
    above: str = ""
    below: str = ""


def html_page(title: str, head: str, sections: Sequence[Section], *, terms: Mapping[str, str]) -> str:
    """The whole page.

    Args:
        title: plain text.
        head: HTML under the title.
        sections: parts in order.
        terms: words of the page and what they mean, for its end.
    """
    pictures = iter(to_html([section.figure for section in sections if section.figure]))
    body = "".join(
        f"<section><h2>{escape(section.title)}</h2>{section.above}"
        f"{next(pictures) if section.figure else ''}{section.below}</section>"
        for section in sections
    )
    words = "".join(f"<dt>{escape(term)}</dt><dd>{escape(meaning)}</dd>" for term, meaning in terms.items())
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>"
        f"<h1>{escape(title)}</h1>{head}{body}"
        f"<section><h2>What the words mean</h2><dl>{words}</dl></section></body></html>\n"
    )


def paragraphs(texts: Iterable[str]) -> str:
    """Plain texts as HTML paragraphs."""
    return "".join(f"<p>{escape(text)}</p>" for text in texts)


def text_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """An HTML table of plain texts."""
    names = "".join(f"<th>{escape(name)}</th>" for name in head)
    lines = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{names}</tr></thead><tbody>{lines}</tbody></table></div>'
