"""Any English text about a face -> which action units it claims and denies, and which emotions it names.

Words -> tokens (phrases.py) -> clauses with their negation -> parts paired with what they do. Linear in the text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from .action_units import ACTION_UNITS
from .phrases import IDIOMS, LEMMAS, LENGTHS, MEANINGS, VOCABULARY


@dataclass(frozen=True)
class Claim:
    """A text says that an action unit is there, or that it is not.

    `codes` are "AU12", or "L12" / "R12" where a side is named (the person's own). More than one code: everyday words
    that leave open which of them it is, the likelier first ("the mouth is open"); a denial denies each of its codes.
    """

    codes: tuple[str, ...]
    present: bool


def read_claims(text: str | None) -> tuple[Claim, ...]:
    """The claims of a text, each once, in order of appearance.

    Understood: codes ("AU12", "AU 12", "AUs 1, 2 and 5", "L12"), FACS names, plain words ("lip corners pulled up",
    "raised cheeks", "she smiles"), sides, and negation within its clause ("no", "without", "neither ... nor", "is
    absent", "rather than", but not "not only"). What would or might be is no claim. Words outside the vocabulary are
    skipped, so a text in another language claims nothing.
    """
    return tuple(dict.fromkeys(_pair(_clauses(text))))


def read_labels(text: str | None) -> tuple[str, ...]:
    """The emotions that a text names and does not deny, in order, as words of `labels.SYNONYMS`."""
    tokens = [token for clause in _clauses(text) for token in clause.tokens if token.kind == "LABEL"]
    return tuple(dict.fromkeys(token.value for token in tokens if not token.denied and token.doubt != "IF"))


@dataclass
class _Token:
    kind: str  # a kind of phrases.VOCABULARY, or CODE
    value: str
    side: str | None = None
    denied: bool = False
    doubt: str | None = None


@dataclass
class _Clause:
    link: str  # what stands before it, a key of _RANK
    tokens: list[_Token] = field(default_factory=list)

    def has(self, *kinds: str) -> bool:
        return any(token.kind in kinds for token in self.tokens)


_RANK = {"COMMA": 0, "AND": 1, "OR": 2, "TURN": 3, "STOP": 4}
_MARKS = dict.fromkeys(".;!?\n", "STOP") | dict.fromkeys("—–", "TURN") | dict.fromkeys("+/&", "AND") | {",": "COMMA"}
_VERBS, _ITEMS = ("COPULA", "VERB"), ("CODE", "IDIOM", "ACTION", "LABEL")
_NEXT = r"\s{0,2}(?:,|\+|/|&|,? ?and|,? ?or)\s{0,2}[0-9]{1,2}(?![0-9]|\.[0-9]|\s?%)"  # "AUs 1, 2 and 5"
_CODES = re.compile(rf"\b(?:aus?|action units?)[\s-]{{0,3}}([0-9]{{1,2}}(?![0-9])(?:{_NEXT})*)")
_WORD = re.compile(r"(?:au|[lr])[0-9]{1,2}(?![0-9])|[^\W\d_]+(?:'[^\W\d_]+)?|[0-9]+(?:\.[0-9]+)?|[.;!?\n,+/&—–]")
_SIDES = {"LEFT": "left", "RIGHT": "right"}
_JOINS = ("COMMA", "AND", "OR")
_FAR, _LONG = 8, 30  # at most: tokens from an adjective to its noun; clauses or parts of one list


def _words(text: str | None) -> list[str]:
    plain = (text or "").lower().replace("’", "'").replace("cannot", "can not")
    plain = _CODES.sub(lambda found: re.sub("[0-9]+", r"au\g<0>", found[1]), re.sub(r"n't\b", " not", plain))
    return [LEMMAS.get(word, word) for word in _WORD.findall(plain)]


def _tokens(words: list[str]) -> Iterator[_Token]:
    at = 0
    while at < len(words):
        word, length = words[at], 1
        if word[-1] in "0123456789":
            if code := _code(word):
                yield code
        elif word in _MARKS:
            yield _Token(_MARKS[word], "")
        else:
            phrases = (tuple(words[at : at + length]) for length in LENGTHS.get(word, ()))
            if phrase := next((phrase for phrase in phrases if phrase in VOCABULARY), None):
                kind, value = VOCABULARY[phrase]
                if value == "nor":
                    yield _Token("OR", value)
                yield _Token(kind, value)
                length = len(phrase)
        at += length


def _code(word: str) -> _Token | None:
    """ "au06" -> AU6; "l12" -> AU12 on the left. Any AU number is a claim, a side only with a unit of ours."""
    found = re.fullmatch("(au|l|r)0?([1-9][0-9]?)", word)
    if not found or (found[1] != "au" and f"AU{found[2]}" not in ACTION_UNITS):
        return None
    return _Token("CODE", f"AU{found[2]}", {"au": None, "l": "left", "r": "right"}[found[1]])


def _clauses(text: str | None) -> list[_Clause]:
    """The text cut at marks and linking words, each token with its side, and whether it is denied or in doubt."""
    clauses = [_Clause("STOP")]
    for token in _tokens(_words(text)):
        if token.kind not in _RANK:
            clauses[-1].tokens.append(token)
        elif clauses[-1].tokens:
            clauses.append(_Clause(token.kind))
        elif _RANK[token.kind] > _RANK[clauses[-1].link]:
            clauses[-1].link = token.kind
    clauses = _appositions(clauses)
    for clause in clauses:
        sides = {_SIDES.get(token.kind, token.side) for token in clause.tokens} - {None}
        if len(sides) == 1 and not clause.has("HEAD"):
            for token in clause.tokens:
                token.side = (*sides,)[0]
    _deny(clauses)
    _deny_backwards(clauses)
    _doubt(clauses)
    return clauses


def _appositions(clauses: list[_Clause]) -> list[_Clause]:
    """Joins a unit and its other name: "no sign of AU4, the brow lowerer"."""

    def units(clause: _Clause) -> set[str]:
        return {
            IDIOMS.get(token.value, (token.value,))[0] for token in clause.tokens if token.kind in ("CODE", "IDIOM")
        }

    found = clauses[:1]
    for clause in clauses[1:]:
        named = units(clause)
        if clause.link == "COMMA" and named and not clause.has(*_VERBS) and named <= units(found[-1]):
            found[-1].tokens += clause.tokens
        else:
            found.append(clause)
    return found


def _deny(clauses: list[_Clause]) -> None:
    """Marks what stands after a negation, to the end of its clause and through a list that goes on."""
    lists = _lists(clauses)
    negation, denied = "", False
    for clause, goes_on in zip(clauses, lists, strict=True):
        if not (negation and _carries(clause, goes_on, negation)):
            negation = ""
        for token in clause.tokens:
            if token.kind in ("NEG", "NEG NOUN"):
                negation, denied = token.kind, False
            elif token.kind == "VERB" and negation == "NEG NOUN" and denied:
                negation = ""  # "the absence of AU6 means ..." denies nothing more
            elif negation:
                token.denied = True
                denied = denied or token.kind in (*_ITEMS, "PART")


def _lists(clauses: list[_Clause]) -> list[set[str]]:
    """For each clause the links of the list of verbless clauses that begins with it."""
    found: list[set[str]] = []
    links: set[str] = set()
    for clause in reversed(clauses):
        verbless = not clause.has(*_VERBS)
        found.append(links | {clause.link} if verbless else {clause.link})
        links = found[-1] if verbless and clause.link in _JOINS else set()
    return found[::-1]


def _carries(clause: _Clause, links: set[str], negation: str) -> bool:
    """Whether a negation before `clause` still holds in it: "no A, B or C", "without A and B", "not up and down"."""
    if clause.link in ("STOP", "TURN") or clause.has(*_VERBS):
        return False
    kinds = [token.kind for token in clause.tokens]
    if "OR" in links:
        return True
    if "AND" not in links:
        return False
    if negation == "NEG":
        return clause.link == "AND" and not clause.has("PART", "CODE", "IDIOM")
    return not ("PART" in kinds and "ACTION" in kinds[kinds.index("PART") :])


def _deny_backwards(clauses: list[_Clause]) -> None:
    """Marks what is said to be absent: "A, B and C are absent"; "absent: A, B"."""
    for at, clause in enumerate(clauses):
        place = next((place for place, token in enumerate(clause.tokens) if token.kind == "ABSENT"), None)
        if place is None:
            continue
        found, other = clause.tokens[:place], at
        many = any(token.value in ("are", "were", "remain", "stay") for token in found)
        while many and clauses[other].link in _JOINS and other > at - _LONG:
            other -= 1
            if clauses[other].has(*_VERBS, "NEG", "NEG NOUN", "ABSENT"):
                break
            found = found + clauses[other].tokens
        if not any(token.kind in (*_ITEMS, "PART") for token in found):
            found, other = clause.tokens[place + 1 :], at + 1
            while other < min(len(clauses), at + _LONG) and clauses[other].link in _JOINS:
                found, other = found + clauses[other].tokens, other + 1
        for token in found:
            token.denied = True


def _doubt(clauses: list[_Clause]) -> None:
    """Marks what follows "if" or "would" in its clause, and in the list that the clause begins."""
    doubt = None
    for clause in clauses:
        if clause.link in ("STOP", "TURN") or clause.has(*_VERBS):
            doubt = None
        for token in clause.tokens:
            doubt = token.kind if token.kind in ("MAYBE", "IF") else doubt
            token.doubt = doubt


def _pair(clauses: list[_Clause]) -> Iterator[Claim]:
    """Joins parts of the face with what they do: "the brows are raised" as well as "raised brows"."""
    tokens = [each for clause in clauses for each in (_Token(clause.link, ""), *clause.tokens)]
    parts: list[_Token] = []  # of whom the sentence speaks
    earlier: list[_Token] = []  # of whom the sentence before spoke
    # the list of parts may grow; nothing was said of them yet; nothing stands between the last of them and this word
    growing = waiting = bare = False
    bound: set[int] = set()  # parts that an adjective before them has already taken
    for at, token in enumerate(tokens):
        if token.kind == "STOP":
            earlier, parts, growing, waiting = parts or earlier, [], False, False
        elif token.kind in ("TURN", *_VERBS):
            growing = False
        elif token.kind == "THEY":
            parts = parts or earlier
        elif token.kind == "PART" and (at in bound or tokens[at - 1].kind != "BEHIND"):
            parts = [*parts[-_LONG:], token] if growing else [token]
            growing = waiting = at not in bound
        elif token.kind in ("CODE", "IDIOM") and not token.doubt:
            spec, denial = IDIOMS[token.value] if token.kind == "IDIOM" else (token.value, None)
            yield from _claims((denial or spec) if token.denied else spec, token.denied, token.side)
        elif token.kind == "ACTION":
            described = [] if bare else _described(tokens, at, waiting)
            bound |= set(described)
            for part in [tokens[place] for place in described] or parts:
                spec = MEANINGS[part.value].get(token.value)
                if spec and not token.doubt:
                    yield from _claims(spec, token.denied, token.side or part.side)
            growing = waiting = False
        bare = token.kind == "PART" or (bare and token.kind in ("LEFT", "RIGHT", "NEG"))


def _described(tokens: list[_Token], at: int, waiting: bool) -> list[int]:
    """Places of the parts that the adjective at `at` stands before: "raised cheeks", "lowered, furrowed brows"."""
    linked = False
    for place in range(at + 1, min(at + _FAR, len(tokens))):
        kind = tokens[place].kind
        if kind == "PART" and not linked:
            after = [token.kind for token in tokens[place + 1 : place + 4]]
            both = after[1:2] == ["PART"] and after[0] in ("AND", "OR") and after[2:] not in (["ACTION"], ["COPULA"])
            return [place, place + 2] if both else [place]
        if kind in ("COMMA", "AND", "OR"):
            linked = True
        elif kind == "ACTION":
            linked = False
        elif kind not in ("LEFT", "RIGHT", "BEHIND") or (kind == "BEHIND" and waiting):
            return []
    return []


def _claims(spec: str, denied: bool, side: str | None) -> Iterator[Claim]:
    if spec.startswith("-"):
        spec, denied = spec[1:], not denied
        if not denied and " " in spec:  # "not relaxed" leaves open which of them it is
            return
    prefix = side[0].upper() if side else "AU"
    for choice in spec.split():
        codes = choice.split("|")[:1] if denied else re.split("[|/]", choice)
        yield Claim(tuple(prefix + code.removeprefix("AU") for each in codes for code in each.split("/")), not denied)
