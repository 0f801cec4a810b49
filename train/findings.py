"""The rows of a run -> every figure that is asked for, as values for JSON and as lines for people."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from emo_toolkit.data import DATASETS
from emo_toolkit.errors import EmoError
from emo_toolkit.evaluation import by_group, evaluate, join_folds, score_explanations, to_json
from emo_toolkit.schema import EvalReport, ExplanationReport, FoldsReport, Gap, GroupReport
from train.answers import FOLD, Asked

ONE_FOR_ALL = "one checkpoint for all folds: fair only if it was trained on none of this set"


@dataclass(frozen=True)
class Findings:
    """What a run over a data set comes to. `report` pools the folds where there are any."""

    asked: Asked
    report: EvalReport
    folds: FoldsReport | None = None
    groups: tuple[GroupReport, ...] = ()
    explanation: ExplanationReport | None = None


def find(rows: Sequence[Mapping[str, Any]], asked: Asked, truths: Mapping[str, Any], *, dataset: str) -> Findings:
    """All figures of a run.

    Args:
        rows: of `answers.answer_rows`, of one fold, of all folds, or of a set without any.
        truths: sample id -> FaceTruth; needed for explanations alone.
        dataset: a key of DATASETS.

    Raises:
        EmoError: some of the folds are missing.
    """
    parts: dict[int | None, list[Mapping[str, Any]]] = {}
    for row in rows:
        parts.setdefault(row["fold"], []).append(row)
    reports = [_report(part, asked, dataset, fold) for fold, part in parts.items()]
    folds = join_folds(reports, folds=DATASETS[dataset].folds) if len(reports) > 1 else None
    groups: tuple[GroupReport, ...] = ()
    if asked.groups:
        keys = dict.fromkeys(key for row in rows for key, name in row["groups"].items() if name)
        groups = tuple(by_group(rows, key, origin=asked.groups) for key in keys)
    explanation = None
    if asked.explain:
        explanation = score_explanations(
            [row["explanation"] for row in rows], [truths[row["id"]] for row in rows], [row["label"] for row in rows]
        )
    return Findings(asked, folds.pooled if folds else reports[0], folds, groups, explanation)


def _report(rows: Sequence[Mapping[str, Any]], asked: Asked, dataset: str, fold: int | None) -> EvalReport:
    return evaluate(
        [row["truth"] for row in rows],
        [row["label"] for row in rows],
        labels=asked.options_of(dataset),
        dataset=dataset,
        split="+".join(sorted({row["split"] for row in rows})),
        fold=fold,
        no_face=sum(row["status"] == "no_face" for row in rows),
    )


def values_of(findings: Findings) -> dict[str, Any]:
    """The report file: figures of `report` at the top, the others below a name each."""
    values = {"checkpoint": findings.asked.checkpoint, "estimate": findings.asked.estimate, **to_json(findings.report)}
    if findings.folds:
        values["fold"] = "all"
        values["folds"] = {name: value for name, value in to_json(findings.folds).items() if name != "pooled"}
    if findings.groups:
        values["groups"] = {report.key: to_json(report) for report in findings.groups}
    if findings.explanation:
        values["explanation"] = to_json(findings.explanation)
    return values


def lines_of(findings: Findings) -> list[str]:
    """What a run prints."""
    report, folds, explanation = findings.report, findings.folds, findings.explanation
    lines = [f"{findings.asked.checkpoint} on {report.dataset} {report.split}, n = {report.n}"]
    if folds:
        spread = f"standard deviation between folds {folds.war_spread:.4f} and {folds.uar_spread:.4f}"
        lines += [f"mean over {len(folds.reports)} folds, as papers give it; {spread}", scores(folds), "all pooled"]
        if FOLD not in findings.asked.checkpoint:
            lines.append(f"({ONE_FOR_ALL})")
    lines += [
        scores(report),
        f"macro F1 {report.macro_f1:.4f}  {span(report.macro_f1_interval)}   "
        f"weighted F1 {report.weighted_f1:.4f}  {span(report.weighted_f1_interval)}",
        "recall  " + "  ".join(f"{label} {value:.2f}" for label, value in report.recalls.items()),
        f"{report.no_face} without a usable face, {report.unparsed} without a label (all counted as wrong)",
    ]
    for group in findings.groups:
        lines.append(f"by {group.key} ({group.origin})")
        lines += [f"  {each.name:<16} n {each.n:>6}   {scores(each)}" for each in group.groups]
        lines += [f"  {sentence}" for sentence in gap_sentences(group)]
    return lines + (explanation_sentences(explanation) if explanation else [])


def scores(each: Any) -> str:
    """ "WAR 0.6 [0.5, 0.7]   UAR ..." of anything that has both."""
    return f"WAR {each.war:.4f}  {span(each.war_interval)}   UAR {each.uar:.4f}  {span(each.uar_interval)}"


def span(interval: tuple[float, float], digits: int = 4) -> str:
    """ "[low, high]"."""
    return f"[{interval[0]:.{digits}f}, {interval[1]:.{digits}f}]"


def gap_sentences(group: GroupReport) -> list[str]:
    """The largest gaps in words, held against what chance gives."""
    gaps = [(name, gap) for name, gap in (("WAR", group.war_gap), ("UAR", group.uar_gap)) if gap]
    sentences = [_gap_sentence(name, gap) for name, gap in gaps]
    if not gaps:
        sentences.append("fewer than two groups are large enough to be compared")
    if group.left_out:
        sentences.append(f"{group.left_out} faces have no group here")
    return sentences


def _gap_sentence(name: str, gap: Gap) -> str:
    low, high = gap.interval
    return (
        f"largest gap in {name}: {gap.best} {100 * gap.size:.1f} points above {gap.worst} "
        f"[{100 * low:.1f}, {100 * high:.1f}]; "
        f"if all groups were read equally well, chance would still give up to {100 * gap.chance:.1f}"
    )


def explanation_sentences(report: ExplanationReport) -> list[str]:
    """How far the explanations are true, in words."""
    total = report.total
    return [
        f'explanations, asked "{asked_of(report)}", n = {report.n}',
        f"  action units: precision {total.precision:.4f}  {span(report.precision_interval)}   "
        f"recall {total.recall:.4f}  {span(report.recall_interval)}   F1 {total.f1:.4f}  {span(report.f1_interval)}",
        f"  the same answers held against other faces: F1 {report.shuffled_f1:.4f}; against other faces of the same "
        f"expression: F1 {report.same_label_f1:.4f}",
        f"  {report.named:.4f} {span(report.named_interval)} name an expression; of these, {report.agreement:.4f} "
        f"{span(report.agreement_interval)} the one with the highest score of the same face",
        f"  {report.contradictions:.4f} deny a unit that is visible, or contradict themselves",
    ]


def asked_of(report: ExplanationReport) -> str:
    """The question as people read it."""
    return report.question.format(kind="image or video")


def check(asked: Asked, dataset: str, truths: Iterable[str], *, drawn: bool) -> None:
    """Raises EmoError where a set cannot give what is asked."""
    if absent := sorted(set(truths) - set(asked.options_of(dataset))):
        raise EmoError(f"{dataset} has samples of {', '.join(absent)}, which --options leaves out; add it there")
    if not drawn and asked.explain:
        raise EmoError(f"{dataset} has no exact action units to hold explanations against; leave --explain out")
    if not drawn and asked.groups == "exact":
        raise EmoError(
            f"{dataset} does not tell age and gender; '--groups estimated' takes them from a net, with its errors"
        )
