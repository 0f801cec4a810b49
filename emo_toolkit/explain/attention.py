"""Where an answer looked: one prefill and one greedy continuation give text, scores and every attention kept.

pipeline, reading, prompt -> FaceAttention; from there `maps` draws without the model.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from transformers import BatchFeature

from ..errors import EmoError
from ..model import FaceInfoMiningOutput
from ..pipeline import MAX_NEW_TOKENS, NO_FACE, EmoPipeline, Reading
from ..prompts import NEUTRAL_QUESTION
from ..schema import EmoPrompt, FaceAttention, LabelGradients, Lens, Span
from .gradients import label_gradients, pack_gradients
from .rows import RowCapture
from .sequence import group_words, prompt_spans

LENS_WORDS = 5  # shown a token
LENS_DEPTH = 200  # vocabulary entries searched for words


def look_inside(
    pipeline: EmoPipeline,
    reading: Reading,
    prompt: EmoPrompt,
    *,
    max_new_tokens: int = MAX_NEW_TOKENS,
    gradients: bool = False,
    neutral: bool = False,
) -> FaceAttention:
    """Answers as the pipeline does, the same tokens and scores, and keeps where it looked.

    Args:
        max_new_tokens: of the text; its attention rows take tokens x layers x heads x S numbers of 2 bytes.
        gradients: also gradient x attention toward the likeliest label (without options: toward the text). Costs one
            forward and one backward pass more.
        neutral: also one look under a neutral question, for maps relative to it. Costs one prefill more.

    Raises:
        EmoError: for a reading without a usable face.
        ValueError: for a language model that does not run under SDPA.
    """
    wishes = {"max_new_tokens": max_new_tokens, "gradients": gradients, "neutral": neutral}
    *_, (*_, seen) = stream_inside(pipeline, reading, prompt, **wishes)
    return seen


@torch.no_grad()
def stream_inside(
    pipeline: EmoPipeline,
    reading: Reading,
    prompt: EmoPrompt,
    *,
    max_new_tokens: int = MAX_NEW_TOKENS,
    gradients: bool = False,
    neutral: bool = False,
) -> Iterator[tuple[dict[str, float], str, str, FaceAttention | None]]:
    """As `look_inside`, while the answer grows: the steps of `EmoPipeline.stream`, and after them one that also holds
    where it looked."""
    if reading.priors is None:
        raise EmoError(NO_FACE.format(why=reading.missing))
    (exact,), batch = pipeline.inputs([reading], [prompt])
    length = batch["input_ids"].shape[1]
    spans = prompt_spans(pipeline.processor, exact, prompt, len(reading.seen))
    after = _text_behind_frames(spans)
    capture = RowCapture(pipeline.model.language_model, positions=after, onward=length, dtype=torch.float16)
    with capture:
        output = pipeline.model(**batch, use_cache=True, logits_to_keep=1, output_face_attentions=True)
    logits, cache, face = output.logits[:, -1].float(), output.past_key_values, output.face
    scores = pipeline.score(prompt.options, logits, cache) if prompt.options else {}
    yield scores, "", exact, None
    tokens, writing = [], pipeline.write(logits, cache, max_new_tokens)
    while True:
        with capture:  # anew for each token: a stream may go on in another thread
            more = next(writing, None)
        if more is None:
            break
        tokens = more
        yield scores, pipeline.spell(tokens), exact, None
    seen = FaceAttention(
        crops=tuple(reading.seen),
        times=tuple(when for when, crop in zip(reading.media.times, reading.crops, strict=True) if crop.status.usable),
        size=reading.media.size,
        scores=scores,
        text=pipeline.spell(tokens),
        prompt=exact,
        **_rows(pipeline, capture, spans, after, tokens),
        **_face_arrays(face, output.frame_tokens),
        landmarks=reading.priors.landmarks,
        lens=word_lens(pipeline, output.frame_tokens),
    )
    if gradients:
        seen = replace(seen, gradients=_gradients(pipeline, batch, face, seen, tokens))
    if neutral:
        plain = EmoPrompt(kind=prompt.kind, question=NEUTRAL_QUESTION.format(kind=prompt.kind))
        seen = replace(seen, neutral=look_inside(pipeline, reading, plain, max_new_tokens=0))
    yield scores, seen.text, exact, seen


def roll_out(rows: np.ndarray, positions: list[int]) -> np.ndarray:
    """Attention rollout (Abnar and Zuidema, 2020) over the positions whose rows are known: half of each layer stays in
    place, half follows the attention; every other position is a leaf. Rows (R, layers, S) -> (R, S), sums stay 1."""
    state = np.zeros((len(rows), rows.shape[-1]), np.float32)
    state[np.arange(len(rows)), positions] = 1
    leaves = np.ones(rows.shape[-1], np.float32)
    leaves[positions] = 0
    for layer in range(rows.shape[1]):
        look = rows[:, layer]
        state = 0.5 * state + 0.5 * (look * leaves + look[:, positions] @ state)
    return state


@torch.inference_mode()
def word_lens(pipeline: EmoPipeline, frame_tokens: torch.Tensor) -> tuple[tuple[Lens, Lens], ...]:
    """The vocabulary's words nearest (cosine) to face_global and face_local of each frame, before the language model
    reads them. Frame tokens (F, K, D)."""
    words = pipeline.model.get_input_embeddings().weight  # (V, D)
    faces = frame_tokens[:, 2:].unflatten(1, (2, -1)).mean(2).flatten(0, 1).to(words.dtype)  # (2 F, D)
    cosines = (words @ faces.mT).float() / words.norm(dim=-1, keepdim=True).float().clamp(min=1e-6)
    near = (cosines / faces.norm(dim=-1).float()).topk(min(LENS_DEPTH, len(words)), dim=0)
    lists = [
        _whole_words(pipeline, scores, ids)
        for scores, ids in zip(near.values.mT.tolist(), near.indices.mT.tolist(), strict=True)
    ]
    return tuple(zip(lists[::2], lists[1::2], strict=True))


def _whole_words(pipeline: EmoPipeline, scores: list[float], ids: list[int]) -> Lens:
    """The first entries of three letters or more, each once in whatever case; some are beginnings of words."""
    found: dict[str, float] = {}
    for score, token in zip(scores, ids, strict=True):
        word = pipeline.processor.tokenizer.decode([token], skip_special_tokens=True).strip().lower()
        if len(word) > 2 and word.isalpha():
            found.setdefault(word, round(score, 4))
    return tuple(found.items())[:LENS_WORDS]


def _text_behind_frames(spans: list[Span]) -> list[int]:
    """Positions of text that can see a frame token; the last one says the first word."""
    first = next(span.start for span in spans if span.frame is not None)
    behind = (span for span in spans if span.frame is None and span.start > first)
    return [position for span in behind for position in range(span.start, span.stop)]


def _rows(
    pipeline: EmoPipeline, capture: RowCapture, spans: list[Span], after: list[int], tokens: list[int]
) -> dict[str, Any]:
    """Rows of words, rollout and text rows, with the spans of the whole sequence."""
    length = spans[-1].stop
    words = group_words(pipeline.processor, tokens)
    positions = after + list(range(length, length + len(tokens) - 1))  # the last token chooses nothing
    rows = capture.rows(positions)  # (R, layers, heads, S)
    first = len(after) - 1  # the row that chose the first token
    means = roll_out(rows.mean(2), positions)
    if len(tokens) > 1:
        spans = [*spans, Span("answer", length, length + len(tokens) - 1)]
    return {
        "words": tuple(word for word, _ in words),
        "rows": np.stack([rows[first + run.start : first + run.stop].mean(0) for _, run in words]).astype(np.float16),
        "rollout": np.stack([means[first + run.start : first + run.stop].mean(0) for _, run in words]),
        "text_rows": rows[: len(after)].mean((1, 2)),
        "spans": tuple(spans),
    }


def _face_arrays(face: FaceInfoMiningOutput, frame_tokens: torch.Tensor) -> dict[str, np.ndarray]:
    """The module's maps as arrays, and what its tokens are made of."""
    summary = torch.zeros_like(face.clues) if face.summary is None else face.summary
    content = frame_tokens[:, 1:2].expand_as(face.clues)
    parts = torch.stack([content, face.clues - summary, summary], dim=-2).float()  # (F, 2 T, 3, D)
    norms = parts.norm(dim=-1).unflatten(1, (2, -1)).mean(2)
    half = {
        "global_attention": face.global_attention,
        "local_attention": face.local_attention,
        "global_clues": face.global_clue_attention,
        "local_clues": face.local_clue_attention,
    }
    full = {
        "global_strength": face.global_strength,
        "local_strength": face.local_strength,
        "context": face.context_attention.mean(1),
        "token_parts": norms / norms.sum(-1, keepdim=True).clamp(min=1e-12),
    }
    return {name: value.half().cpu().numpy() for name, value in half.items()} | {
        name: value.float().cpu().numpy() for name, value in full.items()
    }


def _gradients(
    pipeline: EmoPipeline, batch: BatchFeature, face: FaceInfoMiningOutput, seen: FaceAttention, tokens: list[int]
) -> LabelGradients:
    """Toward the likeliest label, or toward the text that was written."""
    stop = pipeline.processor.tokenizer.eos_token_id
    answer = pipeline.processor.answer_ids(seen.label) if seen.label else [*tokens, stop]
    found = label_gradients(pipeline.model, batch, face, answer)
    return pack_gradients(seen.label or seen.text, *found, length=seen.rows.shape[-1])
