"""A map -> deletion and insertion curves -> beside chance, beside a centre guess -> a verdict in one line.

Hide the patches that a map calls salient first: if the label comes from them, it falls sooner than by chance.
"""

import numpy as np

from ..pipeline import EmoPipeline, Reading
from ..schema import EmoPrompt, Faithfulness, MaskingCurves
from .curves import as_map, centre_map, masking_curves, moved_copy
from .masking import Score, masked_score

STEPS, RANDOMS = 5, 9  # 90 pictures: about 22 s of one core with mini
TOLERANCE = 1e-4  # log-odds; less may come from how pictures are batched


def faithfulness(
    pipeline: EmoPipeline,
    reading: Reading,
    prompt: EmoPrompt,
    saliency: np.ndarray,
    *,
    label: str | None = None,
    steps: int = STEPS,
    randoms: int = RANDOMS,
    fill: str = "blur",
    priors: str = "anew",
    seed: int = 0,
) -> Faithfulness:
    """Whether a map of the face points at what the answer comes from, on this photo or clip.

    To judge several maps of one reading, make one `masked_score` and call `judge` for each: what they share is
    computed once.

    Args:
        pipeline, reading, prompt: as for `EmoPipeline.answer`; the prompt has at least two options.
        saliency: (F, side, side) over the crops of the F frames that the model read, larger where it matters more.
        label: whose log-odds are watched; the model's own answer by default.
        steps, randoms, seed: as for `judge`.
        fill, priors: as for `masked_score`.

    Raises:
        ValueError: as `masked_score` and `judge` do.
    """
    if label is None:
        scores = pipeline.scores(reading, prompt) if reading.priors is not None and prompt.options else {}
        label = max(scores, key=scores.__getitem__, default="")
    score = masked_score(pipeline, reading, prompt, label, fill=fill, priors=priors)
    return judge(score, saliency, label=label, steps=steps, randoms=randoms, seed=seed)


def judge(
    score: Score, saliency: np.ndarray, *, label: str, steps: int = STEPS, randoms: int = RANDOMS, seed: int = 0
) -> Faithfulness:
    """The same from any function of masks. It is asked once, for 2 x (2 + randoms) x (steps + 1) masks.

    Chance are copies of the map that are shifted over the edges, mirrored, turned, and whose frames are shuffled: as
    smooth or as speckled as the map, because blobs and speckles hide a face in unlike ways, and only the place may
    count. An order and its reverse have opposite areas, so that R copies stand for 2 R orders about 0, and a map that
    knows nothing passes the largest of them in 1 of 2 (R + 1) cases: 5 % for nine copies. The interval over the
    centre is sqrt(2) times as wide, because there two orders are compared.

    Args:
        score: masks (n, F, side, side) bool, True is shown, -> n log-odds.
        saliency: (F, side, side), finite.
        label: a name for what `score` says.
        steps: steps of a curve; randoms: moved copies of the map; seed: of moves and ties.

    Raises:
        ValueError: a map that is not (F, side, side), has NaN or has fewer patches than steps; too few copies.
    """
    if randoms < 1:
        raise ValueError(f"{randoms} moved copies of the map; take at least 1")
    saliency, rng = as_map(saliency), np.random.default_rng(seed)
    maps = [saliency, centre_map(saliency.shape), *(moved_copy(saliency, rng) for _ in range(randoms))]
    curves = masking_curves(score, maps, steps=steps, rng=rng)
    deletion, insertion = curves.deletion, curves.insertion  # (2 + R, S + 1) each
    named = MaskingCurves(deletion[0], insertion[0]), MaskingCurves(deletion[1], insertion[1])
    chance = MaskingCurves(deletion[2:], insertion[2:])
    return _weighed(label, *named, chance, "image" if len(saliency) == 1 else "clip")


def _weighed(label: str, own: MaskingCurves, centre: MaskingCurves, chance: MaskingCurves, of: str) -> Faithfulness:
    margin = max(float(np.abs(chance.area).max()), TOLERANCE)
    wide = margin * 2**0.5
    over_chance = float(own.area)
    over_centre = float(own.area - centre.area)
    if over_chance > margin and over_centre > wide:
        verdict = f"Better than chance and than a centre guess on this {of}."
    elif over_chance > margin:
        verdict = f"Better than chance on this {of}, but no better than a centre guess."
    elif over_chance < -margin:
        verdict = f"Worse than chance on this {of}: what the map leaves dark counts more."
    else:
        verdict = f"No better than chance on this {of}."
    return Faithfulness(
        label=label,
        saliency=own,
        centre=centre,
        chance=chance,
        over_chance=over_chance,
        over_chance_interval=(over_chance - margin, over_chance + margin),
        over_centre=over_centre,
        over_centre_interval=(over_centre - wide, over_centre + wide),
        level=1 - 1 / (1 + len(chance.deletion)),
        verdict=verdict,
    )
