"""Scores and reports -> figures: honest scales, exact intervals, no ground, and colours that all eyes tell apart."""

import json

import numpy as np
import plotly.graph_objects as go
import pytest

from emo_toolkit.evaluation import by_group, evaluate, join_folds
from emo_toolkit.labels import LABELS
from emo_toolkit.plots import COLOURS, class_bars, confusion_matrix, fold_dots, group_forest, label_bars, to_html
from emo_toolkit.plots.scores import MEASURES
from emo_toolkit.plots.style import INK, OTHER
from emo_toolkit.schema import EvalReport, FoldsReport, GroupReport

SCORES = {"neutral": 0.2, "happiness": 0.7, "fear": 0.1}
PAGES = ("#ffffff", "#f8fafc", "#0b0f19", "#1e293b")  # grounds of the page, light and dark
# Machado, Oliveira, Fernandes (2009), severity 1: linear RGB as seen without one kind of cone.
EYES = {
    "all cones": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def report(fold: int | None = None, *, silent: int = 0) -> EvalReport:
    """Four of the seven labels of DFEW, with some answers that name none."""
    rng = np.random.default_rng(fold or 0)
    truth = rng.choice(LABELS["dfew"][:4], 80).tolist()
    said = [label if rng.random() < 0.6 else str(rng.choice(LABELS["dfew"])) for label in truth]
    said[:silent] = [None] * silent
    return evaluate(truth, said, labels=LABELS["dfew"], dataset="dfew", split="test", fold=fold)


def groups(origin: str = "exact") -> GroupReport:
    rng = np.random.default_rng(0)
    rows = [
        {"truth": "fear", "label": "fear" if rng.random() < 0.7 else None, "groups": {"age": name}}
        for name in ("3-9", "20-29", "70+")
        for _ in range(30)
    ]
    return by_group(rows, "age", origin=origin)


def folds() -> FoldsReport:
    return join_folds([report(number) for number in (1, 2, 3, 4, 5)])


def linear(colour: str) -> np.ndarray:
    values = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """WCAG contrast ratio."""
    low, high = sorted(float(linear(colour) @ [0.2126, 0.7152, 0.0722]) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIE L*a*b* (D65) of linear RGB."""
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    share = to_xyz @ np.clip(rgb, 0, 1) / to_xyz.sum(1)
    x, y, z = np.where(share > 0.008856, np.cbrt(share), 7.787 * share + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_bars_hold_the_scores_likeliest_on_top() -> None:
    bar = label_bars(SCORES).data[0]
    assert dict(zip(bar.y, bar.x, strict=True)) == SCORES
    assert list(bar.x) == sorted(bar.x, reverse=True)
    assert label_bars(SCORES).layout.yaxis.autorange == "reversed"  # plotly draws upwards
    assert bar.marker.color[0] == COLOURS["happiness"]


@pytest.mark.parametrize("top", [0.02, 1.0])
def test_the_scale_never_stretches(top: float) -> None:
    low, high = label_bars({"fear": top, "anger": 0.01}).layout.xaxis.range
    assert low == 0 and high > 1


def test_title_says_what_is_seen() -> None:
    title = label_bars(SCORES).layout.title.text.lower()
    assert "perceived expression" in title and "likelihood" in title and "emotion" not in title


def test_nothing_to_draw_is_an_error() -> None:
    with pytest.raises(ValueError, match="no scores"):
        label_bars({})


def test_synonyms_share_a_colour_and_other_words_are_grey() -> None:
    figure = label_bars({"joy": 0.5, "happiness": 0.3, "a wink": 0.2})
    assert figure.data[0].marker.color == (COLOURS["happiness"], COLOURS["happiness"], OTHER)


def test_the_figure_is_small_plain_json_on_no_ground() -> None:
    text = label_bars(dict.fromkeys(LABELS["mafw"], 1 / 11)).to_json()
    figure = json.loads(text)
    assert len(text) < 8000 and "bdata" not in text  # no template of plotly's, no packed arrays
    assert all(figure["layout"][ground].endswith(" 0)") for ground in ("paper_bgcolor", "plot_bgcolor"))
    assert go.Figure(figure).data[0].orientation == "h"


def test_every_label_of_every_set_has_a_colour_of_its_own() -> None:
    assert set(COLOURS) == {label for labels in LABELS.values() for label in labels}
    assert len(set(COLOURS.values())) == len(COLOURS)


@pytest.mark.parametrize("page", PAGES)
def test_words_and_bars_stand_out_from_light_and_dark_pages(page: str) -> None:
    assert contrast(INK, page) >= 3.5
    assert min(contrast(colour, page) for colour in COLOURS.values()) >= 1.9


@pytest.mark.parametrize("eyes", EYES)
def test_the_eight_expressions_look_different_to(eyes: str) -> None:
    seen = [lab(np.array(EYES[eyes]) @ linear(COLOURS[label])) for label in LABELS["ferplus"]]
    gaps = [np.linalg.norm(one - other) for place, one in enumerate(seen) for other in seen[:place]]
    assert min(gaps) > 24


def test_a_map_of_shares_holds_every_answer() -> None:
    made = report(silent=9)
    heat = confusion_matrix(made).data[0]
    shares = np.array(heat.z)
    assert list(heat.y) == list(LABELS["dfew"][:4]) and list(heat.x) == [*LABELS["dfew"], "no label"]
    assert shares.sum(1) == pytest.approx(np.ones(4))
    assert [shares[place][place] for place in range(4)] == pytest.approx(list(made.recalls.values()))
    counts = np.array(heat.customdata)[..., 0]
    assert (counts[:, :-1] == made.confusion[:4]).all() and counts.sum() == 80 and counts[:, -1].sum() == 9


def test_maps_share_one_scale_whatever_they_hold() -> None:
    maps = [confusion_matrix(made).data[0] for made in (report(), report(1), report(silent=80))]
    assert {(heat.zmin, heat.zmax) for heat in maps} == {(0, 1)}
    assert len({str(heat.colorscale) for heat in maps}) == 1
    assert list(maps[0].x) == list(LABELS["dfew"])  # no column for what did not happen


def test_whiskers_end_at_the_interval() -> None:
    made = report()
    for bars, name in zip(class_bars(made).data, ("recall", "precision", "f1"), strict=True):
        for at, each in enumerate(made.classes.values()):
            low, high = getattr(each, f"{name}_interval")
            assert bars.x[at] == getattr(each, name) and bars.x[at] + bars.error_x.array[at] == pytest.approx(high)
            assert bars.x[at] - bars.error_x.arrayminus[at] == pytest.approx(low)
    assert [bars.name for bars in class_bars(made).data] == ["recall", "precision", "F1"]


def test_a_forest_has_a_line_for_each_group() -> None:
    made = groups()
    war, uar = group_forest(made).data
    assert list(war.y) == list(uar.y) == ["3-9 (30)", "20-29 (30)", "70+ (30)"]
    assert list(war.x) == [group.war for group in made.groups]
    assert war.marker.symbol != uar.marker.symbol
    assert "estimated" not in group_forest(made).layout.title.text
    assert "estimated" in group_forest(groups("estimated")).layout.title.text


def test_folds_with_their_means() -> None:
    made = folds()
    figure = fold_dots(made)
    assert list(figure.data[1].x) == [each.uar for each in made.reports]
    assert sorted(line.x0 for line in figure.layout.shapes) == pytest.approx(sorted([made.war, made.uar]))


def test_scores_are_drawn_on_the_whole_scale() -> None:
    for figure in (class_bars(report()), group_forest(groups()), fold_dots(folds())):
        low, high = figure.layout.xaxis.range
        assert low <= 0 and high >= 1 and figure.layout.yaxis.autorange == "reversed"


def test_figures_of_reports_look_like_the_others() -> None:
    for figure in (confusion_matrix(report()), class_bars(report()), group_forest(groups()), fold_dots(folds())):
        assert figure.layout.paper_bgcolor.endswith(" 0)") and figure.layout.font.color == INK
        assert figure.layout.title.text and len(figure.to_json()) < 12_000


@pytest.mark.parametrize("eyes", EYES)
@pytest.mark.parametrize("together", [("war", "uar"), ("recall", "precision", "f1")])
def test_measures_look_different_to(eyes: str, together: tuple[str, ...]) -> None:
    seen = [lab(np.array(EYES[eyes]) @ linear(MEASURES[name][1])) for name in together]
    assert min(np.linalg.norm(one - other) for place, one in enumerate(seen) for other in seen[:place]) > 24


def test_one_page_carries_the_library_once_and_asks_for_nothing() -> None:
    pieces = to_html([class_bars(report()), confusion_matrix(report())])
    assert len(pieces[0]) > 1_000_000 > 50_000 > len(pieces[1])
    assert "src=" not in pieces[1] and not any("<script src" in piece or 'src="http' in piece for piece in pieces)
