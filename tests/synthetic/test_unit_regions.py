"""Which regions a unit moves: the table of the manual holds in what is drawn, sides are the person's own."""

from dataclasses import replace

import numpy as np
import pytest
from portraits import MAN, WOMAN, placed, portrait
from random_truths import truth_of

from emo_toolkit.schema import FACE_REGIONS
from emo_toolkit.synthetic.action_units import ACTION_UNITS
from emo_toolkit.synthetic.unit_regions import UNIT_REGIONS, moving_regions, regions_of

NAMES = list(FACE_REGIONS)


def test_every_unit_has_an_entry() -> None:
    assert UNIT_REGIONS.keys() == ACTION_UNITS.keys()
    assert {name for unit in UNIT_REGIONS for name in regions_of(unit, "left")} <= set(NAMES)


@pytest.mark.parametrize("unit", sorted(UNIT_REGIONS.keys() - {"AU21"}))
def test_the_renderer_moves_these_regions_most(renderer, unit: str) -> None:
    """Drawn at full strength, the landmarks of the table's regions move at least twice as far as the others."""
    moved = np.mean(
        [
            np.linalg.norm(placed(renderer, portrait(who, {unit: 1.0})) - placed(renderer, portrait(who)), axis=1)
            for who in (WOMAN, MAN)
        ],
        axis=0,
    )
    far = np.array([moved[points.start : points.stop].mean() for points in FACE_REGIONS.values()])
    told = np.isin(NAMES, [*regions_of(unit, "left"), *regions_of(unit, "right")])
    assert far[told].mean() > 2 * far[~told].mean()


def test_sides_are_the_persons_own_and_lips_have_none() -> None:
    assert moving_regions(truth_of("neutral", {"R4": 0.5})).tolist() == [name == "right brow" for name in NAMES]
    assert moving_regions(truth_of("neutral", {"L12": 0.5})).tolist() == [name.endswith("lips") for name in NAMES]


def test_traces_do_not_count_and_hidden_regions_are_not_judged() -> None:
    truth = truth_of("neutral", {"AU4": 0.1, "AU26": 0.9})
    hidden = truth.visible.copy()
    hidden[list(FACE_REGIONS["left eye"])] = False
    moving = dict(zip(NAMES, moving_regions(replace(truth, visible=hidden)), strict=True))
    assert {name for name, value in moving.items() if value == 1} == {"jaw", "outer lips", "inner lips"}
    assert {name for name, value in moving.items() if np.isnan(value)} == {"left eye"}
