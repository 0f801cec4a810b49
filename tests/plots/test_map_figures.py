"""Maps -> figures: what is lit is where the map is, one scale for all, words in reading order."""

import base64
import io

import numpy as np
import plotly.graph_objects as go
import pytest
from PIL import Image

from emo_toolkit.plots import map_overlays, peak_of, region_bars, timeline, word_heat, word_regions, word_tokens
from emo_toolkit.plots.maps import LIT, lit
from emo_toolkit.plots.style import INK
from emo_toolkit.schema import FACE_REGIONS

GREY = Image.new("RGB", (64, 64), (120, 120, 120))
SPOT = np.zeros((8, 8))
SPOT[1, 6] = 2.0
WORDS = ["a", "wide", "smile", "a"]


def drawn(figure: go.Figure) -> list[np.ndarray]:
    """The pictures of a figure, as (h, w, 3) pixels."""
    sources = [trace.source.split(",")[1] for trace in figure.data if trace.type == "image"]
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(source))), float) for source in sources]


def test_light_falls_where_the_map_is() -> None:
    pixels = np.asarray(lit(GREY, SPOT, 2.0), float)
    colour = np.ptp(pixels, axis=2)
    row, column = np.unravel_index(colour.argmax(), colour.shape)
    assert (row // 8, column // 8) == (1, 6)
    assert (pixels[40:, :32] == 120).all()  # nothing there: the picture, in grey


def test_colours_of_the_picture_do_not_look_like_a_map() -> None:
    orange = Image.new("RGB", (64, 64), LIT)
    assert (np.ptp(np.asarray(lit(orange, np.zeros((8, 8)), 1.0)), axis=2) == 0).all()


def test_twice_the_value_is_twice_the_colour() -> None:
    one, two = (float(np.ptp(np.asarray(lit(GREY, np.full((4, 4), part), 1.0), float)[0, 0])) for part in (0.4, 0.8))
    assert two == pytest.approx(2 * one, abs=2)


def test_below_zero_is_nothing_and_over_the_peak_is_the_peak() -> None:
    assert (np.asarray(lit(GREY, -SPOT, 1.0)) == 120).all()
    full = [np.asarray(lit(GREY, np.full((2, 2), value), 1.0)) for value in (1.0, 9.0)]
    assert (full[0] == full[1]).all()


def test_pictures_share_one_scale() -> None:
    strong, weak = drawn(map_overlays([GREY, GREY], [SPOT, SPOT / 2], ["one", "two"]))
    assert np.ptp(strong, axis=2).max() > 1.6 * np.ptp(weak, axis=2).max()
    assert peak_of([SPOT, SPOT / 2]) == 2 and peak_of([np.zeros((2, 2))]) == 1


def test_a_source_picture_and_its_dots_are_shrunk_together() -> None:
    picture, values = Image.new("RGB", (960, 640)), np.zeros((640, 960))
    figure = map_overlays([picture], [values], points=[np.array([[0, 0], [959, 639]])])
    assert drawn(figure)[0].shape == (320, 480, 3)
    dots = figure.data[1]
    assert dots.x == pytest.approx((-0.25, 479.25)) and dots.y == pytest.approx((-0.25, 319.25))


def test_sixteen_frames_have_sixteen_places_and_names() -> None:
    names = [f"{second} s" for second in range(16)]
    figure = map_overlays([GREY] * 16, [SPOT] * 16, names)
    assert len(drawn(figure)) == 16 and [note.text for note in figure.layout.annotations] == names
    assert len({(trace.xaxis, trace.yaxis) for trace in figure.data if trace.type == "image"}) == 16


@pytest.mark.parametrize(
    ("pictures", "maps", "names"), [([], [], []), ([GREY], [], []), ([GREY], [SPOT, SPOT], []), ([GREY], [SPOT], "ab")]
)
def test_what_does_not_match_is_an_error(pictures: list, maps: list, names: list) -> None:
    with pytest.raises(ValueError, match="pictures|no map"):
        map_overlays(pictures, maps, names)


def test_regions_keep_their_order_and_the_even_line() -> None:
    values = dict(zip(FACE_REGIONS, np.linspace(0.1, 0.9, 9), strict=True))
    figure = region_bars(values, even=0.3)
    assert list(figure.data[0].y) == list(FACE_REGIONS) and list(figure.data[0].x) == pytest.approx(
        list(values.values())
    )
    assert figure.layout.shapes[0].x0 == 0.3
    assert region_bars(values, peak=3).layout.xaxis.range == region_bars({"jaw": 1.0}, peak=3).layout.xaxis.range
    assert region_bars({"jaw": 0.0}).layout.xaxis.range[1] > 0


def test_words_stand_in_reading_order_even_when_they_repeat() -> None:
    values = np.arange(4 * 9).reshape(4, 9) / 36
    figure = word_regions(WORDS, list(FACE_REGIONS), values)
    (heat,) = figure.data
    assert np.array(heat.z) == pytest.approx(values) and heat.zmin == 0 and heat.zmax == pytest.approx(35 / 36)
    assert list(figure.layout.yaxis.ticktext) == WORDS and figure.layout.yaxis.autorange == "reversed"
    assert word_regions(WORDS, list(FACE_REGIONS), values, peak=5.0).data[0].zmax == 5


def test_shares_are_written_in_their_cells() -> None:
    figure = word_tokens(["smile"], ["context", "face_global"], np.array([[0.25, 0.001]]))
    assert [list(line) for line in figure.data[0].text] == [["25", ""]]
    assert list(figure.data[0].x) == ["context", "face, global"]


def test_frames_of_one_tenth_of_a_second_stay_apart() -> None:
    heat = timeline([0.0, 0.51, 0.54, 2.0], ["smile"], np.ones((1, 4))).data[0]
    assert list(heat.x) == ["0.0 s", "0.51 s", "0.54 s", "2.0 s"]


def test_values_that_do_not_fit_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"\(1, 3\) for 1 words and 2 columns"):
        word_heat(["smile"], ["a", "b"], np.ones((1, 3)), title="")
    with pytest.raises(ValueError, match="0 words"):
        word_heat([], ["a", "b"], np.ones((0, 2)), title="")


def test_figures_look_like_the_house() -> None:
    for figure in (
        map_overlays([GREY] * 2, [SPOT] * 2),
        region_bars({"jaw": 1.0}),
        word_regions(WORDS, ["jaw"], np.ones((4, 1))),
        timeline([0, 1], WORDS, np.ones((4, 2))),
    ):
        assert figure.layout.paper_bgcolor.endswith(" 0)") and figure.layout.font.color == INK
        assert figure.layout.title.text and len(figure.to_json()) < 12_000
