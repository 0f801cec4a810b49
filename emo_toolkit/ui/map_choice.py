"""Controls of Look inside, as late or as wild as they come -> a Choice that the look has -> its map (F, P)."""

from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np

from ..explain import maps
from ..explain.wording import VIEW_TITLES
from ..labels import LABELS, parse_label
from ..schema import FACE_REGIONS, FaceAttention

ALL = "all"
VIEWS = list(VIEW_TITLES)


class Choice(NamedTuple):
    """What to look at, in the order of the controls. Layer and head 0 are the mean over all; frames count from 1."""

    view: str = VIEWS[0]
    part: str = ALL
    method: str = "raw"
    frame: int = 1
    layer: int = 0
    head: int = 0

    def within(self, seen: FaceAttention) -> "Choice":
        """The same as far as this look has it, else the whole: controls may be late, and programs send anything."""
        view = among(VIEWS, self.view)
        method = among(maps.methods(seen, view), self.method)
        layers, heads = maps.depth(seen, view) if method == "raw" and view != "global" else (0, 0)
        return Choice(
            view,
            among([value for _, value in parts_of(seen, view)], self.part),
            method,
            _whole(self.frame, 1, len(seen.crops)),
            _whole(self.layer, 0, layers),
            _whole(self.head, 0, heads),
        )

    @property
    def word(self) -> int | None:
        """The place of the chosen word, or None for all of them."""
        return int(self.part) if self.view == "word" and self.part != ALL else None

    def narrow(self, seen: FaceAttention) -> FaceAttention:
        """The look with the chosen layer and head alone."""
        layer, head = (each - 1 if each else None for each in (self.layer, self.head))
        return maps.narrowed(seen, self.view, layer=layer, head=head)

    def draw(self, seen: FaceAttention) -> np.ndarray:
        """(F, P), over all frames."""
        look = self.narrow(seen)
        if self.view == "local":
            return maps.local_map(look, method=self.method, landmarks=FACE_REGIONS.get(self.part))
        return maps.patch_map(look, self.view, method=self.method, word=self.word)


def parts_of(seen: FaceAttention, view: str) -> list[tuple[str, str]]:
    """What a view can be narrowed to, as (shown, value): words of the answer, or landmarks of a region."""
    if view == "word":
        words = [(word or "(end)", str(at)) for at, word in enumerate(seen.words)]
        return [("all words", ALL), *words] if len(words) > 1 else words
    return [("all of them", ALL), *((name, name) for name in FACE_REGIONS)] if view == "local" else [("all", ALL)]


def first_choice(seen: FaceAttention, view: str) -> Choice:
    """Opens on the first word that names the label, and on the frame that was looked at most."""
    labels = (seen.label,) if seen.label else LABELS["manifest"]
    named = (str(at) for at, word in enumerate(seen.words) if parse_label(word, labels))
    choice = Choice(view, next(named, ALL) if view == "word" else ALL).within(seen)
    return choice._replace(frame=int(choice.draw(seen).sum(1).argmax()) + 1)


def key_of(seen: FaceAttention, values: np.ndarray) -> str:
    """Names a map of a face: a verdict belongs to it, whichever controls led there."""
    face = repr((seen.prompt, seen.text, seen.scores)).encode()
    return blake2b(values.tobytes() + face, digest_size=16).hexdigest()


def among(known: list[str] | tuple[str, ...], wanted: Any) -> str:
    """What is wanted if it is known, else the first."""
    return wanted if wanted in list(known) else known[0]


def _whole(wanted: Any, low: int, high: int) -> int:
    return int(wanted) if isinstance(wanted, int | float) and low <= wanted <= high else low
