"""Masks of a face's patches -> pictures with the others hidden -> log-odds of one label, by the pipeline's scoring.

The facial priors are made anew from what is left of each picture (the landmarks stay), or kept to test the patches
alone.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from PIL import Image, ImageFilter

from ..pipeline import EmoPipeline, Reading
from ..schema import EmoPrompt, FaceCrop
from ..statistics import log_odds

Score = Callable[[np.ndarray], np.ndarray]  # masks (n, F, side, side) bool, True is shown -> log-odds (n,)
CHUNK = 16  # pictures in one model call; a clip of 16 frames is alone in its call
BLUR = 1 / 8  # of the crop's width, standard deviation: a face without features


def masked_score(
    pipeline: EmoPipeline,
    reading: Reading,
    prompt: EmoPrompt,
    label: str,
    *,
    fill: str = "blur",
    priors: str = "anew",
    report: Callable[[int, int], None] = lambda done, total: None,
) -> Score:
    """The log-odds of `label` as a function of what is shown of the face; each mask is computed once.

    Log-odds rather than probabilities: an answer of 99.9 % still moves, and equal evidence moves it equally.

    Args:
        pipeline, reading, prompt: as for `EmoPipeline.answer`; the prompt has at least two options.
        label: one of them.
        fill: what stands where patches are hidden: "blur", the same crop without features; "grey", its mean colour.
        priors: "anew" reads the face embedding from the masked crop too; "kept" leaves it, so that only the
            vision tower's patches change.
        report: called with how many of how many new pictures are done.

    Raises:
        ValueError: no usable face, a label that is no option, or an unknown word for `fill` or `priors`.
    """
    if reading.priors is None:
        raise ValueError(f"there is no face to hide: {reading.missing}")
    if label not in prompt.options or len(prompt.options) < 2:
        raise ValueError(f"'{label}' is not one of at least two options: {', '.join(prompt.options) or 'none'}")
    if fill not in ("blur", "grey") or priors not in ("anew", "kept"):
        raise ValueError(f"fill is blur or grey, not '{fill}'; priors is anew or kept, not '{priors}'")
    covers = [_cover(crop.image, fill) for crop in reading.seen]
    step = max(1, CHUNK // len(covers))
    known: dict[tuple[tuple[int, ...], bytes], float] = {}

    def score(masks: np.ndarray) -> np.ndarray:
        if masks.shape[1] != len(covers):
            raise ValueError(f"masks of {masks.shape[1]} frames for a reading of {len(covers)}")
        keys = [(mask.shape, mask.tobytes()) for mask in masks]
        new = list({key: mask for key, mask in zip(keys, masks, strict=True) if key not in known}.items())
        for start in range(0, len(new), step):
            report(start, len(new))
            part = new[start : start + step]
            readings = [_masked(reading, mask, covers) for _, mask in part]
            if priors == "anew":
                readings = _with_new_priors(pipeline, readings)
            values = log_odds(pipeline.likelihoods(readings, prompt).double().cpu().numpy())
            known.update(zip((key for key, _ in part), values[:, prompt.options.index(label)].tolist(), strict=True))
        return np.array([known[key] for key in keys])

    return score


def _cover(picture: Image.Image, fill: str) -> Image.Image:
    if fill == "blur":
        return picture.filter(ImageFilter.GaussianBlur(BLUR * picture.width))
    mean = np.asarray(picture, float).mean((0, 1))
    return Image.new("RGB", picture.size, tuple(np.rint(mean).astype(int).tolist()))


def _masked(reading: Reading, mask: np.ndarray, covers: list[Image.Image]) -> Reading:
    """The reading with its usable crops covered where the mask (F, side, side) is False."""
    crops: list[FaceCrop] = []
    for crop, shown, cover in zip(reading.seen, mask, covers, strict=True):
        width, height = cover.size
        rows, columns = (np.arange(size) * len(shown) // size for size in (height, width))
        stencil = Image.fromarray(shown[rows[:, None], columns].astype(np.uint8) * 255)
        crops.append(replace(crop, image=Image.composite(crop.image, cover, stencil)))
    return replace(reading, crops=tuple(crops))


def _with_new_priors(pipeline: EmoPipeline, readings: list[Reading]) -> list[Reading]:
    """Face embeddings of the masked crops, all in one call; landmarks, boxes and attributes stay."""
    tokens = pipeline.extractor.analyser.embed([crop for reading in readings for crop in reading.seen])
    each = np.split(tokens, len(readings))
    return [
        replace(reading, priors=replace(reading.priors, embedding=embedding))
        for reading, embedding in zip(readings, each, strict=True)
    ]
