"""Drawn twins through the whole pipeline: one expression on other ages, genders and races, and how its reading moves.

FaceSpec -> twin grid -> pictures -> detector, analyser, model -> TwinReading of a person -> TwinEffects over persons.
"""

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from ..errors import EmoError
from ..labels import DEFAULT_OPTIONS
from ..pipeline import EmoPipeline
from ..schema import EmoPrompt, Media, TwinEffects, TwinGroup, TwinReading
from ..statistics import log_odds, mean_intervals
from ..synthetic import FaceRenderer, FaceSpec, sample_spec, twin_grid
from ..synthetic.plan import plan_item
from .variants import VariantScorer

SIZE = 224  # pixels of a drawn picture
KEYS = ("age", "gender", "race")


def twin_effects(
    pipeline: EmoPipeline,
    specs: Iterable[FaceSpec],
    *,
    options: Sequence[str] = DEFAULT_OPTIONS,
    renderer: FaceRenderer | None = None,
    seed: int = 0,
) -> TwinEffects:
    """What a drawn appearance does to the reading of a drawn expression, over many persons.

    Every spec is drawn as all twins of `twin_grid` (4 ages x 2 genders x 3 races, everything else the same), and each
    picture goes through detector, analyser and model. No attribute is told: pixels alone differ. Twins differ in what
    MakeHuman's shapes and our colours make of an age, a gender and a race, so this is an effect of drawn looks.

    Args:
        pipeline: the one that users meet.
        specs: one or more persons, each with an expression and a scene.
        options: labels to score; they hold the labels of the specs.
        renderer: one that has drawn before is quicker.
        seed: of resampling.

    Raises:
        EmoError: as `summarise_twins`.
    """
    renderer = renderer or FaceRenderer()
    return summarise_twins(
        [read_twins(pipeline, spec, options=options, renderer=renderer) for spec in specs], seed=seed
    )


def unseen_people(count: int, *, seed: int = 0) -> list[FaceSpec]:
    """That many persons of the test split of the drawn set with this seed, on whom nothing was trained.

    Each shows the one of its planned expressions that the persons before showed least.
    """
    items = (plan_item(seed, "image", number) for number in itertools.count())
    people = itertools.groupby((item for item in items if item.split == "test"), key=lambda item: item.identity)
    shown: Counter[str] = Counter()
    specs = []
    for identity, planned in itertools.islice(people, count):
        item = min(planned, key=lambda item: shown[item.label])
        shown[item.label] += 1
        specs.append(sample_spec(item.seed, identity=identity, label=item.label))
    return specs


def read_twins(
    pipeline: EmoPipeline, spec: FaceSpec, *, options: Sequence[str] = DEFAULT_OPTIONS, renderer: FaceRenderer
) -> TwinReading:
    """Draws and reads all twins of one person.

    Raises:
        EmoError: the label of the spec is not among the options.
    """
    if spec.expression.label not in options:
        raise EmoError(f"the drawn label '{spec.expression.label}' is not among the options {', '.join(options)}")
    grid = twin_grid(spec)
    prompt = EmoPrompt(options=tuple(options))
    odds = np.full((len(grid), len(options)), np.nan)
    for place, twin in enumerate(grid.values()):
        picture = renderer.draw(twin, size=SIZE).image
        reading = pipeline.look(Media((picture,), (0.0,), "image", picture.size))
        if reading.priors is not None:
            odds[place] = log_odds(VariantScorer(pipeline, reading).log_scores([prompt]))[0]
    return TwinReading(spec.identity.id, spec.expression.label, tuple(options), tuple(grid), odds)


def summarise_twins(readings: Sequence[TwinReading], *, seed: int = 0) -> TwinEffects:
    """Groups by age, gender and race, each held against all twins of the same persons; intervals over persons.

    Raises:
        EmoError: no person, or persons with unlike labels or twins.
    """
    if len({(one.labels, one.twins) for one in readings}) != 1:
        raise EmoError("the twins of at least one person are needed, and the same twins and labels of every person")
    first = readings[0]
    rng = np.random.default_rng(seed)
    odds = np.stack([one.log_odds for one in readings])  # (I, G, L)
    seen = ~np.isnan(odds[:, :, 0])
    named = np.where(seen, np.nan_to_num(odds, nan=-np.inf).argmax(-1), -1)  # (I, G)
    truth = np.array([first.labels.index(one.label) for one in readings])
    right = np.where(seen, named == truth[:, None], np.nan)
    changed = np.array([len(set(row) - {-1}) > 1 for row in named.tolist()], float)
    groups = [
        _group(key, name, np.array([twin[slot] == name for twin in first.twins]), odds, right, rng)
        for slot, key in enumerate(KEYS)
        for name in dict.fromkeys(twin[slot] for twin in first.twins)
    ]
    return TwinEffects(
        labels=first.labels,
        n=len(readings),
        groups=tuple(groups),
        changed=float(changed.mean()),
        changed_interval=_pair(mean_intervals(changed, rng)),
    )


def _group(
    key: str, name: float | str, inside: np.ndarray, odds: np.ndarray, right: np.ndarray, rng: np.random.Generator
) -> TwinGroup:
    """`inside` (G,), log-odds (I, G, L), right answers (I, G) with NaN where there was no face."""
    seen = ~np.isnan(right[:, inside])
    accuracy = _mean(right[:, inside])  # (I,)
    apart = accuracy - _mean(right)
    effects = _mean(odds[:, inside]) - _mean(odds)  # (I, L)
    return TwinGroup(
        key=key,
        name=f"{name:g}" if isinstance(name, float) else name,
        n=int(seen.sum()),
        missed=int((~seen).sum()),
        accuracy=_over_persons(accuracy),
        accuracy_interval=_pair(mean_intervals(accuracy, rng)),
        accuracy_effect=_over_persons(apart),
        accuracy_effect_interval=_pair(mean_intervals(apart, rng)),
        effects=_mean(effects, axis=0),
        effect_intervals=mean_intervals(effects, rng),
    )


def _mean(values: np.ndarray, *, axis: int = 1) -> np.ndarray:
    """The mean over what is there; NaN where nothing is."""
    there = ~np.isnan(values)
    count = there.sum(axis)
    return np.divide(np.where(there, values, 0).sum(axis), count, out=np.full(count.shape, np.nan), where=count > 0)


def _over_persons(values: np.ndarray) -> float:
    return float(_mean(values, axis=0))


def _pair(bounds: np.ndarray) -> tuple[float, float]:
    return float(bounds[0]), float(bounds[1])
