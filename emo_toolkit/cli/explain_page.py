"""What an explain command found -> one HTML page that explains itself: what figures show, how far to trust them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from ..explain.judging import JudgedMap
from ..explain.wording import CAUTION, LENS_NOTE, METHOD_NOTES, TERMS, VIEW_NOTES, left_out, token_table
from ..plots.maps import data_uri
from ..plots.pages import Section, html_page, paragraphs, text_table
from .explain_figures import Explained, slug, source_overlay, title_of
from .parser import NOTICE

TESTED = (
    "So beside every map stands a test on this very {kind}: parts of the face are hidden, those that the map calls "
    "important first, and the answer is watched."
)
ABOUT = VIEW_NOTES | {"word": f"{VIEW_NOTES['word']} Mean over the words."}
WORDS = TERMS | {
    "Random weights": "the trained weights are shuffled and the map is made again. A map that stays alike (1 is the "
    "same order of patches, 0 none) is not about what was learned."
}


def page(found: Explained, figures: Mapping[str, Any]) -> str:
    """The whole page; its figures are those of `figures_of`."""
    sections = [Section("The answer", figures.get("answer"), below=_answer(found))]
    sections.append(_trust(found, figures.get("faithfulness")))
    described: set[str] = set()
    for each in found.judged:
        said = [] if each.view in described else [ABOUT[each.view]]
        described.add(each.view)
        said += [f"{each.method}: {METHOD_NOTES[each.method].format(kind=found.asked.reading.media.kind)}."]
        sections.append(Section(title_of(each), figures[slug(each)], paragraphs(said), _verdicts(each)))
    sections += _words(found, figures)
    sections += [_left_out(found), _lens(found)]
    return html_page(f"Inside the answer to {Path(found.asked.path).name}", _head(found), sections, terms=WORDS)


def better(found: Explained) -> str:
    """How many maps passed, in words, with how many would by chance."""
    judged = [each.faithfulness for each in found.judged if each.faithfulness]
    if not judged:
        return "A free question has no options, so no map could be tested: ask with --options."
    passed = sum(each.over_chance_interval[0] > 0 for each in judged)
    lucky = sum((1 - each.level) / 2 for each in judged)
    return (
        f"{passed} of {len(judged)} maps {'is' if passed == 1 else 'are'} better than chance on this "
        f"{found.asked.reading.media.kind}; of maps that know nothing, {lucky:.2g} would be."
    )


def _head(found: Explained) -> str:
    seen, kind = found.seen, found.asked.reading.media.kind
    answer = f"“{seen.label}” ({seen.scores[seen.label]:.1%})" if seen.label else f"“{seen.text}”"
    said = [f"{found.asked.pipeline.checkpoint.name} answers {answer} ({NOTICE}).", better(found)]
    said += [f"{CAUTION} {TESTED.format(kind=kind)}"]
    if len(found.shown) < len(seen.crops):
        said.append(
            f"Of {len(seen.crops)} frames with a usable face the figures show the {len(found.shown)} that the "
            "answer's words looked at most; tests and numbers are about all of them."
        )
    alt = "the source picture in grey, in orange where the answer's words looked"
    return paragraphs(said) + _picture(source_overlay(found, found.first("word")), alt)


def _answer(found: Explained) -> str:
    prompt = found.asked.prompt
    known = [word for word in (prompt.attributes.age, prompt.attributes.gender, prompt.attributes.race) if word]
    told = f"told to it: {', '.join(known)} ({prompt.attributes.origin})" if known else "no attributes told to it"
    return paragraphs([f"In words: “{found.seen.text}”", f"The exact prompt ({told}): {found.seen.prompt}"])


def _trust(found: Explained, forest: Any) -> Section:
    said = [better(found)]
    rows = [(each.name, *_tested(each)) for each in found.judged]
    if forest:
        said.append(
            "Right of 0: what the map points at moves the answer sooner than chance, or than a guess at the middle of "
            "the face. An interval that holds 0 says no more than chance."
        )
    head = ("map", "over chance", "over a centre guess", "alike under random weights")
    return Section("Can these maps be trusted?", forest, paragraphs(said), text_table(head, rows))


def _tested(each: JudgedMap) -> tuple[str, str, str]:
    test, check = each.faithfulness, each.randomisation
    chance = _span(test.over_chance, test.over_chance_interval) if test else "not tested"
    centre = _span(test.over_centre, test.over_centre_interval) if test else "not tested"
    return chance, centre, f"{check.mean:.2f}" if check else "not checked"


def _words(found: Explained, figures: Mapping[str, Any]) -> list[Section]:
    """What is made of the words' map; its verdict is repeated."""
    verdict = _short_verdict(found.first("word"))
    rows = [
        ("curves", "The test of the first map, step by step", "", ""),
        ("words", "Each word alone", "One scale for all words.", verdict),
        ("regions", "The words' map by region", "The map at the landmarks of each region.", verdict),
        ("word-regions", "Word by region", "", verdict),
        (
            "word-tokens",
            "Word by kind of token",
            "Before anything is followed to the face: which tokens each word looked at. Attention that goes to words "
            "of the question or to turn markers is no attention to the face.",
            verdict,
        ),
        ("timeline", "Over the clip", "Frames with a usable face only.", verdict),
        ("clue-regions", "Landmarks asked for the local face token", "", _short_verdict(found.first("local_clues"))),
    ]
    return [
        Section(title, figures[name], paragraphs(filter(None, [said])), below)
        for name, title, said, below in rows
        if name in figures
    ]


def _left_out(found: Explained) -> Section:
    said = left_out(found.seen, method=found.word_method)
    return Section("What the maps leave out", above=paragraphs(said), below=text_table(*token_table(found.seen)))


def _lens(found: Explained) -> Section:
    rows = [
        (
            f"{kind}, {found.seen.times[place]:.2f} s" if len(found.seen.crops) > 1 else kind,
            ", ".join(f"{word} {cosine:.2f}" for word, cosine in lens),
        )
        for place in found.shown
        for kind, lens in zip(("face, global", "face, local"), found.seen.lens[place], strict=True)
    ]
    table = f'<div class="words">{text_table(("token", "words"), rows)}</div>'
    return Section("Words nearest to the face tokens", above=paragraphs([LENS_NOTE]), below=table)


def _verdicts(each: JudgedMap) -> str:
    """What the tests say of a map, for under its figure."""
    test, check = each.faithfulness, each.randomisation
    said = [f"Verdict on “{each.name}”: {test.verdict}" if test else f"“{each.name}” was not tested: no options."]
    if test:
        said[0] += f" Over chance {_span(test.over_chance, test.over_chance_interval)} log-odds."
    said.append(
        f"{check.verdict} (alike under random weights: {check.mean:.2f})" if check else "Random weights: not checked."
    )
    return _box(said)


def _short_verdict(each: JudgedMap) -> str:
    """For under a figure that is made of a map shown elsewhere."""
    return _box([f"Made of “{each.name}”. " + (each.faithfulness.verdict if each.faithfulness else "Not tested.")])


def _box(said: list[str]) -> str:
    return f'<div class="verdict">{paragraphs(said)}</div>'


def _span(value: float, interval: tuple[float, float]) -> str:
    return f"{value:+.2f} [{interval[0]:+.2f}, {interval[1]:+.2f}]"


def _picture(picture: Image.Image, alt: str) -> str:
    return f'<img alt="{alt}" src="{data_uri(picture)}">'
