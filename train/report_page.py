"""Findings -> one HTML page that needs no network: figures, tables of their numbers, and what the words mean."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any, NamedTuple

from emo_toolkit.plots import KEYS, class_bars, confusion_matrix, fold_dots, group_forest, to_html
from emo_toolkit.schema import EvalReport, ExplanationReport, FoldsReport, GroupReport
from train.answers import FOLD
from train.findings import ONE_FOR_ALL, Findings, asked_of, gap_sentences

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
dt { font-weight: 600; margin-top: .5rem; }
dd { margin: 0; }
"""
TERMS = {
    "WAR": "weighted average recall: the share of all faces whose expression is named right (accuracy).",
    "UAR": "unweighted average recall: the recall of each expression, averaged so that rare ones count as much.",
    "Recall": "of the faces that show an expression, the share that is called so.",
    "Precision": "of the answers that name an expression, the share that is right; 0 where none names it.",
    "F1": "the harmonic mean of recall and precision. Macro F1 is the plain mean over the expressions, weighted F1 "
    "the mean by their number of faces.",
    "95 % interval": "where the middle 95 % of the score lie when the faces are drawn again, with replacement, 2,000 "
    "times. It tells the chance in the choice of faces, not that in training.",
    "Without a face or label": "a file without a usable face, and an answer that names none of the labels, count as "
    "wrong.",
}
GROUP_TERMS = {
    "Gap by chance": "if every group were read as well as all faces with the same expressions are, the largest gap "
    "would stay below this 95 times in 100. A smaller gap says nothing. The pair was chosen because its gap is the "
    "largest, so its interval is a little too hopeful. Groups of fewer than 10 faces are not compared.",
}
UNIT_TERMS = {
    "Action unit": "a movement of the face in the Facial Action Coding System, such as AU12, the lip corner puller. "
    "It is visible from level B on.",
    "Held against other faces": "the same answers, each scored on a face that it is not about: what general wording "
    "earns.",
    "Agreement": "of the answers in words that name an expression, the share that names the label which is likeliest "
    "by the scores of the same face.",
}
DRAWN = (
    "These faces are drawn. Their labels are the convention (EMFACS) that the movements were drawn from, and nobody "
    "rated them: scores on them are no scores on real faces."
)


class Section(NamedTuple):
    """A part of the page; `figure` is a plotly Figure."""

    title: str
    figure: Any = None
    above: str = ""
    below: str = ""


def page(findings: Findings) -> str:
    """The whole page."""
    report, folds = findings.report, findings.folds
    sections = [_folds(folds, findings.asked.checkpoint)] if folds else []
    sections += [_classes(report), Section("What is taken for what", confusion_matrix(report))]
    sections += [_group(group) for group in findings.groups]
    sections += [_explanation(findings.explanation)] if findings.explanation else []
    pictures = iter(to_html([section.figure for section in sections if section.figure]))
    body = "".join(
        f"<section><h2>{escape(section.title)}</h2>{section.above}"
        f"{next(pictures) if section.figure else ''}{section.below}</section>"
        for section in sections
    )
    terms = TERMS | (GROUP_TERMS if findings.groups else {}) | (UNIT_TERMS if findings.explanation else {})
    words = "".join(f"<dt>{escape(term)}</dt><dd>{escape(meaning)}</dd>" for term, meaning in terms.items())
    title = f"{findings.asked.checkpoint} on {report.dataset} {report.split}"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>"
        f"<h1>{escape(title)}</h1>{_head(findings)}{body}"
        f"<section><h2>What the words mean</h2><dl>{words}</dl></section></body></html>\n"
    )


def _head(findings: Findings) -> str:
    report = findings.report
    said = [
        f"{report.n:,} samples; {report.no_face:,} files without a usable face, {report.unparsed:,} answers without a "
        "label. Labels are perceived expressions, not what anybody feels."
    ]
    if findings.asked.estimate:
        said.append("The prompt tells the age and gender that a net estimates.")
    if report.dataset.startswith("synthetic"):
        said.append(DRAWN)
    pooled = " (all folds pooled)" if findings.folds else ""
    rows = [
        (word + pooled, *_cell(getattr(report, name), getattr(report, f"{name}_interval")))
        for word, name in (("WAR", "war"), ("UAR", "uar"), ("macro F1", "macro_f1"), ("weighted F1", "weighted_f1"))
    ]
    return _paragraphs(said) + _table(("score", "value", "95 % interval"), rows)


def _folds(report: FoldsReport, checkpoint: str) -> Section:
    said = [
        f"Mean over the folds, as papers give it: WAR {_percent(report.war)} {_span(report.war_interval)} and UAR "
        f"{_percent(report.uar)} {_span(report.uar_interval)}. The standard deviation between folds is "
        f"{_percent(report.war_spread)} and {_percent(report.uar_spread)}."
    ]
    if FOLD not in checkpoint:
        said.append(f"This is {ONE_FOR_ALL}.")
    rows = [(f"fold {each.fold}", f"{each.n:,}", *_both(each)) for each in report.reports]
    return Section("The folds", fold_dots(report), _paragraphs(said), _table(("fold", "faces", *BOTH), rows))


def _classes(report: EvalReport) -> Section:
    rows = [
        (
            label,
            f"{each.support:,}",
            *(
                text
                for name in ("recall", "precision", "f1")
                for text in _cell(getattr(each, name), getattr(each, f"{name}_interval"))
            ),
        )
        for label, each in report.classes.items()
    ]
    head = ("expression", "faces", "recall", "95 % interval", "precision", "95 % interval", "F1", "95 % interval")
    return Section("Each expression", class_bars(report), below=_table(head, rows))


def _group(report: GroupReport) -> Section:
    rows = [(each.name, f"{each.n:,}", *_both(each)) for each in report.groups]
    said = [sentence[0].upper() + sentence[1:] + "." for sentence in gap_sentences(report)]
    if report.origin == "estimated":
        said.append("The groups are a net's estimates, which are often wrong; mistakes blur every gap.")
    title = f"By {KEYS.get(report.key, report.key)}" + (" (estimated)" if report.origin == "estimated" else "")
    return Section(title, group_forest(report), _paragraphs(said), _table(("group", "faces", *BOTH), rows))


def _explanation(report: ExplanationReport) -> Section:
    total = report.total
    rows = [
        ("all action units: precision", *_cell(total.precision, report.precision_interval)),
        ("all action units: recall", *_cell(total.recall, report.recall_interval)),
        ("all action units: F1", *_cell(total.f1, report.f1_interval)),
        ("F1 held against other faces", _percent(report.shuffled_f1), ""),
        ("answers that name an expression", *_cell(report.named, report.named_interval)),
        ("agreement with the scored label", *_cell(report.agreement, report.agreement_interval)),
        ("answers that deny what is visible, or themselves", _percent(report.contradictions), ""),
    ]
    units = [
        (name, f"{each.visible:,}", f"{each.claimed:,}", f"{each.right:,}")
        + tuple(_percent(value) for value in (each.precision, each.recall, each.f1))
        for name, each in report.units.items()
    ]
    asked = _paragraphs([f"Each of {report.n:,} faces was asked about in words: “{asked_of(report)}”"])
    head = ("unit", "visible", "claimed", "rightly", "precision", "recall", "F1")
    return Section(
        "Explanations", above=asked + _table(("score", "value", "95 % interval"), rows) + _table(head, units)
    )


BOTH = ("WAR", "95 % interval", "UAR", "95 % interval")


def _both(each: Any) -> tuple[str, ...]:
    return *_cell(each.war, each.war_interval), *_cell(each.uar, each.uar_interval)


def _cell(value: float, interval: tuple[float, float]) -> tuple[str, str]:
    return _percent(value), _span(interval)


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _span(interval: tuple[float, float]) -> str:
    return f"[{100 * interval[0]:.1f}, {100 * interval[1]:.1f}]"


def _paragraphs(texts: Iterable[str]) -> str:
    return "".join(f"<p>{escape(text)}</p>" for text in texts)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    names = "".join(f"<th>{escape(name)}</th>" for name in head)
    lines = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{names}</tr></thead><tbody>{lines}</tbody></table></div>'
