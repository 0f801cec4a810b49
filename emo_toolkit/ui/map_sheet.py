"""What Look inside says of one choice, piece by piece, as HTML: picture, verdict, regions, words, times, details."""

from typing import NamedTuple

import numpy as np

from ..explain import maps
from ..explain.wording import (
    CAUTION,
    LENS_NOTE,
    METHOD_NOTES,
    TERMS,
    VIEW_NOTES,
    VIEW_TITLES,
    left_out,
    token_table,
)
from ..plots import faithfulness_curves, peak_of
from ..plots.maps import TOKEN_NAMES
from ..plots.pages import paragraphs, text_table
from ..schema import FACE_REGIONS, FRAME_KINDS, FaceAttention, Faithfulness
from .desk import MASKS, Subject
from .drawings import bars, heat, map_picture, notice, parts_bar, terms, word_lists
from .map_choice import Choice
from .words import headline

READ = {
    "word": "Orange: where on the face {what} got what it read.",
    "global": "Orange: the patches that took most from the analysis of the whole face.",
    "local": "Orange: the patches from which {what} (white dots) took most.",
    "global_clues": "Orange: the patches gathered into the token “face, global”, which the answer reads.",
    "local_clues": "Orange: the landmarks and patches gathered into the token “face, local”, which the answer reads.",
}
UNTESTED = "Not tested yet on this {kind}.", "It may look convincing and be wrong."
FREE = (
    "This map cannot be tested.",
    "A test hides parts of the face and watches how likely the answer stays. A free question has no such "
    "likelihood: read the face without a question of your own.",
)
HOW = (
    f"The test hides parts of the face in about {MASKS} ways, those that the map calls important first, and watches "
    "how likely the answer stays. Two CPU cores need some 13 s for a photo, and for a clip as many times more as it "
    "has frames."
)
REGIONS = "mean of the map at the landmarks of a region, % of the largest; dotted: if it were the same everywhere"
SHARES = "% of its attention, over all frames"
WHEN = "% of its attention that went to each frame's tokens"


class Tested(NamedTuple):
    """What the session keeps of a test: the box, and the curves as the JSON of a figure."""

    kind: str
    title: str
    lines: tuple[str, ...]
    curves: str


def weighed(found: Faithfulness) -> Tested:
    """A test as the page shows it."""
    chance, centre = found.over_chance_interval, found.over_centre_interval
    if chance[0] > 0 and centre[0] > 0:
        kind, title = "good", "✓ It held in the test."
    elif chance[0] > 0:
        kind, title = "fair", "≈ It held in the test, but pointing at the middle of the face does as well."
    elif chance[1] < 0:
        kind, title = "bad", "✗ It misleads here."
    else:
        kind, title = "bad", "✗ The test does not support it."
    luck = f"Of maps that know nothing, {(1 - found.level) / 2:.0%} would pass. The test watched “{found.label}”."
    return Tested(kind, title, (found.verdict, luck), faithfulness_curves(found).to_json())


def the_heading(seen: FaceAttention) -> str:
    """Markdown: the answer, and the caution that always stands beside maps."""
    return f"{headline(seen.scores) if seen.scores else '## Answer in words'}\n{CAUTION}"


def the_map(subject: Subject, choice: Choice, values: np.ndarray, test: Tested | None) -> str:
    """The chosen frame of the map (F, P), how to read it, and its verdict."""
    seen = subject.seen
    frame, view, what = choice.frame - 1, choice.view, _what(seen, choice)
    regions = _regions(seen, values, frame)
    most = sorted(regions, key=regions.__getitem__, reverse=True)[:3]
    title = f"Where {what} looked" if view in ("word", "local") else VIEW_TITLES[view]
    side = round(values.shape[1] ** 0.5)
    points = None
    if view in ("local", "local_clues"):
        chosen = FACE_REGIONS.get(choice.part, range(68))
        points = (seen.landmarks[frame, chosen.start : chosen.stop] + 1) / 2
    said = [READ[view].format(what=what), *_how(subject, choice)]
    if len(seen.crops) > 1:
        said.append(f"Frame {choice.frame} of {len(seen.crops)}, at {seen.times[frame]:.1f} s; one scale for all.")
    return map_picture(
        title,
        " ".join(said),
        seen.crops[frame].image,
        values[frame].reshape(side, side),
        peak_of([values]),
        alt=f"{title}, on the face in grey. Most orange: {', '.join(most)}.",
        points=points,
        below=_verdict(subject, test),
    )


def the_share(seen: FaceAttention, choice: Choice, values: np.ndarray) -> str:
    """How large a part of the story the map (F, P) is."""
    if choice.view == "word":
        words = slice(None) if choice.word is None else slice(choice.word, choice.word + 1)
        found = maps.shares(choice.narrow(seen), method=choice.method)
        share = {kind: float(each[words].mean()) for kind, each in found.items()}
        placed, frames = float(values.sum()), sum(share[kind] for kind in FRAME_KINDS)
        return parts_bar(
            f"Of all that {_what(seen, choice)} looked at:",
            [
                ("a place on the face: this map", placed),
                ("the picture, without a place", frames - placed),
                ("the question", share["question"] + share["attributes"]),
                ("turn markers and other words", share["rest"] + share["answer"]),
            ],
        )
    if choice.view in ("global", "local"):
        chosen = FACE_REGIONS.get(choice.part, range(68))
        of_landmarks = seen.local_strength[:, chosen.start : chosen.stop]
        whose, strengths = ("patch", seen.global_strength) if choice.view == "global" else ("landmark", of_landmarks)
        strength = float(strengths.mean())
        parts = [("this attention brought: this map", strength), (f"the {whose} itself", 1 - strength)]
        return parts_bar(f"Of what a {whose} says after it:", parts)
    at = ("global_clues", "local_clues").index(choice.view)
    mapped = float(maps.mapped_share(seen)[:, at].mean())
    parts = [("through this attention: this map", mapped), ("from the prior summary, which has no map", 1 - mapped)]
    return parts_bar(f"Of the clue in “{TOKEN_NAMES[FRAME_KINDS[2 + at]]}” came:", parts)


def the_regions(seen: FaceAttention, choice: Choice, values: np.ndarray) -> str:
    """The chosen frame by region."""
    frame = choice.frame - 1
    return bars("Which parts of the face", REGIONS, _regions(seen, values, frame), even=float(values[frame].mean()))


def the_words(seen: FaceAttention, choice: Choice) -> str:
    """What each word looked at, and when: the chosen layer and head, if words are what is looked at."""
    if choice.view != "word":
        choice = Choice(frame=choice.frame)
    look, words = choice.narrow(seen), [word or "(end)" for word in seen.words]
    shares = maps.shares(look, method=choice.method)
    shares["other words"] = shares.pop("rest") + shares.pop("answer")
    if not shares["attributes"].any():
        del shares["attributes"]  # nothing was told
    columns = [TOKEN_NAMES.get(kind, kind) for kind in shares]
    found = heat("What each word looked at", SHARES, words, columns, np.stack([*shares.values()], 1), row=choice.word)
    if len(seen.crops) > 1:
        times = [f"{when:.1f} s" for when in seen.times]
        when = maps.timeline(look, method=choice.method)
        found += heat(
            *("When in the clip each word looked", WHEN, words, times, when),
            row=choice.word,
            column=choice.frame - 1,
        )
    return found


def the_lens(seen: FaceAttention, choice: Choice) -> str:
    """Words nearest to the face tokens of the chosen frame."""
    lists = dict(zip((TOKEN_NAMES[kind] for kind in FRAME_KINDS[2:]), seen.lens[choice.frame - 1], strict=True))
    return word_lists("Words nearest to the face tokens", LENS_NOTE, lists)


def the_details(seen: FaceAttention, choice: Choice) -> str:
    """For experts: exactly what is drawn, what is left out, and what the words mean."""
    method = choice.method if choice.view == "word" else "raw"
    said = [VIEW_NOTES[choice.view], *left_out(seen, method=method)]
    return paragraphs(said) + text_table(*token_table(seen)) + terms(TERMS)


def _verdict(subject: Subject, test: Tested | None) -> str:
    """What the test said, or that there was none."""
    if test:
        return notice(test.kind, test.title, *test.lines)
    if not subject.seen.label:
        return notice("open", *FREE)
    kind = {"image": "picture", "video": "clip"}[subject.prompt.kind]
    return notice("open", UNTESTED[0].format(kind=kind), *UNTESTED[1:])


def _what(seen: FaceAttention, choice: Choice) -> str:
    if choice.view == "word":
        return "the answer's words" if choice.word is None else f"“{seen.words[choice.word] or '(end)'}”"
    return f"the landmarks of the {choice.part}" if choice.part in FACE_REGIONS else "the landmarks"


def _how(subject: Subject, choice: Choice) -> list[str]:
    """A sentence unless it is the plain mean."""
    if choice.method != "raw":
        note = METHOD_NOTES[choice.method].format(kind=subject.prompt.kind)
        return [f"{note[0].upper()}{note[1:]}."]
    sizes = maps.depth(subject.seen, choice.view)
    numbers = zip(("Layer", "head"), (choice.layer, choice.head), sizes, strict=True)
    alone = [f"{name} {number} of {size}" for name, number, size in numbers if number]
    return [f"{', '.join(alone)} alone.".capitalize()] if alone else []


def _regions(seen: FaceAttention, values: np.ndarray, frame: int) -> dict[str, float]:
    return dict(zip(FACE_REGIONS, maps.region_values(seen, values)[frame].tolist(), strict=True))
