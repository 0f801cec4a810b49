"""Counterfactual twins: one FaceSpec -> a grid of specs that differ in one known thing and in nothing else.

Pose, light, background, seed and expression stay; age, gender or race changes, or a single action unit is switched.
"""

from collections.abc import Sequence
from dataclasses import replace

from ..errors import EmoError
from ..labels import GENDERS
from .action_units import split_code
from .sampler import sample_identity
from .specs import RENDERED_RACES, FaceSpec

AGES = (8.0, 25.0, 45.0, 70.0)  # years: a child, a young, a middle-aged and an old adult


def twin_grid(
    spec: FaceSpec,
    *,
    ages: Sequence[float] | None = None,
    genders: Sequence[str] | None = None,
    races: Sequence[str] | None = None,
) -> dict[tuple[float, str, str], FaceSpec]:
    """`spec` on every combination of the given ages (years), genders and races; what is not given stays as it is.

    With nothing given: `AGES` x both genders x `RENDERED_RACES`. Traits of the person that no attribute decides
    (proportions, glasses, wrinkle pattern, clothes) are drawn from the same chance, so they are kept; what was changed
    by hand is not, because every twin is drawn anew from the person's seed.

    Returns:
        {(age, gender, race): spec}, ages outermost.

    Raises:
        EmoError: for a gender or race that cannot be drawn, or an age outside 1 to 90.
    """
    person = spec.identity
    if ages is None and genders is None and races is None:
        ages, genders, races = AGES, GENDERS, RENDERED_RACES
    ages = (person.age,) if ages is None else ages
    genders = (person.gender,) if genders is None else genders
    races = (person.race,) if races is None else races
    return {
        (age, gender, race): replace(
            spec, identity=sample_identity(person.id, age=age, gender=gender, race=race, unseen=_unseen(spec))
        )
        for age in ages
        for gender in genders
        for race in races
    }


def switch_action_unit(spec: FaceSpec, code: str, intensity: float) -> FaceSpec:
    """The same person, pose and light with one action unit set to `intensity` (0 takes it away).

    Args:
        spec: the face to change.
        code: "AU12" for both sides, "L12" or "R12" for one. Setting both sides removes one-sided codes of the unit.
        intensity: 0..1.

    Raises:
        EmoError: for an unknown code or an intensity outside 0..1.
    """
    base, side = split_code(code)
    if not 0 <= intensity <= 1:
        raise EmoError(f"the intensity of {code} is {intensity}; it must lie in 0..1")
    units = dict(spec.expression.action_units)
    number = base.removeprefix("AU")
    if side is None:
        units = {name: value for name, value in units.items() if name not in (f"L{number}", f"R{number}")}
    elif base in units:  # both sides were set: keep the other one
        units |= {f"L{number}": (both := units.pop(base)), f"R{number}": both}
    units[code] = intensity
    units = {name: value for name, value in units.items() if value > 0}
    return replace(spec, expression=replace(spec.expression, action_units=units))


def _unseen(spec: FaceSpec) -> bool:
    return spec.factor == "unseen_look"
