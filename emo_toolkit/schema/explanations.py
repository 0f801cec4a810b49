"""The nouns of looking inside: where a model looked, what an attribute does to it, whether a map can be trusted."""

from dataclasses import dataclass

import numpy as np

from .flow import FaceCrop

# iBUG-68 landmarks of nine regions; right and left are the person's own, so "right" stands left in the picture.
FACE_REGIONS: dict[str, range] = {
    "jaw": range(0, 17),
    "right brow": range(17, 22),
    "left brow": range(22, 27),
    "nose bridge": range(27, 31),
    "nostrils": range(31, 36),
    "right eye": range(36, 42),
    "left eye": range(42, 48),
    "outer lips": range(48, 60),
    "inner lips": range(60, 68),
}
FRAME_KINDS = ("context", "content", "face_global", "face_local")  # tokens of a frame, in order
TEXT_KINDS = ("attributes", "question", "rest", "answer")  # "rest": turn markers and other words of the chat format
Lens = tuple[tuple[str, float], ...]  # vocabulary words and their cosine, nearest first


@dataclass(frozen=True)
class Span:
    """Positions start..stop - 1 of the sequence: tokens of one kind, and of one frame if the kind is a frame's."""

    kind: str  # of FRAME_KINDS or TEXT_KINDS
    start: int
    stop: int
    frame: int | None = None


@dataclass(frozen=True)
class LabelGradients:
    """Attention times its gradient toward log p(`label` as the whole answer), signed, each map up to a factor > 0.

    `rows` (layers, heads, S) sums the rows that say the label; `global_map` (F, heads, P, E); `local_map`
    (F, heads, 68, P).
    """

    label: str
    rows: np.ndarray
    global_map: np.ndarray
    local_map: np.ndarray


@dataclass(frozen=True)
class FaceAttention:
    """Where one answer looked: all that `explain.maps` draws from, without the model. float16 and float32 arrays.

    F frames that the model read, W words, S positions of the sequence, P patches of the crop (a square grid), E face
    tokens (a square grid), Q clue queries. Rows of an attention sum to 1 over its last axis. With mini the arrays of a
    photo with a one-word answer take 0.15 MiB, of 16 frames with a sentence 2 MiB (`nbytes`); a crop takes 0.15 more.

    Attributes:
        crops, times, size: of the F frames: the crop with its transform, the second shown; source width, height.
        scores, text, prompt: as the pipeline answers.
        words: of the text, in order; ("",) when the answer is empty.
        rows: (W, layers, heads, S), the attention that chose each word: that of the position before it, averaged over
            the word's tokens.
        rollout: (W, S), attention rollout over the layers through the text; frame tokens are leaves.
        text_rows: (R, S), mean attention of each text position behind the frames; the last one says the first word.
        spans: cover 0..S - 1 once, in order.
        global_attention: (F, heads, P, E), patches looking at face tokens; global_strength (F, P), 0..1, how much of
            a patch this brought. local_attention: (F, heads, 68, P), landmarks looking at patches; local_strength
            (F, 68).
        global_clues: (F, layers, heads, Q, P), clue queries looking at patches; local_clues (F, layers, heads, Q, 68),
            at landmarks.
        context: (F, P), the patches' weights in the context token, which is linear in them.
        token_parts: (F, 2, 3), shares by norm of what face_global and face_local are made of: the content token, what
            the clue queries found, and the prior summary. Only the second has an attention map.
        landmarks: (F, 68, 2) in [-1, 1] of the crop.
        lens: for each frame the vocabulary words nearest to face_global and to face_local.
        gradients: when asked for. neutral: the same look under a neutral question, when asked for.
    """

    crops: tuple[FaceCrop, ...]
    times: tuple[float, ...]
    size: tuple[int, int]
    scores: dict[str, float]
    text: str
    prompt: str
    words: tuple[str, ...]
    rows: np.ndarray
    rollout: np.ndarray
    text_rows: np.ndarray
    spans: tuple[Span, ...]
    global_attention: np.ndarray
    global_strength: np.ndarray
    local_attention: np.ndarray
    local_strength: np.ndarray
    global_clues: np.ndarray
    local_clues: np.ndarray
    context: np.ndarray
    token_parts: np.ndarray
    landmarks: np.ndarray
    lens: tuple[tuple[Lens, Lens], ...]
    gradients: LabelGradients | None = None
    neutral: "FaceAttention | None" = None

    @property
    def label(self) -> str | None:
        """The likeliest option, or None without options."""
        return max(self.scores, key=self.scores.__getitem__) if self.scores else None

    @property
    def nbytes(self) -> int:
        """Memory of the arrays."""
        own = sum(value.nbytes for value in vars(self).values() if isinstance(value, np.ndarray))
        more = self.gradients and sum(v.nbytes for v in vars(self.gradients).values() if isinstance(v, np.ndarray))
        return own + (more or 0) + (self.neutral.nbytes if self.neutral else 0)


@dataclass(frozen=True)
class AttributeEffects:
    """What words of age, gender and race do to one answer while the pixels stay, beside what meaningless words do.

    L labels, V variants of the grid, A attribute words, R meaningless changes of the sentence, K questions, U units (a
    question over a part of the frames). Effects are differences of log-odds, natural logarithm: +0.69 doubles the
    odds of a label.

    Attributes:
        grid: (age, gender, race) of each variant, None for what is not told; the first tells nothing.
        grid_scores: (V, L) label distributions, question as asked, all frames.
        values: ("age", "30-39"), ... of each word.
        effects: (A, L) telling this word alone against telling nothing, mean over units; intervals (A, L, 2) 95 %
            over units.
        marginals: (A, L) the same averaged over the whole grid: this word against none, whatever else is told; NaN
            without the grid.
        p: (A, L) by `statistics.exchange_p`: whether chance among meaningless changes moves the odds as steadily;
            p_holm the same corrected for all A x L.
        changes: what the R meaningless changes are; change_effects (R, L) what they do, mean over units.
        questions: the K questions, first the one asked; question_effects (K - 1, L) what asking with another one does.
    """

    labels: tuple[str, ...]
    grid: tuple[tuple[str | None, str | None, str | None], ...]
    grid_scores: np.ndarray
    values: tuple[tuple[str, str], ...]
    effects: np.ndarray
    intervals: np.ndarray
    marginals: np.ndarray
    p: np.ndarray
    p_holm: np.ndarray
    changes: tuple[str, ...]
    change_effects: np.ndarray
    questions: tuple[str, ...]
    question_effects: np.ndarray
    units: int

    @property
    def floor(self) -> np.ndarray:
        """(L,) the noise floor: the largest effect of any meaningless change of the sentence or of the question."""
        return np.abs(np.concatenate([self.change_effects, self.question_effects])).max(0)

    @property
    def counts(self) -> np.ndarray:
        """(A, L) which effects count: those above the noise floor with a corrected p below 0.05."""
        return (np.abs(self.effects) > self.floor) & (self.p_holm < 0.05)


@dataclass(frozen=True)
class PriorAblations:
    """What each prior did to one answer: the answer with all of them beside the answer without each.

    `scores` (N, L) are distributions without each of the `names`, `baseline` (L,) with all; `effects` (N, L) is what
    having the prior adds to the log-odds. NaN where the prompt had no such prior.
    """

    labels: tuple[str, ...]
    names: tuple[str, ...]
    baseline: np.ndarray
    scores: np.ndarray
    effects: np.ndarray


@dataclass(frozen=True)
class TwinReading:
    """How the model reads the drawn twins of one person: the same expression, pose and light on G appearances.

    `twins` are (age in years, gender, race); `log_odds` (G, L), NaN where no usable face was found.
    """

    identity: int
    label: str
    labels: tuple[str, ...]
    twins: tuple[tuple[float, str, str], ...]
    log_odds: np.ndarray


@dataclass(frozen=True)
class TwinGroup:
    """The twins that share one look, such as age 70, and how their reading departs from all twins of the same persons.

    `n` pictures with a usable face, of `missed` + `n` drawn. `accuracy_effect` and `effects` (L,), in log-odds, are
    means over persons of the difference between the person's twins in the group and all of the person's twins.
    Intervals are 95 %, over persons.
    """

    key: str
    name: str
    n: int
    missed: int
    accuracy: float
    accuracy_interval: tuple[float, float]
    accuracy_effect: float
    accuracy_effect_interval: tuple[float, float]
    effects: np.ndarray
    effect_intervals: np.ndarray


@dataclass(frozen=True)
class TwinEffects:
    """The causal effect of a drawn appearance on the reading of a drawn expression, over `n` persons.

    `changed` is the share of persons not all of whose twins get the same label.
    """

    labels: tuple[str, ...]
    n: int
    groups: tuple[TwinGroup, ...]
    changed: float
    changed_interval: tuple[float, float]


@dataclass(frozen=True)
class EffectsSummary:
    """`AttributeEffects` of n pictures: how often a word counts, and how large effects are beside the noise floor.

    `any_counts` is the share of pictures on which at least one effect counts; `size` the mean |effect| over words and
    labels, `floor` the mean noise floor, `change_size` the mean |effect| of meaningless changes, all in log-odds;
    `words` the share of pictures on which a word counts for some label. Intervals are 95 %, over pictures.
    """

    n: int
    any_counts: float
    any_counts_interval: tuple[float, float]
    size: float
    size_interval: tuple[float, float]
    change_size: float
    change_size_interval: tuple[float, float]
    floor: float
    floor_interval: tuple[float, float]
    words: dict[str, float]


@dataclass(frozen=True)
class MaskingCurves:
    """Log-odds of a label while the patches of a picture are hidden or shown in an order, in S even steps.

    `deletion` (..., S + 1) starts with the whole picture and hides the first patches first; `insertion` starts with
    nothing and shows the first ones first.
    """

    deletion: np.ndarray
    insertion: np.ndarray

    @property
    def area(self) -> np.ndarray:
        """(...) mean height of the insertion curve over the deletion curve, in log-odds.

        Large when the first patches in the order are those that the label comes from; the reversed order has its
        negative, so that an order which knows nothing has 0 on average.
        """
        between = self.insertion - self.deletion
        return (between[..., 1:] + between[..., :-1]).mean(-1) / 2


@dataclass(frozen=True)
class Faithfulness:
    """Whether a map points at what a label comes from: its order of patches beside chance and beside a centre guess.

    Attributes:
        label: whose log-odds the curves show.
        saliency, centre: curves of the map, and of the patches nearest to the centre first.
        chance: (R, S + 1) curves of R copies of the map moved elsewhere in the picture.
        over_chance, over_centre: area of the map, above 0 (chance) and above that of the centre.
        over_chance_interval, over_centre_interval: at `level`. Of maps that know nothing, (1 - level) / 2 lie wholly
            above chance.
        verdict: one line of plain words.
    """

    label: str
    saliency: MaskingCurves
    centre: MaskingCurves
    chance: MaskingCurves
    over_chance: float
    over_chance_interval: tuple[float, float]
    over_centre: float
    over_centre_interval: tuple[float, float]
    level: float
    verdict: str

    @property
    def whole(self) -> float:
        """What hiding the whole picture takes from the label's log-odds: the most that any part can explain."""
        return float(self.saliency.deletion[0] - self.saliency.deletion[-1])


@dataclass(frozen=True)
class RandomisationCheck:
    """How alike a map stays when trained weights are made random (Adebayo et al., 2018).

    `parts` are the modules that were shuffled; `correlations` (D,) are Spearman's, between the map and that of each of
    D shuffled models; `interval` is the 95 % interval of their `mean`.
    """

    parts: tuple[str, ...]
    correlations: np.ndarray
    mean: float
    interval: tuple[float, float]
    verdict: str
