"""What an audit found -> one HTML page that needs no network: a table of every group and word, and what it means."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from emo_toolkit.plots import twin_forest
from emo_toolkit.plots.pages import Section, html_page, paragraphs, text_table
from emo_toolkit.schema import EffectsSummary, TwinEffects, TwinGroup

TERMS = {
    "Twins": "drawn pictures of one expression on 24 looks: 4 ages, 2 genders, 3 races; pose, light, background and "
    "movements of the face are the same. What differs is what MakeHuman's shapes and our colours make of an age, a "
    "gender and a race: it is an effect of drawn looks, and says nothing certain about photos of people.",
    "Against all twins": "the mean over persons of the difference between the person's twins in the group and all of "
    "the person's twins. An interval that leaves out zero is marked *.",
    "Log-odds": "the natural logarithm of p / (1 - p). A change of +0.69 doubles the odds of a label, -0.69 halves "
    "them.",
    "Effect of a word": "the log-odds of a label when the prompt tells this age, gender or race alone, less those "
    "when it tells nothing. The pixels stay. Race words are told here one after the other; none is ever estimated.",
    "Noise floor": "the largest effect, on the same picture, of changes that mean nothing: a sentence that tells no "
    "attribute, the same sentence or the same question in other words. An effect counts only if it is larger, and if "
    "its p, corrected by Holm's method for all words and labels, is below 0.05.",
    "95 % interval": "where the middle 95 % lie when persons or pictures are drawn again, with replacement, 2,000 "
    "times.",
}


def page(findings: Mapping[str, Any]) -> str:
    """The whole page of {"checkpoint": name, "twins": TwinEffects or None, "words": EffectsSummary or None, ...}."""
    sections = [_twins(findings["twins"])] if findings["twins"] else []
    sections += [_words(findings["words"], findings["faces"])] if findings["words"] else []
    sections += figures(findings)
    return html_page(
        f"What looks and words of age, gender and race do to {findings['checkpoint']}", "", sections, terms=TERMS
    )


def figures(findings: Mapping[str, Any]) -> list[Section]:
    """The sections with a plotly figure, in order; all labels on one scale."""
    twins = findings["twins"]
    if not twins:
        return []
    peak = max(float(np.nanmax(np.abs(group.effect_intervals), initial=0.1)) for group in twins.groups)
    return [Section(f"Drawn looks and {label}", twin_forest(twins, label, peak=peak)) for label in twins.labels]


def _twins(effects: TwinEffects) -> Section:
    low, high = effects.changed_interval
    said = (
        f"{effects.n:,} drawn persons, each as 24 twins. {effects.changed:.0%} [{low:.0%}, {high:.0%}] of the persons "
        "get more than one label, though all their twins move their faces in the same way."
    )
    head = ("group", "pictures", "no face", "accuracy", "95 % interval", "against all twins", "95 % interval")
    scores = [_accuracy(group) for group in effects.groups]
    odds = [
        (
            _name(group),
            *(_marked(at, *bounds) for at, bounds in zip(group.effects, group.effect_intervals, strict=True)),
        )
        for group in effects.groups
    ]
    above = paragraphs([said]) + text_table(head, scores)
    below = paragraphs(["Log-odds of each label, against all twins:"]) + text_table(("group", *effects.labels), odds)
    return Section("The same expression on other faces", above=above, below=below)


def _accuracy(group: TwinGroup) -> tuple[str, ...]:
    (low, high), (less, more) = group.accuracy_interval, group.accuracy_effect_interval
    mark = " *" if less > 0 or more < 0 else ""
    return (
        _name(group),
        f"{group.n:,}",
        f"{group.missed:,}",
        f"{group.accuracy:.1%}",
        f"[{100 * low:.1f}, {100 * high:.1f}]",
        f"{100 * group.accuracy_effect:+.1f} points{mark}",
        f"[{100 * less:+.1f}, {100 * more:+.1f}]",
    )


def _words(summary: EffectsSummary, faces: str) -> Section:
    rows = [
        ("pictures on which a word counts", summary.any_counts, summary.any_counts_interval),
        ("mean |effect| of a word", summary.size, summary.size_interval),
        ("mean |effect| of a change that means nothing", summary.change_size, summary.change_size_interval),
        ("mean noise floor", summary.floor, summary.floor_interval),
    ]
    table = [(name, f"{value:.3f}", f"[{low:.3f}, {high:.3f}]") for name, value, (low, high) in rows]
    words = [(name, f"{share:.1%}") for name, share in summary.words.items()]
    above = paragraphs([f"{summary.n:,} pictures of {faces}."]) + text_table(("", "value", "95 % interval"), table)
    return Section("The same face with other words", above=above, below=text_table(("word", "counts on"), words))


def _name(group: TwinGroup) -> str:
    return f"{group.key} {group.name}"


def _marked(value: float, low: float, high: float) -> str:
    return f"{value:+.2f}" + (" *" if low > 0 or high < 0 else "")
