"""What stands where in the sequence that the language model reads: prompt and tokens -> named spans, whole words."""

from collections.abc import Sequence
from itertools import groupby

from ..model import IMAGE_TOKEN, EmoLlamaProcessor
from ..prompts import attribute_sentence, question_text, user_text
from ..schema import EmoPrompt, Span

Mark = tuple[str, int | None]  # kind, frame


def prompt_spans(processor: EmoLlamaProcessor, text: str, prompt: EmoPrompt, frames: int) -> list[Span]:
    """Spans of a prompt's tokens, in order, each position once.

    Args:
        text: the exact prompt, with one `<image>`.
        frames: that the model reads.
    """
    slots = processor.tokens_per_frame * frames
    text = text.replace(IMAGE_TOKEN, IMAGE_TOKEN * slots)
    encoded = processor.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    image = processor.tokenizer.convert_tokens_to_ids(IMAGE_TOKEN)
    places = iter(_frame_marks(processor.tokens_per_frame, frames))
    start = text.rindex(user_text(prompt))
    middle = start + len(attribute_sentence(prompt.attributes, prompt.kind))
    stop = start + len(user_text(prompt))
    question = stop - len(question_text(prompt))
    marks: list[Mark] = []
    for token, (_, end) in zip(encoded["input_ids"], encoded["offset_mapping"], strict=True):
        last = end - 1  # a token belongs where its last letter stands: the space before a word is part of its token
        if token == image:
            marks.append(next(places))
        elif start <= last < middle:
            marks.append(("attributes", None))
        elif question <= last < stop:
            marks.append(("question", None))
        else:
            marks.append(("rest", None))
    return _join(marks)


def _frame_marks(tokens_per_frame: int, frames: int) -> list[Mark]:
    each = (tokens_per_frame - 2) // 2
    kinds = ["context", "content", *["face_global"] * each, *["face_local"] * each]
    return [(kind, frame) for frame in range(frames) for kind in kinds]


def _join(marks: Sequence[Mark]) -> list[Span]:
    spans: list[Span] = []
    for (kind, frame), run in groupby(marks):
        start = spans[-1].stop if spans else 0
        spans.append(Span(kind, start, start + len(list(run)), frame))
    return spans


def group_words(processor: EmoLlamaProcessor, tokens: Sequence[int]) -> list[tuple[str, range]]:
    """Generated tokens as words: the text of each and which tokens it is made of; marks stay with the word before.

    An empty answer is one empty word made of the first token, which would have begun it.
    """
    decode = processor.tokenizer.decode
    starts, begun, before = [], 0, ""
    for place in range(len(tokens)):
        text = decode(tokens[: place + 1], skip_special_tokens=True)
        if place == 0 or (text[len(before) : len(before) + 1].isspace() and before[begun:].strip()):
            starts.append(place)
            begun = len(before)
        before = text
    if len(starts) > 1 and not before[begun:].strip():
        starts.pop()  # a last line break
    edges = [*starts, len(tokens)]
    runs = [range(start, stop) for start, stop in zip(edges, edges[1:], strict=False)]
    return [(decode(tokens[run.start : run.stop], skip_special_tokens=True).strip(), run) for run in runs] or [
        ("", range(1))
    ]
