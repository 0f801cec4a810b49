"""Findings -> one HTML page that needs no network: figures, tables of their numbers, and what the words mean."""

from typing import Any

from emo_toolkit.plots import KEYS, class_bars, confusion_matrix, fold_dots, group_forest
from emo_toolkit.plots.pages import Section, html_page, paragraphs, text_table
from emo_toolkit.schema import EvalReport, ExplanationReport, FoldsReport, GroupReport
from train.answers import FOLD
from train.findings import ONE_FOR_ALL, Findings, asked_of, gap_sentences

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
    "earns. Of the same expression: what the answer owes to the expression alone, and not to this face.",
    "Agreement": "of the answers in words that name an expression, the share that names the label which is likeliest "
    "by the scores of the same face.",
}
DRAWN = (
    "These faces are drawn. Their labels are the convention (EMFACS) that the movements were drawn from, and nobody "
    "rated them: scores on them are no scores on real faces."
)


def page(findings: Findings) -> str:
    """The whole page."""
    report, folds = findings.report, findings.folds
    sections = [_folds(folds, findings.asked.checkpoint)] if folds else []
    sections += [_classes(report), Section("What is taken for what", confusion_matrix(report))]
    sections += [_group(group) for group in findings.groups]
    sections += [_explanation(findings.explanation)] if findings.explanation else []
    terms = TERMS | (GROUP_TERMS if findings.groups else {}) | (UNIT_TERMS if findings.explanation else {})
    title = f"{findings.asked.checkpoint} on {report.dataset} {report.split}"
    return html_page(title, _head(findings), sections, terms=terms)


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
    return paragraphs(said) + text_table(("score", "value", "95 % interval"), rows)


def _folds(report: FoldsReport, checkpoint: str) -> Section:
    said = [
        f"Mean over the folds, as papers give it: WAR {_percent(report.war)} {_span(report.war_interval)} and UAR "
        f"{_percent(report.uar)} {_span(report.uar_interval)}. The standard deviation between folds is "
        f"{_percent(report.war_spread)} and {_percent(report.uar_spread)}."
    ]
    if FOLD not in checkpoint:
        said.append(f"This is {ONE_FOR_ALL}.")
    rows = [(f"fold {each.fold}", f"{each.n:,}", *_both(each)) for each in report.reports]
    return Section("The folds", fold_dots(report), paragraphs(said), text_table(("fold", "faces", *BOTH), rows))


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
    return Section("Each expression", class_bars(report), below=text_table(head, rows))


def _group(report: GroupReport) -> Section:
    rows = [(each.name, f"{each.n:,}", *_both(each)) for each in report.groups]
    said = [sentence[0].upper() + sentence[1:] + "." for sentence in gap_sentences(report)]
    if report.origin == "estimated":
        said.append("The groups are a net's estimates, which are often wrong; mistakes blur every gap.")
    title = f"By {KEYS.get(report.key, report.key)}" + (" (estimated)" if report.origin == "estimated" else "")
    return Section(title, group_forest(report), paragraphs(said), text_table(("group", "faces", *BOTH), rows))


def _explanation(report: ExplanationReport) -> Section:
    total = report.total
    rows = [
        ("all action units: precision", *_cell(total.precision, report.precision_interval)),
        ("all action units: recall", *_cell(total.recall, report.recall_interval)),
        ("all action units: F1", *_cell(total.f1, report.f1_interval)),
        ("F1 held against other faces", _percent(report.shuffled_f1), ""),
        ("F1 held against other faces of the same expression", _percent(report.same_label_f1), ""),
        ("answers that name an expression", *_cell(report.named, report.named_interval)),
        ("agreement with the scored label", *_cell(report.agreement, report.agreement_interval)),
        ("answers that deny what is visible, or themselves", _percent(report.contradictions), ""),
    ]
    units = [
        (name, f"{each.visible:,}", f"{each.claimed:,}", f"{each.right:,}")
        + tuple(_percent(value) for value in (each.precision, each.recall, each.f1))
        for name, each in report.units.items()
    ]
    asked = paragraphs([f"Each of {report.n:,} faces was asked about in words: “{asked_of(report)}”"])
    head = ("unit", "visible", "claimed", "rightly", "precision", "recall", "F1")
    return Section(
        "Explanations", above=asked + text_table(("score", "value", "95 % interval"), rows) + text_table(head, units)
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
