"""FaceAttention -> maps, by method, without the model: every redraw is a few sums.

Legend: F frames, W words, S positions, P patches, E face tokens. A map is a contribution, not a distribution: where a
gate is closed it is zero. The prior summary adds to the face tokens and looks nowhere, so a map shows only a part of
what they say (`mapped_share`).
"""

from dataclasses import replace

import numpy as np

from ..face.geometry import spread
from ..schema import FACE_REGIONS, FRAME_KINDS, TEXT_KINDS, FaceAttention, FaceCrop

# raw: mean over layers and heads. heads: the heads that look hardest alone. rollout: with what stays in place.
# gradient: attention x gradient toward the label, negative parts dropped. relative: over the map of a neutral
# question. sinkless: without what is looked at whatever the row.
VIEWS: dict[str, tuple[str, ...]] = {
    "word": ("raw", "heads", "rollout", "gradient", "relative", "sinkless"),
    "global": ("raw", "gradient"),
    "local": ("raw", "heads", "rollout", "gradient", "sinkless"),
    "global_clues": ("raw", "heads", "rollout", "relative", "sinkless"),
    "local_clues": ("raw", "heads", "rollout", "relative", "sinkless"),
}
VISUAL_HEADS = 0.05  # heads kept of the language model: those with the largest share on frame tokens over all words
SHARP_HEADS = 0.25  # heads kept of a face attention: those with the lowest mean entropy over frames and rows
SINK_SHARE, SINK_ROWS = 2.0, 0.9  # a sink has over 2 x the even share in at least 90 % of the rows
SMALLEST = 1e-6


def methods(seen: FaceAttention, view: str) -> tuple[str, ...]:
    """The methods of a view that this look has data for."""
    missing = {"gradient": seen.gradients is None, "relative": seen.neutral is None}
    return tuple(method for method in VIEWS[view] if not missing.get(method))


def patch_map(seen: FaceAttention, view: str, *, method: str = "raw", word: int | None = None) -> np.ndarray:
    """The (F, P) map of any view, as the face is shown at first: of every word, landmark, query and head together.

    Raises:
        ValueError: for a method that the view does not have, or that this look has no data for.
    """
    _check(seen, view, method)
    if view == "word":
        return word_map(seen, word, method=method)
    if view == "global":
        return global_map(seen, method=method)
    if view == "local":
        return local_map(seen, method=method)
    return clue_map(seen, view, method=method)


def depth(seen: FaceAttention, view: str) -> tuple[int, int]:
    """How many layers and heads the attention of a view has."""
    return {
        "word": seen.rows.shape[1:3],
        "global": (1, seen.global_attention.shape[1]),
        "local": (1, seen.local_attention.shape[1]),
        "global_clues": seen.global_clues.shape[1:3],
        "local_clues": seen.local_clues.shape[1:3],
    }[view]


def narrowed(seen: FaceAttention, view: str, *, layer: int | None = None, head: int | None = None) -> FaceAttention:
    """The look with one layer, head, or both alone in the attention of a view: its raw maps are then theirs, and their
    mean over all is the raw map. In "global" only maps of one face token change: each head shares out the same whole.

    Raises:
        ValueError: there is no such layer or head.
    """
    chosen = []
    for wanted, count in zip((layer, head), depth(seen, view), strict=True):
        if wanted is not None and not 0 <= wanted < count:
            raise ValueError(f"layer {layer} and head {head} are not among the {depth(seen, view)} of '{view}'")
        chosen.append(slice(None) if wanted is None else slice(wanted, wanted + 1))
    layers, heads = chosen
    if view == "word":
        return replace(seen, rows=seen.rows[:, layers, heads])
    if view == "global":
        return replace(seen, global_attention=seen.global_attention[:, heads])
    if view == "local":
        return replace(seen, local_attention=seen.local_attention[:, heads])
    if view == "global_clues":
        return replace(seen, global_clues=seen.global_clues[:, layers, heads])
    return replace(seen, local_clues=seen.local_clues[:, layers, heads])


# The language model: from a word to positions.


def word_rows(seen: FaceAttention, *, method: str = "raw") -> np.ndarray:
    """(W, S), each row sums to 1: one weight a position. `gradient` explains the label, the same for every word."""
    _check(seen, "word", method)
    rows = seen.rows.astype(np.float32)
    if method == "heads":
        visual = rows[..., _frame_positions(seen)].sum(-1).mean(0)  # (layers, heads)
        return rows[:, _best(visual, VISUAL_HEADS)].mean(1)
    if method == "rollout":
        return seen.rollout
    if method == "gradient":
        slopes = np.clip(seen.gradients.rows.astype(np.float32), 0, None).mean((0, 1))
        return np.broadcast_to(_share(slopes), (len(rows), slopes.size))
    raw, places = rows.mean((1, 2)), _frame_positions(seen)
    if method == "relative":
        raw[:, places] = _relative(raw[:, places], seen.neutral.text_rows[-1, _frame_positions(seen.neutral)])
    if method == "sinkless":
        raw[:, places] = _without(raw[:, places], visual_sinks(seen))
    return raw


def visual_sinks(seen: FaceAttention) -> np.ndarray:
    """Which frame tokens (in order) nearly every text position and word looks at, whatever it says: sinks."""
    places = _frame_positions(seen)
    rows = np.concatenate([seen.text_rows[:, places], seen.rows[..., places].astype(np.float32).mean((1, 2))])
    return sinks(rows)


def frame_weights(seen: FaceAttention, *, method: str = "raw") -> np.ndarray:
    """(W, F, 4): attention of each word to the tokens of each frame, in the order of `FRAME_KINDS`."""
    rows = word_rows(seen, method=method)
    found = np.zeros((len(rows), len(seen.crops), len(FRAME_KINDS)), np.float32)
    for span in seen.spans:
        if span.frame is not None:
            found[:, span.frame, FRAME_KINDS.index(span.kind)] += rows[:, span.start : span.stop].sum(1)
    return found


def shares(seen: FaceAttention, *, method: str = "raw") -> dict[str, np.ndarray]:
    """Attention of each word (W,) to every kind of token, the frames together; over the kinds they sum to 1."""
    rows = word_rows(seen, method=method)
    found = {kind: np.zeros(len(rows), np.float32) for kind in (*FRAME_KINDS, *TEXT_KINDS)}
    for span in seen.spans:
        found[span.kind] += rows[:, span.start : span.stop].sum(1)
    return found


def timeline(seen: FaceAttention, *, method: str = "raw") -> np.ndarray:
    """(W, F): attention of each word to each frame."""
    return frame_weights(seen, method=method).sum(2)


# From frame tokens to patches.


def word_maps(seen: FaceAttention, *, method: str = "raw") -> np.ndarray:
    """(W, F, P): each word's attention to frame tokens, followed to the patches that the tokens were made from.

    The context token is a weighted mean of patches; of a face token, the share that the clue queries found goes where
    they looked. The content token (the mean of all patches) and the prior summary have no place and are left out, so
    a map sums to the attention that does have one.
    """
    if method == "relative":
        _check(seen, "word", method)
        return _relative(word_maps(seen), word_maps(seen.neutral))
    weights = frame_weights(seen, method=method)[..., None]  # (W, F, 4, 1)
    inner = method if method in VIEWS["global_clues"] else "raw"
    found = weights[:, :, 0] * seen.context
    for place, view in enumerate(("global_clues", "local_clues")):
        found += weights[:, :, 2 + place] * seen.token_parts[:, place, 1:2] * clue_map(seen, view, method=inner)
    return found


def word_map(seen: FaceAttention, word: int | None = None, *, method: str = "raw") -> np.ndarray:
    """(F, P): the map of one word, or the mean over words; see `word_maps`."""
    maps = word_maps(seen, method=method)
    return maps.mean(0) if word is None else maps[word]


def mapped_share(seen: FaceAttention) -> np.ndarray:
    """(F, 2): how much of the clue of face_global and of face_local, by norm, came through an attention map; the rest
    is the prior summary's, which has none."""
    _, found, summary = np.moveaxis(seen.token_parts, 2, 0)
    return found / np.maximum(found + summary, SMALLEST)


def global_map(
    seen: FaceAttention, *, method: str = "raw", face_token: int | None = None, head: int | None = None
) -> np.ndarray:
    """(F, P): how much the face embedding brought to each patch; of one face token, the part that it brought."""
    _check(seen, "global", method)
    heads = slice(None) if head is None else slice(head, head + 1)
    tokens = slice(None) if face_token is None else slice(face_token, face_token + 1)
    if method == "gradient":
        slopes = seen.gradients.global_map[:, heads, :, tokens].astype(np.float32)
        return np.clip(slopes, 0, None).mean(1).sum(2)
    looks = seen.global_attention[:, heads, :, tokens].astype(np.float32).mean(1)  # (F, P, E)
    return seen.global_strength * looks.sum(2)


def face_token_map(seen: FaceAttention, *, head: int | None = None) -> np.ndarray:
    """(F, E): how much of what the patches took from the face embedding came from each face token."""
    heads = slice(None) if head is None else slice(head, head + 1)
    looks = seen.global_attention[:, heads].astype(np.float32).mean(1)
    return np.einsum("fp,fpe->fe", seen.global_strength, looks) / looks.shape[1]


def local_map(
    seen: FaceAttention,
    *,
    method: str = "raw",
    landmarks: range | None = None,
    head: int | None = None,
) -> np.ndarray:
    """(F, P): where the landmarks (a region of `FACE_REGIONS`, or all) look, times how much that brought them."""
    chosen = slice(None) if landmarks is None else slice(landmarks.start, landmarks.stop)
    return landmark_maps(seen, method=method, head=head)[:, chosen].mean(1)


def landmark_maps(seen: FaceAttention, *, method: str = "raw", head: int | None = None) -> np.ndarray:
    """(F, 68, P): one map a landmark. `rollout` adds its own place, where it stands before it looks."""
    _check(seen, "local", method)
    heads = slice(None) if head is None else slice(head, head + 1)
    if method == "gradient":
        return np.clip(seen.gradients.local_map[:, heads].astype(np.float32), 0, None).mean(1)
    looks = seen.local_attention[:, heads].astype(np.float32)
    looks = looks[:, _best(-_entropy(looks), SHARP_HEADS)].mean(1) if method == "heads" else looks.mean(1)
    strength = seen.local_strength[..., None]
    if method == "sinkless":
        looks = np.stack([_without(look, sinks(look)) for look in looks])
    if method == "rollout":
        return strength * looks + (1 - strength) * own_places(seen)
    return strength * looks


def clue_weights(seen: FaceAttention, view: str, *, method: str = "raw") -> np.ndarray:
    """Where the clue queries look, rows sum to 1: (F, P) in "global_clues", (F, 68) landmarks in "local_clues"."""
    _check(seen, view, method)
    values = {"global_clues": seen.global_clues, "local_clues": seen.local_clues}[view].astype(np.float32)
    if method == "heads":
        return values[:, :, _best(-_entropy(values.mean(1)), SHARP_HEADS)].mean((1, 2, 3))
    layers = values.mean((2, 3))  # (F, layers, P or 68)
    if method == "rollout":  # half of a query stays what it was, so that later layers count for more
        found = layers[:, 0]
        for layer in range(1, layers.shape[1]):
            found = 0.5 * found + 0.5 * layers[:, layer]
        return found
    raw = layers.mean(1)
    if method == "relative":
        return _relative(raw, clue_weights(seen.neutral, view))
    if method == "sinkless":
        rows = values.mean((1, 2))  # (F, Q, P or 68)
        return np.stack([_without(each, sinks(row)) for each, row in zip(raw, rows, strict=True)])
    return raw


def clue_map(seen: FaceAttention, view: str, *, method: str = "raw") -> np.ndarray:
    """(F, P), sums to 1: the clue queries on patches; of a landmark they ask, its own place and where it looked."""
    weights = clue_weights(seen, view, method=method)
    if view == "global_clues":
        return weights
    return np.einsum("fl,flp->fp", weights, landmark_maps(seen, method="rollout"))


def own_places(seen: FaceAttention) -> np.ndarray:
    """(F, 68, P): each landmark's own place, bilinear over the four nearest patches, as the model samples them."""
    side = _side(seen.context)
    place = np.clip((seen.landmarks + 1) * side / 2 - 0.5, 0, side - 1)[..., None]  # (F, 68, 2, 1) as x, y
    near = np.clip(1 - np.abs(place - np.arange(side)), 0, None)  # (F, 68, 2, side)
    return np.einsum("flx,fly->flyx", near[:, :, 0], near[:, :, 1]).reshape(*place.shape[:2], -1)


# From patches to regions and to the picture.


def region_values(seen: FaceAttention, values: np.ndarray) -> np.ndarray:
    """(F, P) -> (F, 9): the mean of a map at the landmarks of each region, in the order of `FACE_REGIONS`."""
    at = np.einsum("fp,flp->fl", values, own_places(seen))
    return np.stack([at[:, points.start : points.stop].mean(1) for points in FACE_REGIONS.values()], axis=1)


def region_clues(seen: FaceAttention, *, method: str = "raw") -> np.ndarray:
    """(F, 9): mean weight of a landmark of each region for the local clue; 1 / 68 is even."""
    weights = clue_weights(seen, "local_clues", method=method)
    return np.stack([weights[:, points.start : points.stop].mean(1) for points in FACE_REGIONS.values()], axis=1)


def word_regions(seen: FaceAttention, *, method: str = "raw") -> np.ndarray:
    """(W, F, 9): each word's map at the nine regions."""
    return np.stack([region_values(seen, values) for values in word_maps(seen, method=method)])


def to_source(values: np.ndarray, crop: FaceCrop, size: tuple[int, int]) -> np.ndarray:
    """One frame's (P,) or (E,) map on the source picture: (height, width) float32, 0 outside the crop.

    Bilinear between the centres of the patches, back through the crop's scale, rotation and padding.

    Args:
        size: (width, height) of the source.
    """
    side = _side(values)
    return spread(values.reshape(side, side), crop.transform, size, crop.image.width)


# Arithmetic.


def sinks(rows: np.ndarray) -> np.ndarray:
    """Which columns of (R, K) weights get over `SINK_SHARE` times the even share in `SINK_ROWS` of the rows."""
    even = rows.mean(-1, keepdims=True)
    return (rows > SINK_SHARE * even).mean(0) >= SINK_ROWS


def _check(seen: FaceAttention, view: str, method: str) -> None:
    if view not in VIEWS:
        raise ValueError(f"there is no view '{view}'; choose one of {', '.join(VIEWS)}")
    if method not in VIEWS[view]:
        raise ValueError(f"the view '{view}' has no method '{method}'; choose one of {', '.join(VIEWS[view])}")
    if method not in methods(seen, view):
        raise ValueError(f"'{method}' needs a look with {'gradients' if method == 'gradient' else 'neutral'}=True")


def _frame_positions(seen: FaceAttention) -> np.ndarray:
    spans = (span for span in seen.spans if span.frame is not None)
    return np.concatenate([np.arange(span.start, span.stop) for span in spans])


def _side(values: np.ndarray) -> int:
    side = round(values.shape[-1] ** 0.5)
    if side * side != values.shape[-1]:
        raise ValueError(f"{values.shape[-1]} values are not a square grid")
    return side


def _best(scores: np.ndarray, share: float) -> np.ndarray:
    """Mask of the highest scores, `share` of them and at least one."""
    count = max(1, round(share * scores.size))
    return scores >= np.sort(scores, axis=None)[-count]


def _entropy(looks: np.ndarray) -> np.ndarray:
    """(F, heads, R, K) -> mean entropy of the rows of each head (heads,)."""
    return -(looks * np.log(np.maximum(looks, SMALLEST))).sum(-1).mean((0, 2))


def _share(values: np.ndarray) -> np.ndarray:
    return values / max(values.sum(), SMALLEST)


def _relative(values: np.ndarray, neutral: np.ndarray) -> np.ndarray:
    """values / neutral along the last axis, with the sum that `values` had."""
    ratio = values / np.maximum(neutral, SMALLEST)
    return ratio * values.sum(-1, keepdims=True) / np.maximum(ratio.sum(-1, keepdims=True), SMALLEST)


def _without(values: np.ndarray, masked: np.ndarray) -> np.ndarray:
    """Masked columns at zero, the others raised so that each row has the sum it had."""
    left = np.where(masked, 0, values)
    return left * values.sum(-1, keepdims=True) / np.maximum(left.sum(-1, keepdims=True), SMALLEST)
