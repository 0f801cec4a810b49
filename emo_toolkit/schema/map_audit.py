"""The nouns of an audit of maps: each kind of map over many pictures, beside what knows nothing of the picture."""

from dataclasses import dataclass

Bounds = tuple[float, float]


@dataclass(frozen=True)
class MapScore:
    """How well one kind of map points at the answer, over n pictures; log-odds, intervals 95 % over pictures.

    `area` is the mean `MaskingCurves.area`; `over_chance` what it is above that of the view's maps moved elsewhere on
    the same pictures, `over_centre` above that of a centre guess.
    """

    n: int
    area: float
    area_interval: Bounds
    over_chance: float
    over_chance_interval: Bounds
    over_centre: float
    over_centre_interval: Bounds
    level: float = 0.95


@dataclass(frozen=True)
class RegionScore:
    """Whether one kind of map is higher on the regions of a drawn face that move, over n faces; 0.5 is chance.

    `auc` is the mean over faces of the chance that a region which moves has a higher value than one which does not.
    `shuffled` is that of the maps of the other faces, which know the usual layout but not the face; `mean_map` that of
    the mean of their maps. Intervals are 95 %, over faces.
    """

    n: int
    auc: float
    auc_interval: Bounds
    shuffled: float
    over_shuffled: float
    over_shuffled_interval: Bounds
    mean_map: float
    over_mean_map: float
    over_mean_map_interval: Bounds


@dataclass(frozen=True)
class AlikeScore:
    """Mean rank correlation of one kind of map with that of the same model with shuffled weights, over n pictures."""

    n: int
    mean: float
    interval: Bounds


@dataclass(frozen=True)
class MapAudit:
    """What n pictures say of each kind of map, by its name such as "word gradient".

    `failed` pictures had no usable face or no readable file. `whole` is what hiding the whole face takes from the
    answer's log-odds, the most that any area can be; `centre` and `chance` are the areas of a centre guess and of all
    moved copies. `regions` is empty without drawn faces, `alike` without shuffled models.
    """

    n: int
    failed: int
    whole: float
    whole_interval: Bounds
    centre: float
    centre_interval: Bounds
    chance: float
    chance_interval: Bounds
    maps: dict[str, MapScore]
    regions: dict[str, RegionScore]
    alike: dict[str, AlikeScore]
