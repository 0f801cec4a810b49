"""What words of age, gender and race do to an answer while the pixels stay, and what each prior did to it.

reading + prompt -> the sentence varied over its whole grid, beside meaningless changes -> AttributeEffects.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from ..labels import AGE_GROUPS, GENDERS, RACES
from ..pipeline import EmoPipeline, Reading
from ..prompts import FILLERS, SENTENCES, asked_otherwise, filled, question_text, reworded
from ..schema import AttributeEffects, EmoPrompt, FaceAttributes, PriorAblations
from ..statistics import exchange_p, holm, log_odds, mean_intervals
from .variants import MAX_BYTES, VariantScorer

Told = tuple[str | None, str | None, str | None]  # age, gender, race
WORDS = {"age": AGE_GROUPS, "gender": GENDERS, "race": RACES}
VALUES = tuple((name, word) for name, words in WORDS.items() for word in words)
GRID: tuple[Told, ...] = tuple(itertools.product(*((None, *words) for words in WORDS.values())))
CHANGES = (*FILLERS, *SENTENCES)  # meaningless: sentences that tell nothing, and others that tell the same
MOST_QUESTIONS = 8
MOST_PARTS = 4  # of a clip
# What "without" means: the clues of Face Info Mining that still reach the language model (global, local).
ABLATIONS = {"landmarks": (True, False), "face embedding": (False, True), "Face Info Mining": (False, False)}
SENTENCE_ABLATION = "attribute sentence"


def attribute_effects(
    pipeline: EmoPipeline,
    reading: Reading,
    prompt: EmoPrompt,
    *,
    questions: int = MOST_QUESTIONS,
    grid: bool = True,
    max_bytes: int = MAX_BYTES,
    seed: int = 0,
) -> AttributeEffects:
    """Tells the model every age, gender and race of one face, and measures what that does to the labels' odds.

    The effect of a word is the log-odds of a label when the sentence tells this word alone, less that when there is no
    sentence. It is measured in units: every question in other words once, and of a clip also every part of the frames
    (each k-th frame), so that intervals hold what the choice of words and frames does. The noise floor is the largest
    that any of 12 meaningless changes of the sentence and of the other questions does in the same units: sentences
    that tell nothing instead of none, other sentences that tell the same word (another word in every unit). p asks in
    addition whether the effect is steadier over the units than what meaningless changes do. Race words are given here,
    one after the other; nothing estimates the race of the face.

    Reconstruction: the paper publishes neither the sentence nor a test of it. Sentence, rewordings, fillers, questions
    and this design are ours (`prompts`). mini was trained with one wording of the sentence and of the question.

    Args:
        pipeline: the model that answers.
        reading: media with at least one usable face.
        prompt: with at least two options; its attributes and sentence are not used.
        questions: how many wordings of the question, 2 to 8; of a photo no effect can count with fewer than 4.
        grid: also tell all 150 combinations, for `grid_scores` and `marginals`; without it both are empty or NaN.
        max_bytes: as for `VariantScorer`.
        seed: of resampling.

    Raises:
        ValueError: no usable face, fewer than two options, or `questions` outside 2..8.
    """
    if not 2 <= questions <= MOST_QUESTIONS:
        raise ValueError(f"{questions} questions; effects need 2 to {MOST_QUESTIONS} wordings of the question")
    plain = replace(prompt, attributes=FaceAttributes(), sentence=None)
    asked = (plain, *asked_otherwise(plain))[:questions]
    scorer = VariantScorer(pipeline, reading, max_bytes=max_bytes)
    grid_log_p = scorer.log_scores([tell(plain, told) for told in GRID]) if grid else None
    parts = max(1, min(MOST_PARTS, scorer.frames // 2))
    scorers = [scorer.part(range(part, scorer.frames, parts)) for part in range(parts)] if parts > 1 else [scorer]
    units = list(_units(questions, parts))
    odds = np.stack(
        [
            log_odds(scorers[part].log_scores(_unit_prompts(asked[question], number)))
            for number, (question, part) in enumerate(units)
        ]
    )  # (U, 1 + A + R, L)
    effects, changes, otherwise = _differences(odds, units)
    return summarise_units(
        effects,
        changes,
        otherwise,
        labels=prompt.options,
        grid_log_p=grid_log_p,
        questions=[question_text(each) for each in asked],
        seed=seed,
    )


def summarise_units(
    effects: np.ndarray,
    changes: np.ndarray,
    otherwise: np.ndarray,
    *,
    labels: Sequence[str],
    grid_log_p: np.ndarray | None = None,
    questions: Sequence[str] = (),
    seed: int = 0,
) -> AttributeEffects:
    """The statistics of `attribute_effects`, from differences of log-odds.

    Args:
        effects: (U, A, L) of each word of `VALUES`.
        changes: (U, R, L) of each of `CHANGES`.
        otherwise: (K - 1, L) of the other questions.
        labels: L options.
        grid_log_p: (V, L) log p of each variant of `GRID`, or None.
        questions: the K questions.
        seed: of resampling.
    """
    rng = np.random.default_rng(seed)
    p = exchange_p(effects, changes[:, :, None], rng)
    told = grid_log_p is not None
    return AttributeEffects(
        labels=tuple(labels),
        grid=GRID if told else (),
        grid_scores=np.exp(grid_log_p) if told else np.empty((0, len(labels))),
        values=VALUES,
        effects=effects.mean(0),
        intervals=mean_intervals(effects, rng),
        marginals=_marginals(log_odds(grid_log_p)) if told else np.full(effects.shape[1:], np.nan),
        p=p,
        p_holm=holm(p),
        changes=CHANGES,
        change_effects=changes.mean(0),
        questions=tuple(questions),
        question_effects=otherwise,
        units=len(effects),
    )


def prior_ablations(
    pipeline: EmoPipeline, reading: Reading, prompt: EmoPrompt, *, max_bytes: int = MAX_BYTES
) -> PriorAblations:
    """The answer without landmarks, without face embedding, without Face Info Mining and without attribute sentence.

    "Without" is what the training ablations of the recipes do: the clue of the branch that reads the prior is zero
    where it would enter the language model (`face_found` of the model, by branch), so that its face token is the plain
    content token. The local branch is the one that reads landmarks, the global one the face embedding. Weights are
    never touched. The model was trained with the clues: their lack is a change that it never saw, so an effect says
    what this answer leans on, not what a model trained without the prior would say.

    Args:
        pipeline: the model that answers.
        reading: media with at least one usable face.
        prompt: with at least two options; without attributes and sentence the last effect is NaN.

    Raises:
        ValueError: no usable face, or fewer than two options.
    """
    scorer = VariantScorer(pipeline, reading, max_bytes=max_bytes)
    silent = replace(prompt, attributes=FaceAttributes(), sentence=None)
    whole, untold = scorer.log_scores([prompt, silent])
    tells = pipeline.texts([prompt]) != pipeline.texts([silent])
    without = [scorer.log_scores([prompt], clues=clues)[0] for clues in ABLATIONS.values()]
    log_p = np.stack([*without, untold])
    effects = log_odds(whole) - log_odds(log_p)
    if not tells:
        log_p[-1] = effects[-1] = np.nan
    return PriorAblations(
        labels=prompt.options,
        names=(*ABLATIONS, SENTENCE_ABLATION),
        baseline=np.exp(whole),
        scores=np.exp(log_p),
        effects=effects,
    )


def tell(prompt: EmoPrompt, told: Told) -> EmoPrompt:
    """The prompt with these words in its attribute sentence."""
    age, gender, race = told
    return replace(prompt, attributes=FaceAttributes(age, gender, race, "given" if any(told) else "none"))


def counting(told: AttributeEffects) -> str:
    """How many effects count, and, where the grid was told, how often the answer changes, in words."""
    number = int(told.counts.sum())
    words = f"{number} of {told.counts.size} effects {'counts' if number == 1 else 'count'}."
    if not len(told.grid):
        return words
    answers = told.grid_scores.argmax(1)
    changed = int((answers != answers[0]).sum())
    return (
        f"{words} In {changed} of {len(answers) - 1} combinations of age, gender and race words the answer is another "
        "one."
    )


def _units(questions: int, parts: int) -> Iterator[tuple[int, int]]:
    """(question, part) of every unit: the first question over all parts, each of the others over one."""
    yield from ((0, part) for part in range(parts))
    yield from ((question, question % parts) for question in range(1, questions))


def _alone(place: int) -> Told:
    name, word = VALUES[place]
    return tuple(word if name == each else None for each in WORDS)


def _anchor(unit: int, sentence: int) -> int:
    """Which of VALUES a reworded sentence tells in a unit: another one each time."""
    return (unit * len(SENTENCES) + sentence) % len(VALUES)


def _unit_prompts(plain: EmoPrompt, unit: int) -> list[EmoPrompt]:
    """Nothing told, each word alone, fillers, reworded sentences: 1 + A + R prompts."""
    alone = [tell(plain, _alone(place)) for place in range(len(VALUES))]
    other = [reworded(alone[_anchor(unit, at)])[at] for at in range(len(SENTENCES))]
    return [plain, *alone, *filled(plain), *other]


def _differences(odds: np.ndarray, units: Sequence[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log-odds (U, 1 + A + R, L) -> what words (U, A, L), changes (U, R, L) and questions (K - 1, L) do."""
    words, fillers = 1 + len(VALUES), 1 + len(VALUES) + len(FILLERS)
    anchors = np.array([[1 + _anchor(unit, at) for at in range(len(SENTENCES))] for unit in range(len(units))])
    same = odds[:, fillers:] - np.take_along_axis(odds, anchors[:, :, None], axis=1)
    changes = np.concatenate([odds[:, words:fillers] - odds[:, :1], same], axis=1)
    otherwise = np.stack(
        [
            (odds[units.index((question, part))] - odds[units.index((0, part))])[:words].mean(0)
            for question, part in units
            if question
        ]
    )
    return odds[:, 1:words] - odds[:, :1], changes, otherwise


def _marginals(odds: np.ndarray) -> np.ndarray:
    """Log-odds (V, L) of the grid -> (A, L) each word less none in its place, mean over what else is told."""
    place = {told: at for at, told in enumerate(GRID)}
    found = []
    for name, word in VALUES:
        slot = list(WORDS).index(name)
        having = [told for told in GRID if told[slot] == word]
        lacking = [(*told[:slot], None, *told[slot + 1 :]) for told in having]
        pairs = [(place[one], place[other]) for one, other in zip(having, lacking, strict=True)]
        found.append(np.mean([odds[one] - odds[other] for one, other in pairs], axis=0))
    return np.stack(found)
