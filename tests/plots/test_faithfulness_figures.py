"""Faithfulness -> figures: the curves as they are, the verdict in the title, axes in percent."""

import numpy as np
import pytest

from emo_toolkit.explain.faithfulness import judge
from emo_toolkit.plots import faithfulness_curves, faithfulness_forest
from emo_toolkit.plots.style import INK
from emo_toolkit.schema import Faithfulness

SPOT = np.zeros((1, 8, 8), bool)
SPOT[0, 5:8, 0:3] = True


def found(weight: float = 6.0, seed: int = 0) -> Faithfulness:
    return judge(lambda masks: weight * (masks & SPOT).sum((1, 2, 3)) / 9 - 1, SPOT + 0.0, label="fear", seed=seed)


def test_curves_and_band_are_those_of_the_noun() -> None:
    made = found()
    figure = faithfulness_curves(made, name="eyes")
    band, centre, own, *_ = figure.data
    assert list(own.y) == made.saliency.deletion.tolist() and list(centre.y) == made.centre.deletion.tolist()
    assert max(band.y) == made.chance.deletion.max() and min(band.y) == made.chance.deletion.min()
    assert list(figure.data[5].y) == made.saliency.insertion.tolist()
    assert made.verdict in figure.layout.title.text and "eyes" in figure.layout.title.text


def test_both_panels_share_an_axis_in_percent() -> None:
    layout = faithfulness_curves(found()).layout
    assert layout.yaxis.range == layout.yaxis2.range and layout.yaxis.ticktext == layout.yaxis2.ticktext
    for place, words in zip(layout.yaxis.tickvals, layout.yaxis.ticktext, strict=True):
        assert 100 / (1 + np.exp(-place)) == pytest.approx(float(words.removesuffix(" %")), rel=1e-3)


@pytest.mark.parametrize("weight", [0.0, 1e-3, 40.0])
def test_flat_and_steep_curves_have_ticks(weight: float) -> None:
    layout = faithfulness_curves(found(weight)).layout
    assert len(layout.yaxis.tickvals) >= 2 and layout.yaxis.range[0] < layout.yaxis.range[1]


def test_maps_are_compared_on_one_axis_about_zero() -> None:
    made = {"true": found(), "flat": found(0.0)}
    figure = faithfulness_forest(made)
    chance, centre = figure.data
    assert list(chance.x) == [each.over_chance for each in made.values()] and list(chance.y) == ["true", "flat"]
    assert chance.x[0] - chance.error_x.arrayminus[0] == pytest.approx(made["true"].over_chance_interval[0])
    assert chance.marker.symbol != centre.marker.symbol
    low, high = figure.layout.xaxis.range
    assert low == -high and high > max(each.over_centre_interval[1] for each in made.values())
    assert "90%" in figure.layout.title.text
    with pytest.raises(ValueError, match="no map"):
        faithfulness_forest({})


def test_figures_look_like_the_house() -> None:
    for figure in (faithfulness_curves(found()), faithfulness_forest({"true": found()})):
        assert figure.layout.paper_bgcolor.endswith(" 0)") and figure.layout.font.color == INK
        assert len(figure.to_json()) < 20_000
