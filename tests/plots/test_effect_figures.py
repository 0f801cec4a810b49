"""Effects -> figures: the noise floor is drawn in, what does not count has no colour, scales are even both ways."""

from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pytest

from emo_toolkit.plots import ablation_bars, effect_forest, effect_map, grid_map, twin_forest
from emo_toolkit.plots.effects import FLOOR_ROW, LESS, MORE, NOTHING
from emo_toolkit.plots.style import INK
from emo_toolkit.schema import AttributeEffects, PriorAblations, TwinEffects, TwinGroup

LABELS = ("neutral", "happiness", "fear")
VALUES = (("age", "0-2"), ("age", "70+"), ("gender", "male"), ("gender", "female"))
GRID = tuple((age, gender, None) for age in (None, "0-2", "70+") for gender in (None, "male", "female"))


@pytest.fixture
def effects() -> AttributeEffects:
    """One effect counts: being 70+ on fear. Another is as large, but not steady."""
    sizes = np.full((4, 3), 0.1)
    sizes[1, 2], sizes[2, 0] = 1.5, -1.5
    p = np.full((4, 3), 0.8)
    p[1, 2] = 0.01
    rng = np.random.default_rng(0)
    return AttributeEffects(
        labels=LABELS,
        grid=GRID,
        grid_scores=rng.dirichlet(np.ones(3), len(GRID)),
        values=VALUES,
        effects=sizes,
        intervals=np.stack([sizes - 0.2, sizes + 0.4], -1),
        marginals=sizes,
        p=p,
        p_holm=p,
        changes=("The picture is a picture.",),
        change_effects=np.array([[0.3, -0.2, 0.4]]),
        questions=("What?", "Which?"),
        question_effects=np.array([[0.1, 0.5, -0.1]]),
        units=4,
    )


def twins() -> TwinEffects:
    group = TwinGroup(
        "age", "70", 9, 1, 0.5, (0.4, 0.6), 0, (-0.1, 0.1), np.array([1.0, -1, 0.5]), np.ones((3, 2)) * 0.8
    )
    return TwinEffects(LABELS, 9, (group, replace(group, name="5")), 0.2, (0.1, 0.3))


def ablations() -> PriorAblations:
    sizes = np.array([[0.5, 0, 0], [-2.0, 0, 0], [np.nan] * 3])
    return PriorAblations(
        LABELS, ("landmarks", "face embedding", "sentence"), np.ones(3) / 3, np.ones((3, 3)) / 3, sizes
    )


def test_only_what_counts_has_a_colour_and_a_number(effects: AttributeEffects) -> None:
    figure = effect_map(effects)
    z, text = np.array(figure.data[0].z), figure.data[0].text
    assert z[1, 2] == 1.5 and np.count_nonzero(z) == 1 and text[1][2] == "+1.5"
    assert sum(bool(cell) for line in text for cell in line) == 1
    assert figure.data[0].y[-1] == FLOOR_ROW
    assert [note.text for note in figure.layout.annotations] == ["0.3", "0.5", "0.4"]
    assert "1 of 12" in figure.layout.title.text


def test_a_model_that_does_not_care_says_so(effects: AttributeEffects) -> None:
    figure = effect_map(replace(effects, effects=np.zeros((4, 3))))
    assert "no effect leaves the noise floor" in figure.layout.title.text and not np.any(figure.data[0].z)


def test_the_grid_is_grey_up_to_the_floor(effects: AttributeEffects) -> None:
    heat = grid_map(effects, "fear").data[0]
    odds = np.log(effects.grid_scores[:, 2] / (1 - effects.grid_scores[:, 2]))
    assert np.array(heat.z) == pytest.approx((odds - odds[0]).reshape(3, 3))
    assert list(heat.y) == ["not told", "0-2", "70+"] and list(heat.x) == ["not told", "male", "female"]
    grey = [heat.zmin + place * (heat.zmax - heat.zmin) for place, colour in heat.colorscale if colour == NOTHING]
    assert grey == pytest.approx([-effects.floor[2], effects.floor[2]])


def test_a_floor_above_everything_leaves_no_colour(effects: AttributeEffects) -> None:
    heat = grid_map(replace(effects, change_effects=np.full((1, 3), 50.0)), "fear", peak=3.0).data[0]
    assert {colour for _, colour in heat.colorscale} == {NOTHING}


def test_a_forest_has_its_floor_and_all_words(effects: AttributeEffects) -> None:
    figure = effect_forest(effects, "fear")
    band = next(shape for shape in figure.layout.shapes if shape.fillcolor == NOTHING)
    assert (band.x0, band.x1) == (-effects.floor[2], effects.floor[2])
    counts, others = figure.data
    assert list(counts.y) == ["age 70+"] and list(others.y) == ["age 0-2", "male", "female"]
    assert counts.x[0] + counts.error_x.array[0] == pytest.approx(1.9)
    assert counts.x[0] - counts.error_x.arrayminus[0] == pytest.approx(1.3)
    assert list(figure.layout.yaxis.categoryarray) == ["age 0-2", "age 70+", "male", "female"]


def test_priors_speak_for_or_against() -> None:
    (bars,) = ablation_bars(ablations(), "neutral").data
    assert list(bars.x) == [0.5, -2.0, 0.0] and bars.text[2] == "not told"
    assert bars.marker.color[:2] == (MORE, LESS)


def test_scales_are_even_both_ways_and_can_be_shared(effects: AttributeEffects) -> None:
    def axes(peak: float | None) -> list[tuple[float, float]]:
        forests = (effect_forest(effects, "fear", peak=peak), ablation_bars(ablations(), "neutral", peak=peak))
        maps = (effect_map(effects, peak=peak), grid_map(effects, "fear", peak=peak))
        lines = [*forests, twin_forest(twins(), "fear", peak=peak)]
        return [figure.layout.xaxis.range for figure in lines] + [(m.data[0].zmin, m.data[0].zmax) for m in maps]

    assert all(low == -high for low, high in axes(None))
    assert len({high for _, high in axes(9.0)[:3]}) == len({high for _, high in axes(9.0)[3:]}) == 1


def test_what_is_not_there_is_an_error(effects: AttributeEffects) -> None:
    with pytest.raises(ValueError, match="'joy' is not a label"):
        effect_forest(effects, "joy")
    with pytest.raises(ValueError, match="grid=True"):
        grid_map(replace(effects, grid=(), grid_scores=np.empty((0, 3))), "fear")


def test_figures_look_like_the_house(effects: AttributeEffects) -> None:
    figures: list[go.Figure] = [effect_map(effects), grid_map(effects, "fear"), effect_forest(effects, "fear")]
    for figure in [*figures, ablation_bars(ablations(), "fear"), twin_forest(twins(), "fear")]:
        assert figure.layout.paper_bgcolor.endswith(" 0)") and figure.layout.font.color == INK
        assert figure.layout.title.text and len(figure.to_json()) < 12_000
