"""A text about a rendered face x its exact truth -> how much of the text is right, without a judge."""

from dataclasses import dataclass

from ..schema import FaceTruth
from .action_units import VISIBLE_FROM, by_side
from .claims import read_claims, read_labels


@dataclass(frozen=True)
class TextScore:
    """What a text claims, and how that agrees with the truth.

    `precision` is the share of claimed units that are there (1.0 where nothing is claimed, as nothing is wrong),
    `recall` the share of visible units that are claimed (1.0 where there are none), `f1` their harmonic mean.
    `contradictions` are the units denied although they are visible, and those both claimed and denied.
    """

    present: tuple[str, ...]
    absent: tuple[str, ...]
    precision: float
    recall: float
    f1: float
    label: str | None
    label_agrees: bool
    contradictions: tuple[str, ...]


def score_text(text: str | None, truth: FaceTruth) -> TextScore:
    """Scores any English text about a face: one answer, or a whole conversation joined.

    A unit is visible from VISIBLE_FROM (FACS level B) on. A claim without a side is right if either side moves; a
    claim of one side ("left lip corner", "L12") if that side moves, alone or with the other. Words that leave the unit
    open ("the mouth is open") count as the unit that is there. The label is the first emotion that the text names and
    does not deny, by the synonyms of labels.py; of a compound expression either label agrees.
    """
    visible = _visible(truth)
    claims = read_claims(text)
    present = {
        next((code for code in claim.codes if code in visible), claim.codes[0]) for claim in claims if claim.present
    }
    absent = {code for claim in claims if not claim.present for code in claim.codes}
    right = present & visible
    wanted = {code for code in visible if code.startswith("AU")}
    precision = len(right) / len(present) if present else 1.0
    recall = len(wanted & {_unit(code) for code in right}) / len(wanted) if wanted else 1.0
    label = next(iter(read_labels(text)), None)
    return TextScore(
        present=_in_order(present),
        absent=_in_order(absent),
        precision=precision,
        recall=recall,
        f1=2 * precision * recall / (precision + recall) if precision + recall else 0.0,
        label=label,
        label_agrees=label is not None and label in (truth.label, truth.second),
        contradictions=_in_order(absent & (visible | present)),
    )


def _visible(truth: FaceTruth) -> set[str]:
    """The codes that are true to claim: AU12 where either side moves, L12 and R12 where that side does."""
    found = set()
    for (unit, side), value in by_side(truth.action_units).items():
        if value >= VISIBLE_FROM:
            found |= {unit, side[0].upper() + unit.removeprefix("AU")}
    return found


def _unit(code: str) -> str:
    return "AU" + code.lstrip("AULR")


def _in_order(codes: set[str]) -> tuple[str, ...]:
    return tuple(sorted(codes, key=lambda code: (int(code.lstrip("AULR")), code)))
