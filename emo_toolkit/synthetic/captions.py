"""FaceTruth -> questions and answers about the face in FERID's conversation format, written without a language model.

Only what is true of the rendered face is said, every visible unit is named in the first answer, and nothing is said of
age, gender or race, nor of what goes on inside the person.
"""

import random
from dataclasses import dataclass

from ..labels import SYNONYMS
from ..schema import FaceTruth
from .action_units import (
    ACTION_UNITS,
    PROTOTYPES,
    REGIONS,
    VISIBLE_FROM,
    by_side,
    intensity_letter,
    intensity_word,
    split_code,
)


@dataclass(frozen=True)
class Turn:
    """One question of a conversation with its answer."""

    question: str
    answer: str


def conversation(truth: FaceTruth, rng: random.Random, *, kind: str = "image") -> tuple[Turn, ...]:
    """One to three turns: what the face shows, then some of: which units, what is absent, why.

    Each answer can be read alone. `kind` "video" speaks of onset, apex and offset; `truth` is then the apex.
    The same truth and the same state of `rng` give the same words.
    """
    speaker = _Speaker(truth, rng, kind)
    topics = rng.sample((speaker.units, speaker.absent, speaker.why), rng.randint(0, 2))
    return tuple(topic() for topic in (speaker.shows, *topics))


def movements(truth: FaceTruth, rng: random.Random) -> str:
    """Sentences that name every visible unit and no emotion: of a face that no convention has a name for."""
    return " ".join(_Speaker(truth, rng, "image").describe())


ADVERBS = {
    "B": ("slightly", "a little", "faintly"),
    "C": ("clearly", "visibly", "noticeably"),
    "D": ("strongly", "markedly"),
    "E": ("fully", "very strongly"),
}
NOTATIONS = ("", " ({code})", " ({code}{letter})", " ({code}, {word})")
PAIRED = ("brow", "eyebrow", "lid", "eyelid", "eye", "cheek", "nostril", "corner")  # of which a face has two

SHOWS = (
    "What is the facial expression of the person in the {kind}?",
    "What does the face in the {kind} show?",
    "Describe the facial expression in the {kind}.",
    "How would you describe this person's expression?",
    "Which expression is visible in the {kind}, and how can one tell?",
    "Look at the eyes, brows and mouth. What do they show?",
    "What emotion does the person in the {kind} seem to express?",
    "Explain how this face would be read.",
)
UNITS = (
    "Which action units are active, and how strong are they?",
    "Describe the face in terms of the Facial Action Coding System.",
    "Which facial muscles are at work in the {kind}?",
    "List the action units of this face with their intensity.",
    "What would a FACS coder note down?",
)
ABSENT = (
    "Which movements are missing from this face?",
    "What cannot be seen in this face that other expressions would show?",
    "What sets this expression apart from similar ones?",
    "Is there anything the face in the {kind} does not do?",
    "Which signs of other emotions are absent?",
)
WHY = (
    "Why does the person in the {kind} look {adjective}?",
    "Why would someone read this face as {noun}?",
    "What made the person look like this?",
    "What does this expression say about the person?",
    "How does the person in the {kind} really feel?",
)
NAMED = (
    "The face is perceived as {adjective}.",
    "The expression would usually be read as {noun}.",
    "Most people would call this expression {noun}.",
    "The overall impression is one of {noun}.",
    "The person in the {kind} appears {adjective}.",
    "This is {degree} expression that suggests {noun}.",
    "The face gives {degree} impression of {noun}.",
)
UNMOVED = (
    "The face is perceived as neutral.",
    "The expression would usually be read as neutral.",
    "Most people would call this expression neutral.",
    "The person in the {kind} appears neutral.",
    "The face gives a neutral impression.",
)
BLENDED = (
    "The expression is perceived as a mix of {noun} and {second}.",
    "The face seems to combine {noun} with {second}.",
    "Both {noun} and {second} can be perceived in this face.",
    "This is {degree} blend of {noun} and {second}.",
    "The expression would be read as {noun} mixed with {second}.",
)
DEGREES = {
    None: ("a barely perceptible",),
    "A": ("a barely perceptible",),
    "B": ("a faint", "a weak", "a subtle"),
    "C": ("a moderate", "a clear"),
    "D": ("a strong", "an intense"),
    "E": ("a very strong", "a very intense"),
}
STILL = (
    "No action unit is strong enough to be seen.",
    "The brows are level and the mouth is closed.",
    "The brows and the lips are at rest.",
    "The brows are relaxed, the lips are closed, and the cheeks are relaxed.",
    "No movement stands out in the brows, the eyes or the mouth.",
)
UNKNOWN = (
    "The {kind} does not tell why; it only shows the face.",
    "The cause cannot be known from the {kind}.",
    "What happened before lies outside the {kind}, so the reason remains open.",
    "A face alone does not reveal what the person thinks, so this is only how the face is perceived.",
    "That cannot be read from a face with certainty.",
)
BECAUSE = (
    "What can be said is that {cues}, and such a face is usually perceived as {adjective}.",
    "The impression of {noun} comes from the fact that {cues}.",
    "Here {cues}, which viewers tend to read as {noun}.",
    "It is perceived as {noun} because {cues}.",
)
# Units that are not there, and the emotion that each would rather speak for.
RIVALS: dict[str, tuple[tuple[str, str], ...]] = {
    "happiness": (("AU4", "anger"), ("AU15", "sadness"), ("AU9", "disgust"), ("AU1", "fear")),
    "surprise": (("AU4", "fear"), ("AU20", "fear"), ("AU12", "happiness"), ("AU9", "disgust")),
    "fear": (("AU12", "happiness"), ("AU9", "disgust"), ("AU23", "anger"), ("AU15", "sadness")),
    "anger": (("AU1", "fear"), ("AU9", "disgust"), ("AU15", "sadness"), ("AU20", "fear"), ("AU12", "happiness")),
    "disgust": (("AU5", "anger"), ("AU23", "anger"), ("AU1", "fear"), ("AU12", "happiness")),
    "sadness": (("AU12", "happiness"), ("AU5", "fear"), ("AU9", "disgust"), ("AU20", "fear")),
    "contempt": (("AU6", "happiness"), ("AU9", "disgust"), ("AU4", "anger"), ("AU15", "sadness")),
    "neutral": (("AU12", "happiness"), ("AU4", "anger"), ("AU15", "sadness"), ("AU5", "surprise"), ("AU9", "disgust")),
}
APEX = ("At the apex, ", "At the peak of the movement, ", "In the strongest frame, ", "After the onset, at the apex, ")
OFFSET = (
    "Towards the offset the movement fades.",
    "After that the face returns to where it began.",
    "From onset to apex the movement grows, and then it fades.",
)


class _Speaker:
    """Writes the turns about one face; every choice of words is drawn from `rng`.

    The order is not: the expression first, then the units from the brows down, as FACS counts them. A small model that
    must also guess an order learns neither (MODEL_CARD.md).
    """

    def __init__(self, truth: FaceTruth, rng: random.Random, kind: str) -> None:
        self.truth, self.rng, self.kind = truth, rng, kind
        sides = by_side(truth.action_units)
        self.moving = {unit for (unit, _), value in sides.items() if value > 0}
        self.seen: list[tuple[str, float]] = []  # (code, intensity) of what is visible, in the order of FACS
        for unit in ACTION_UNITS:
            left, right = (sides.get((unit, side), 0.0) for side in ("left", "right"))
            if min(left, right) >= VISIBLE_FROM:
                self.seen.append((unit, (left + right) / 2))
            elif max(left, right) >= VISIBLE_FROM:
                self.seen.append((("L" if left > right else "R") + unit.removeprefix("AU"), max(left, right)))
        self.notation = rng.choice(NOTATIONS)
        strongest = max((value for _, value in self.seen), default=0.0)
        self.words = {
            "kind": kind,
            "noun": "a neutral face" if truth.label == "neutral" else truth.label,
            "adjective": "neutral" if truth.label == "neutral" else SYNONYMS[truth.label][0],
            "second": truth.second,
            "degree": rng.choice(DEGREES[intensity_letter(strongest)]),
        }

    def shows(self) -> Turn:
        """What the face shows: the emotion it is perceived as, and every visible unit."""
        cues = self.describe()
        if self.kind == "video":
            cues = [self.rng.choice(APEX) + cues[0][0].lower() + cues[0][1:], *cues[1:], self.rng.choice(OFFSET)]
        if self.rng.random() < 0.5:
            cues += self._pose()
        return self._turn(SHOWS, [self._named(), *cues])

    def units(self) -> Turn:
        """The visible units as a FACS coder lists them."""
        if not self.seen:
            return self._turn(UNITS, [STILL[0], self._named()])
        notes = []
        style = self.rng.choice(
            ("{code} ({name}, {word})", "{code}{letter}", "{code} at level {letter}", "{code} ({word})")
        )
        for code, value in self.seen:
            name = ACTION_UNITS[split_code(code)[0]].name.lower()
            notes.append(style.format(code=code, name=name, **_strength(value)))
        opening = self.rng.choice(
            ("Active are {}.", "In FACS terms this is {}.", "A coder would note {}.", "I see {}.")
        )
        sentences = [opening.format(_join(notes))] + ([self._named()] if self.rng.random() < 0.5 else [])
        return self._turn(UNITS, sentences)

    def absent(self) -> Turn:
        """What the face does not do, and which other emotion that sets it apart from."""
        truth = self.truth
        rivals = [item for item in RIVALS[truth.label] if item[0] not in self.moving and item[1] != truth.second]
        sentences = []
        for unit, rival in self.rng.sample(rivals, min(len(rivals), self.rng.randint(1, 2))):
            ending = self.rng.choice(
                (", which suggests {noun} rather than {rival}.", ", so {noun} fits better than {rival}.", ".", ".")
            )
            sentences.append(_sentence(self._denial(unit) + ending.format(rival=rival, **self.words)))
        seen = {code for code, _ in self.seen}
        if "AU12" in seen and "AU6" not in self.moving:
            sentences.append(_sentence(f"{self._denial('AU6')}, so this is not a Duchenne smile."))
        elif {"AU6", "AU12"} <= seen:
            sentences.append("The cheeks rise with the lip corners, as in a Duchenne smile.")
        sentences += [
            _sentence(f"{self._denial(other)}, so the movement is one-sided.")
            for code, other in (("L14", "R14"), ("R14", "L14"))
            if code in seen and other not in truth.action_units
        ]
        return self._turn(ABSENT, [self._named(), *sentences])

    def why(self) -> Turn:
        """What cannot be known, and which cues make the impression."""
        unknown = self.rng.choice(UNKNOWN).format(**self.words)
        labels = filter(None, (self.truth.label, self.truth.second))
        typical = {split_code(code)[0] for label in labels for variant in PROTOTYPES[label] for code in variant}
        telling = [item for item in self.seen if split_code(item[0])[0] in typical]
        telling = sorted(telling, key=lambda item: -item[1])[: self.rng.randint(1, 2)]
        if not telling:
            return self._turn(WHY, [unknown, *self.describe(), self._named()])
        cues = _join([self._clause(code, value) for code, value in telling])
        return self._turn(WHY, [unknown, self.rng.choice(BECAUSE).format(cues=cues, **self.words)])

    def _turn(self, questions: tuple[str, ...], sentences: list[str]) -> Turn:
        return Turn(self.rng.choice(questions).format(**self.words), " ".join(sentences))

    def _named(self) -> str:
        choices = BLENDED if self.truth.second else UNMOVED if self.truth.label == "neutral" else NAMED
        return self.rng.choice(choices).format(**self.words)

    def describe(self) -> list[str]:
        """Sentences that name every visible unit, the upper face and the lower face apart."""
        if not self.seen:
            return [self.rng.choice(STILL)]
        upper = REGIONS[:2]
        groups = [
            [item for item in self.seen if (ACTION_UNITS[split_code(item[0])[0]].region in upper) is wanted]
            for wanted in (True, False)
        ]
        sentences = []
        for group in groups:
            clauses = [self._clause(code, value) for code, value in group]
            while clauses:
                several = self.rng.randint(2, 3)
                some, clauses = clauses[:several], clauses[several:]
                sentences.append(_sentence(_join(some, self.rng.choice(("and", "and", "while"))) + "."))
        return sentences

    def _clause(self, code: str, value: float) -> str:
        """ "the lip corners are strongly pulled up (AU12D)"."""
        who, what, after = self._phrase(code)
        strength = _strength(value)
        adverb = "" if "word" in self.notation else self.rng.choice(("", *ADVERBS[strength["letter"]]))
        note = self.notation.format(code=code, **strength)
        return " ".join(filter(None, (who, adverb, what + after))) + note

    def _denial(self, code: str) -> str:
        who, what, after = self._phrase(code)
        name = ACTION_UNITS[split_code(code)[0]].name.lower()
        forms = (
            f"{who} not {what}{after}",
            f"there is no sign of {code}, the {name}",
            f"the {name} ({code}) is absent",
        )
        return self.rng.choice(forms)

    def _phrase(self, code: str) -> tuple[str, str, str]:
        """("the lip corners are", "pulled up", "") or, of one side, ("the person's left lip corner is", ..., "")."""
        unit, side = split_code(code)
        phrases = ACTION_UNITS[unit].phrases
        others = {who for other in self.moving - {unit} for who, _ in ACTION_UNITS[other].phrases}
        # two units that move the same part are told apart where they can be: raised upper lids, tensed lower lids
        who, what = self.rng.choice([phrase for phrase in phrases if phrase[0] not in others] or phrases)
        head, of, rest = who.partition(" of ")
        plural = head.endswith("s")
        if not side:
            return f"the {who} {'are' if plural else 'is'}", what, ""
        if plural and head[:-1].split()[-1] in PAIRED:
            return f"the person's {side} {head[:-1]}{of}{rest} is", what, ""
        return f"the {who} {'are' if plural else 'is'}", what, f" on the person's {side} side"

    def _pose(self) -> list[str]:
        """Where the head is turned to, as the viewer sees it; nothing when it looks at the camera."""
        yaw, pitch = self.truth.yaw, self.truth.pitch
        turns = []
        if abs(yaw) >= 10:
            turns.append(f"turned {_far(yaw)}to the viewer's {'right' if yaw > 0 else 'left'}")
        if abs(pitch) >= 10:
            turns.append(f"tilted {_far(pitch)}{'up' if pitch > 0 else 'down'}")
        return [f"The head is {' and '.join(turns)}."] if turns else []


def _far(angle: float) -> str:
    return "far " if abs(angle) >= 30 else "slightly " if abs(angle) < 20 else ""


def _strength(value: float) -> dict[str, str]:
    return {"letter": intensity_letter(value) or "", "word": intensity_word(value) or ""}


def _join(parts: list[str], last: str = "and") -> str:
    """ "A", "A and B" or "A while B", "A, B, and C"."""
    if len(parts) < 3:
        return f" {last} ".join(parts)
    return f"{', '.join(parts[:-1])}, and {parts[-1]}"


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]
