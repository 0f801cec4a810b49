"""What an explain command found -> its plotly figures, and its maps laid onto the source picture."""

from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from ..explain import maps
from ..explain.judging import ALL, JudgedMap
from ..explain.wording import VIEW_TITLES
from ..plots import (
    faithfulness_curves,
    faithfulness_forest,
    label_bars,
    map_overlays,
    peak_of,
    region_bars,
    timeline,
    word_regions,
    word_tokens,
)
from ..plots.maps import lit
from ..schema import FACE_REGIONS, FRAME_KINDS, FaceAttention
from .reports import Asked

MOST_FRAMES, MOST_WORDS = 4, 8  # drawn side by side
PHOTO_WIDEST, SHEET_WIDEST = 1280, 480  # px of a source picture alone, and of one among others
TOKEN_KINDS = (*FRAME_KINDS, "attributes", "question")


class Explained(NamedTuple):
    """All that one explain command found. `method` is as asked for, `shown` are the places of the drawn frames among
    those that the model read, `seconds` what it took."""

    asked: Asked
    seen: FaceAttention
    judged: list[JudgedMap]
    method: str
    shown: list[int]
    seconds: float

    @property
    def word_method(self) -> str:
        """The method of the figures that are made of words."""
        return "raw" if self.method == ALL else self.method

    def first(self, view: str) -> JudgedMap:
        """The map of a view that regions, words and times are made of."""
        return next(each for each in self.judged if each.view == view)


def most_looked_at(seen: FaceAttention, method: str) -> list[int]:
    """The frames with the most attention from the words, in the order of the clip."""
    weights = maps.timeline(seen, method=method).mean(0)
    return sorted(np.argsort(-weights, kind="stable")[:MOST_FRAMES].tolist())


def slug(each: JudgedMap) -> str:
    """Such as "map-word-raw", for file names."""
    return f"map-{each.view}-{each.method}".replace("_", "-")


def title_of(each: JudgedMap) -> str:
    """Such as "Where the landmarks looked (raw)"."""
    return f"{VIEW_TITLES[each.view]} ({each.method})"


def figures_of(found: Explained) -> dict[str, Any]:
    """Every figure by name, in the order of the page."""
    seen, method = found.seen, found.word_method
    figures = {"answer": label_bars(seen.scores)} if seen.scores else {}
    verdicts = {each.name: each.faithfulness for each in found.judged if each.faithfulness}
    if verdicts:
        figures["faithfulness"] = faithfulness_forest(verdicts)
    figures |= {slug(each): _overlay(found, each) for each in found.judged}
    own = found.first("word")
    values = own.values
    if own.faithfulness:
        figures["curves"] = faithfulness_curves(own.faithfulness, name=own.name)
    figures["regions"] = region_bars(
        _by_region(maps.region_values(seen, values)),
        title="Which parts of the face the words looked at",
        even=float(values.mean()),
    )
    figures["clue-regions"] = region_bars(
        _by_region(maps.region_clues(seen, method=found.first("local_clues").method)),
        title="Whose landmarks the local face token asked",
        note="mean weight of a landmark of the region",
        even=1 / sum(map(len, FACE_REGIONS.values())),
    )
    regions = maps.word_regions(seen, method=method).sum(1)
    words = [word or "(end)" for word in seen.words]
    figures["word-regions"] = word_regions(words, list(FACE_REGIONS), regions)
    shares = maps.shares(seen, method=method)
    figures["word-tokens"] = word_tokens(words, TOKEN_KINDS, np.stack([shares[kind] for kind in TOKEN_KINDS], 1))
    if len(words) > 1:
        figures["words"] = _each_word(found, words)
    if len(seen.crops) > 1:
        figures["timeline"] = timeline(seen.times, words, maps.timeline(seen, method=method))
    return figures


def source_overlay(found: Explained, each: JudgedMap) -> Image.Image:
    """A map on the source picture; of a clip, on the drawn frames side by side. One scale."""
    seen, reading = found.seen, found.asked.reading
    usable = [frame for frame, crop in zip(reading.media.frames, reading.crops, strict=True) if crop.status.usable]
    widest = PHOTO_WIDEST if len(found.shown) == 1 else SHEET_WIDEST
    peak, pictures = peak_of(each.values), []
    for place in found.shown:
        picture = usable[place].convert("RGB")
        values = maps.to_source(each.values[place], seen.crops[place], seen.size)
        picture.thumbnail((widest, widest), Image.Resampling.LANCZOS)
        pictures.append(lit(picture, values, peak))
    width, height = pictures[0].size
    columns = min(2, len(pictures))
    sheet = Image.new("RGB", (columns * width, -(-len(pictures) // columns) * height), "white")
    for number, picture in enumerate(pictures):
        sheet.paste(picture, (number % columns * width, number // columns * height))
    return sheet


def _overlay(found: Explained, each: JudgedMap) -> Any:
    seen, alone = found.seen, len(found.shown) == 1
    squares = _squares(each.values)
    return map_overlays(
        [seen.crops[place].image for place in found.shown],
        [squares[place] for place in found.shown],
        [f"{seen.times[place]:.2f} s" for place in found.shown] if len(seen.crops) > 1 else (),
        title=title_of(each),
        note="orange: the map; dots: landmarks" if alone else "orange: the map; one scale for all frames",
        peak=peak_of(each.values),
        points=[_points(seen, place) for place in found.shown] if alone else (),
    )


def _each_word(found: Explained, words: list[str]) -> Any:
    """The maps of the first words, on the frame that they looked at most."""
    seen = found.seen
    each = maps.word_maps(seen, method=found.word_method)[:MOST_WORDS]  # (W, F, P)
    frame = int(each.sum((0, 2)).argmax())
    many = [seen.crops[frame].image] * len(each)
    where = f", at {seen.times[frame]:.2f} s" if len(seen.crops) > 1 else ""
    return map_overlays(
        many, _squares(each[:, frame]), words[: len(each)], title=f"Each word alone ({found.word_method}){where}"
    )


def _squares(values: np.ndarray) -> np.ndarray:
    """(N, P) -> (N, side, side)."""
    side = round(values.shape[1] ** 0.5)
    return values.reshape(-1, side, side)


def _points(seen: FaceAttention, place: int) -> np.ndarray:
    """Landmarks in pixels of the crop."""
    return (seen.landmarks[place] + 1) / 2 * seen.crops[place].image.width - 0.5


def _by_region(values: np.ndarray) -> dict[str, float]:
    """(F, 9), the mean over frames."""
    return dict(zip(FACE_REGIONS, values.mean(0).tolist(), strict=True))
