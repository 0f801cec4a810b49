"""Action units and the emotion that they stand for by convention."""

import pytest

from emo_toolkit.errors import EmoError
from emo_toolkit.synthetic import sample_expression
from emo_toolkit.synthetic.action_units import ACTION_UNITS, COMPOUNDS, PROTOTYPES, VISIBLE_FROM
from emo_toolkit.synthetic.convention import conventional


@pytest.mark.parametrize("factor", ["ordinary", "compound"])
def test_a_drawn_expression_is_named_as_it_was_drawn(factor: str) -> None:
    for seed in range(300):
        drawn = sample_expression(seed, factor=factor)
        label, second = conventional(drawn.action_units)
        assert {label, second} == {drawn.label, drawn.second}, seed


def test_every_prototype_is_its_own_and_keeps_its_name_when_it_is_weaker() -> None:
    for label, variants in PROTOTYPES.items():
        for units in variants:
            assert conventional(units) == (label, None)
            if min(units.values(), default=1) >= 2 * VISIBLE_FROM:
                assert conventional({code: value / 2 for code, value in units.items()}) == (label, None)
    for pair, variants in COMPOUNDS.items():
        assert all(set(conventional(units)) == set(pair) for units in variants)


def test_nothing_visible_is_neutral_and_most_single_units_have_no_name() -> None:
    assert conventional({}) == ("neutral", None)
    assert conventional({"AU12": VISIBLE_FROM - 0.01, "AU4": 0.1}) == ("neutral", None)
    named = {code for code in ACTION_UNITS if conventional({code: 0.9})}
    assert named == {"AU12"}  # a smile without the eyes is a variant of happiness; brows alone are not anger
    assert conventional({"AU1": 0.8, "AU9": 0.8, "AU12": 0.8, "AU15": 0.8}) is None


def test_a_side_counts() -> None:
    assert conventional({"L14": 0.8}) == ("contempt", None)
    assert conventional({"L14": 0.8, "R14": 0.8}) is conventional({"AU14": 0.8}) is None
    assert conventional({"L12": 0.8, "R12": 0.8}) == conventional({"AU12": 0.8})


def test_an_unknown_unit_is_refused() -> None:
    with pytest.raises(EmoError, match="AU99"):
        conventional({"AU99": 1.0})
