"""What maps show, what they leave out and how they are made, in plain words for every page that draws them."""

from ..schema import FRAME_KINDS, FaceAttention
from . import maps

CAUTION = (
    "Attention shows where numbers were read from, not why the answer came out. "
    "A map can look convincing and be wrong."
)
VIEW_TITLES = {
    "word": "Where the answer's words looked",
    "global": "Where the whole face's embedding went",
    "local": "Where the landmarks looked",
    "global_clues": "What fed the global face token",
    "local_clues": "What fed the local face token",
}
VIEW_NOTES = {
    "word": "Each word of the answer attends to the tokens of the frames. From the context token and the two face "
    "tokens that attention is followed on to the patches and landmarks that they were made from.",
    "global": "In the global branch of Face Info Mining each patch of the face asks the face embedding, what the "
    "facial analysis net says of the whole face. Orange: the patches to which it brought most.",
    "local": "In the local branch of Face Info Mining each of the 68 landmarks asks the patches. Orange: the patches "
    "that brought most to the landmarks.",
    "global_clues": "A few queries gather the patches of the global branch into one face token. Orange: the patches "
    "that they looked at.",
    "local_clues": "The same for the local branch: the queries look at landmarks. Orange: a landmark's own place and "
    "the patches where it had looked.",
}
METHOD_NOTES = {
    "raw": "the mean over layers and heads",
    "heads": "only the heads that look hardest",
    "rollout": "with what stays in its place from layer to layer (attention rollout)",
    "gradient": "attention times its gradient toward the answer; parts that speak against it are dropped",
    "relative": "over the map under the question “Describe the {kind}.”, so that habit drops out",
    "sinkless": "without places that are looked at whatever is asked",
}
LENS_NOTE = (
    "The words of the vocabulary whose embedding is nearest (cosine) to the face tokens, before the language model "
    "reads them. A hint at what a token says, no more: nearness is not meaning."
)
TERMS = {
    "Patch": "the vision tower sees the face, turned upright and cut out, as a square grid of patches.",
    "Face tokens": "the words of the answer never see patches. They see four kinds of tokens a frame: context and "
    "content (of the picture), face, global and face, local (of Face Info Mining).",
    "By chance": "the same map shifted, mirrored and turned, so that only the place differs.",
    "A centre guess": "patches near the middle of the face first, without looking at the map.",
    "Log-odds": "the natural logarithm of p / (1 - p) of the answer. +0.69 doubles its odds. “Over chance” is the "
    "mean height by which showing the map's patches first beats hiding them first, above that of moved copies.",
    "Prior summary": "Face Info Mining also adds the mean face embedding to the face tokens, through a small net "
    "without attention. That part of what they say has no place on the face, and no map can show it.",
}


def left_out(seen: FaceAttention, *, method: str = "raw") -> list[str]:
    """How large a part of the story the maps are."""
    frames = maps.frame_weights(seen, method=method).sum((1, 2)).mean()
    placed = maps.word_maps(seen, method=method).sum((1, 2)).mean()
    shares = maps.mapped_share(seen).mean(0)
    return [
        "A map is a part of the story, and here is how large a part.",
        f"Of all attention of the answer's words, {frames:.0%} goes to tokens of frames and {placed:.0%} can be "
        "followed to a place on the face. The rest goes to other words, to the content token (the mean of all "
        "patches) and to the prior summary, which have no place.",
        f"Of the clue in face, global {shares[0]:.0%} came through attention that a map shows, in face, local "
        f"{shares[1]:.0%}; the rest came from the prior summary.",
    ]


def token_table(seen: FaceAttention) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Head and rows: what each face token is made of, mean over the frames."""
    parts, shares = seen.token_parts.mean(0), maps.mapped_share(seen).mean(0)
    rows = [
        (name.replace("_", ", "), *(f"{share:.0%}" for share in row), f"{mapped:.0%}")
        for name, row, mapped in zip(FRAME_KINDS[2:], parts, shares, strict=True)
    ]
    return ("token", "content", "gathered by attention", "prior summary", "share of the clue in a map"), rows
