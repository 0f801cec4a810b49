"""The words in which people speak of a face: parts, what parts do, idioms, and small words such as "not".

Tables of plain text -> VOCABULARY, which `claims.py` looks phrases up in. Words are in the form of LEMMAS.
"""

from ..labels import SYNONYMS
from .action_units import ACTION_UNITS

_SAME = {
    "the": "a an her his their its my your our",
    "brow": "brows eyebrow eyebrows",
    "lid": "lids eyelid eyelids",
    "eye": "eyes",
    "cheek": "cheeks",
    "nostril": "nostrils",
    "lip": "lips",
    "corner": "corners edge edges side sides",
    "end": "ends part parts portion portions half halves",
    "au": "aus",
    "unit": "units",
}
LEMMAS = {word: lemma for lemma, words in _SAME.items() for word in words.split()}

PARTS = {
    "inner brow": "inner brow, inner end of the brow, inner corner of the brow, brow at the inner end",
    "outer brow": "outer brow, outer end of the brow, outer corner of the brow",
    "brow": "brow, inner and outer brow, outer and inner brow",
    "forehead": "forehead",
    "upper lid": "upper lid",
    "lower lid": "lower lid",
    "lid": "lid",
    "eye": "eye",
    "eye corner": "eye corner, corner of the eye, outer corner of the eye, inner corner of the eye",
    "cheek": "cheek",
    "nose": "nose, nose bridge, bridge of the nose, nasal bridge, corner of the nose, root of the nose",
    "nostril": "nostril",
    "upper lip": "upper lip",
    "lower lip": "lower lip",
    "lip": "lip, upper and lower lip",
    "lip corner": "lip corner, mouth corner, corner of the mouth, corner of the lip, end of the mouth",
    "mouth": "mouth",
    "jaw": "jaw, lower jaw",
    "chin": "chin",
    "neck": "neck",
    "teeth": "teeth",
}

ACTIONS = {
    "up": "up, upward, upwards, upturned, raise, raised, raises, raising, lift, lifted, lifts, lifting, elevated, "
    "rise, rises, rising, risen, rose, arch, arched, arches",
    "up inside": "up in the middle, up at the inner end, raised in the middle, raised at the inner end",
    "down": "down, downward, downwards, downturned, lower, lowered, lowers, lowering, drop, dropped, drops, dropping, "
    "droop, droops, drooped, drooping, droopy, depressed, sag, sags, sagging, fall, falls, slack",
    "together": "together",
    "wrinkle": "wrinkle, wrinkled, wrinkles, wrinkling, crinkle, crinkled, crinkles, crinkling, scrunch, "
    "scrunched, scrunches, scrunching, furrow, furrowed, furrows, furrowing, knit, knitted, knits, knitting, crease, "
    "creased, creases, scrunched up, wrinkled up",
    "open": "open, opened, opens, opening, opens up, opened up, parted, parting, apart, separated, ajar",
    "gape": "wide open, wide opened, open wide, opened wide, opens wide, stretched open, stretches open, agape, gape, "
    "gapes, gaping",
    "hang": "hang open, hangs open, hanging open, falls open, drops open, dropped open, hang, hangs, hanging",
    "wide": "wide, widen, widened, widens, widening, enlarged",
    "close": "closed, closes, closing, shut",
    "narrow": "narrow, narrowed, narrows, narrowing",
    "tight": "tight, tighten, tightened, tightens, tightening, tense, tensed, tenses, tensing, tension, taut",
    "thin": "thin, thinned, thins",
    "stretch": "stretch, stretched, stretches, stretching, sideways, laterally, horizontally",
    "back": "back, backward, backwards",
    "press": "press, pressed, presses, pressing, compressed, squeezed",
    "press together": "pressed together, press together, presses together, squeezed together",
    "pucker": "pucker, puckered, puckers, puckering, purse, pursed, purses, pursing",
    "funnel": "funnel, funneled, funnelled, funnels, forward, forwards, protrude, protruded, protrudes, protruding",
    "suck": "suck, sucked, sucked in, rolled in, rolled inwards, inward, inwards, into the mouth",
    "puff": "puff, puffed, puffs, puffing, puffed up, puffed out, blown up, blown out, inflated",
    "flare": "flare, flared, flares, flaring, dilate, dilated, dilates, dilating",
    "tuck": "tucked, tucked in, dimple, dimpled, dimples, dimpling",
    "bare": "bare, bared, bares, baring, exposed",
    "rest": "relax, relaxed, relaxes, smooth, at rest, rest together, resting, unmoved, motionless, level, "
    "unchanged, unwrinkled",
}

# What a part that does something means, after the appearance changes of the FACS manual: "A B" both; "A/B" any of
# them, and "not" denies them all; "A|B" words that leave open which, the likelier first; "-" before it denies.
OPEN_MOUTH = "AU25/AU26/AU27"
MEANINGS: dict[str, dict[str, str]] = {
    "inner brow": {"up": "AU1", "down": "AU4", "together": "AU4", "wrinkle": "AU4", "rest": "-AU1"},
    "outer brow": {"up": "AU2", "rest": "-AU2"},
    "brow": {
        "up": "AU1 AU2",
        "up inside": "AU1",
        "down": "AU4",
        "together": "AU4",
        "wrinkle": "AU4",
        "rest": "-AU1 AU2 AU4",
    }
    | dict.fromkeys(("press together", "tight"), "AU4"),
    "forehead": {"wrinkle": "AU1|AU2|AU4", "rest": "-AU1 AU2 AU4"},
    "upper lid": {"up": "AU5", "back": "AU5", "wide": "AU5", "down": "AU43", "rest": "-AU5"},
    "lower lid": {"up": "AU7|AU6", "tight": "AU7", "rest": "-AU7"},
    "lid": {"up": "AU5", "tight": "AU7", "narrow": "AU7", "down": "AU43", "close": "AU43", "rest": "-AU5 AU7"},
    "eye": {"wide": "AU5", "gape": "AU5", "narrow": "AU7|AU6", "tight": "AU7", "close": "AU43", "open": "-AU43"}
    | {"wrinkle": "AU6|AU7", "rest": "-AU5 AU7"},
    "eye corner": {"wrinkle": "AU6"},
    "cheek": {"up": "AU6", "puff": "AU34", "rest": "-AU6 AU34", "tuck": "AU14"},
    "nose": {"wrinkle": "AU9", "flare": "AU38", "rest": "-AU9"},
    "nostril": {"flare": "AU38", "wide": "AU38", "rest": "-AU38"},
    "upper lip": {"up": "AU10", "rest": "-AU10"},
    "lower lip": {"down": "AU16", "up": "AU17", "rest": "-AU16 AU17"},
    "lip": {"open": "AU25", "gape": "AU25", "close": "-AU25", "press": "AU24|AU23", "press together": "AU24"}
    | {"together": "AU24", "tight": "AU23|AU24", "thin": "AU23|AU24", "narrow": "AU23|AU24", "pucker": "AU18"}
    | {"funnel": "AU22|AU18", "stretch": "AU20", "back": "AU20|AU12", "suck": "AU28", "rest": "-AU20 AU23 AU24"},
    "lip corner": {"up": "AU12", "down": "AU15", "tight": "AU14", "tuck": "AU14", "press": "AU14"}
    | {"stretch": "AU20", "back": "AU12|AU20", "rest": "-AU12 AU14 AU15"},
    "mouth": {"up": "AU12", "down": "AU15", "open": OPEN_MOUTH, "gape": "AU27|AU26", "hang": "AU26/AU27"}
    | {"close": f"-{OPEN_MOUTH}", "stretch": "AU20|AU27", "press": "AU24|AU23", "press together": "AU24"}
    | {"tight": "AU23|AU24", "pucker": "AU18", "tuck": "AU14", "rest": "-AU12 AU15 AU20 AU23 AU24"},
    "jaw": {"down": "AU26/AU27", "hang": "AU26/AU27", "open": "AU26/AU27", "gape": "AU27/AU26"}
    | {"close": "-AU26/AU27"},
    "chin": {"up": "AU17", "wrinkle": "AU17", "rest": "-AU17"},
    "neck": {"tight": "AU21", "stretch": "AU21", "rest": "-AU21"},
    "teeth": {"bare": "AU25|AU10|AU16"},
}


def _each(spec: str, phrases: str) -> dict[str, tuple[str, None]]:
    return dict.fromkeys(phrases.split(", "), (spec, None))


# Phrases that are a claim by themselves, with what they deny where "no" or "not" stands before them, if not the same.
IDIOMS: dict[str, tuple[str, str | None]] = {
    **{unit.name.lower(): (code, None) for code, unit in ACTION_UNITS.items()},
    "lip pressor": ("AU24", None),
    "lip puckerer": ("AU18", None),
    **_each("AU12", "smile, smiles, smiling, smiled, grin, grins, grinning, beam, beams, beaming"),
    **_each("AU12|AU14", "smirk, smirks, smirking"),
    "unsmiling": ("-AU12", None),
    "duchenne smile": ("AU6 AU12", "AU6"),
    **_each("AU6", "duchenne, crow's feet, crows feet, reach the eye, reaches the eye"),
    **_each("AU4", "frown, frowns, frowning, frowned, scowl, scowls, scowling"),
    **_each("AU7|AU6", "squint, squints, squinted, squinting"),
    "wide eyed": ("AU5", None),
    "open mouthed": (OPEN_MOUTH, None),
    "tight lipped": ("AU24|AU23", None),
    **_each("AU25|AU10|AU16", "teeth showing, teeth are visible, show the teeth, shows the teeth, showing the teeth"),
    **_each("AU17|AU22|AU18", "pout, pouts, pouting"),
    **_each("AU10|AU9", "sneer, sneers, sneering"),
    **_each("AU43", "wink, winks, winking"),
}

_DEGREES = (
    "strong strongly very extreme extremely intense intensely marked markedly full fully symmetrical even evenly as "
    "equally particularly especially overly too completely entirely quite all only just merely simply alone sure "
    "necessarily without absent missing"
)
_SEEN = "present visible seen active activated engaged involved shown observed detected there found evident apparent"
# Kinds of small words. NEG denies what follows, ABSENT what stands before it, MAYBE makes a clause no claim at all.
SMALL_WORDS = {
    "NEG": "not, never, hardly, scarcely, fail to, fails to, instead of, rather than, as opposed to, unlike, "
    "speak against, speaks against, rule out, rules out",
    "NEG NOUN": "no, without, neither, nor, lack, lacks, lack of, lacking, absence of, free of, devoid of",
    "ABSENT": ", ".join(
        ["absent", "missing", "none", "inactive", "uninvolved"]
        + [f"not {middle}{word}" for word in _SEEN.split() for middle in ("", "be ", "clearly ", "really ")]
    ),
    "IGNORED": ", ".join(f"not {word}" for word in _DEGREES.split())
    + ", would say, would call, would describe, would be called, would be read, no doubt, no matter, no less, "
    "left and right, right and left, lower face, lower end of the face, look up, looks up, looking up, look down, "
    "looks down, looking down, made up, end up, ends up, back to, at the back",
    "MAYBE": "would, might, may, could, should",
    "IF": "if, unless, whether",
    "COPULA": "is, are, was, were, be, been, being, do, does, did, stay, stays, remain, remains, look, looks, seem, "
    "seems, appear, appears, become, becomes, get, gets",
    "VERB": "has, have, had, show, shows, suggest, suggests, mean, means, indicate, indicates, make, makes, stand, "
    "stands, speak, speaks, point, points, give, gives, form, forms, produce, produces, reveal, reveals, display, "
    "displays, feature, features, include, includes, argue, argues",
    "THEY": "they, these, both",
    "BEHIND": "above, over, under, below, beneath, behind, toward, towards, against, around, at, near, from, across, "
    "on, between, along, in, into",
    "AND": "and, as well as, together with, along with, plus",
    "OR": "or",
    "TURN": "but, however, while, whereas, although, though, yet, because, since, so, which, with, thus, therefore, "
    "why, what, how, as, when, where, instead, except, except for, besides, other than, apart from, save for, beyond",
    "HEAD": "head, gaze, gazing, glance",
    "LEFT": "left, viewer's right",
    "RIGHT": "right, viewer's left",
}


def _vocabulary() -> dict[tuple[str, ...], tuple[str, str]]:
    entries = [(phrase, kind, phrase) for kind, phrases in SMALL_WORDS.items() for phrase in phrases.split(", ")]
    entries += [(word, "LABEL", label) for label, words in SYNONYMS.items() for word in (label, *words)]
    entries += [(phrase, "ACTION", action) for action, phrases in ACTIONS.items() for phrase in phrases.split(", ")]
    entries += [(phrase, "PART", part) for part, phrases in PARTS.items() for phrase in phrases.split(", ")]
    entries += [(phrase, "IDIOM", phrase) for phrase in IDIOMS]
    return {
        tuple(LEMMAS.get(word, word) for word in text.split()): (kind, value)
        for phrase, kind, value in entries
        for text in (phrase, phrase.replace("of the ", "of "))
    }


VOCABULARY = _vocabulary()  # the words of a phrase -> its kind and what it stands for
LENGTHS: dict[str, list[int]] = {  # first word -> how long the phrases are that begin with it, longest first
    first: sorted({len(phrase) for phrase in VOCABULARY if phrase[0] == first}, reverse=True)
    for first, *_ in VOCABULARY
}
