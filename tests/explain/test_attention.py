"""One look gives the pipeline's own answer, whole rows, spans without a gap, and nothing where a gate is closed."""

import copy
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from emo_toolkit.errors import EmoError
from emo_toolkit.explain import look_inside, maps
from emo_toolkit.explain.attention import roll_out
from emo_toolkit.explain.sequence import group_words, prompt_spans
from emo_toolkit.labels import DEFAULT_OPTIONS
from emo_toolkit.pipeline import EmoPipeline, Reading
from emo_toolkit.prompts import attribute_sentence, question_text
from emo_toolkit.schema import FRAME_KINDS, EmoPrompt, FaceAttention, FaceAttributes, Media

PERSON = FaceAttributes("30-39", "female", "Asian", "given")
PROMPT = EmoPrompt(options=DEFAULT_OPTIONS, attributes=PERSON)
CLIP = EmoPrompt("video", "What does this face show?", DEFAULT_OPTIONS, PERSON)


@pytest.fixture(scope="module")
def photo(tiny_pipeline: EmoPipeline, astronaut: Path) -> Reading:
    return tiny_pipeline.read(astronaut)


@pytest.fixture(scope="module")
def clip(tiny_pipeline: EmoPipeline, astronaut: Path) -> Reading:
    """Three frames, the second without a face."""
    face = Image.open(astronaut).convert("RGB").crop((100, 0, 356, 256))
    blank = Image.new("RGB", face.size, (90, 90, 90))
    frames = (face, blank, face.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    return tiny_pipeline.look(Media(frames, (0.0, 0.5, 1.0), "video", face.size, 1.5))


@pytest.fixture(scope="module")
def seen(talker: EmoPipeline, photo: Reading) -> FaceAttention:
    return look_inside(talker, photo, PROMPT, max_new_tokens=12, gradients=True, neutral=True)


@pytest.fixture(scope="module")
def seen_clip(talker: EmoPipeline, clip: Reading) -> FaceAttention:
    return look_inside(talker, clip, CLIP, max_new_tokens=12, gradients=True, neutral=True)


def test_the_answer_is_the_pipelines(talker, photo, seen):
    scores, text, prompt = talker.answer(photo, PROMPT, max_new_tokens=12)
    assert seen.scores == scores and seen.text == text and seen.prompt == prompt
    assert " ".join(seen.words).split() == text.split() and len(seen.words) > 1
    assert seen.label == max(scores, key=scores.__getitem__) == seen.gradients.label
    assert talker.answer(photo, PROMPT, max_new_tokens=12) == (scores, text, prompt)  # nothing is left behind


@pytest.mark.parametrize("name", ["seen", "seen_clip"])
def test_rows_sum_to_one(name, request):
    look = request.getfixturevalue(name)
    for attention in (
        *(look.rows, look.rollout, look.text_rows, look.context, look.token_parts),
        *(look.global_attention, look.local_attention, look.global_clues, look.local_clues),
    ):
        assert attention.min() >= 0
        np.testing.assert_allclose(attention.astype(np.float64).sum(-1), 1, atol=2e-3)  # float16
    assert look.rows.shape[0] == len(look.words) and look.rows.shape[-1] == look.spans[-1].stop
    assert look.global_strength.min() > 0 and look.global_strength.max() < 1


@pytest.mark.parametrize("name", ["seen", "seen_clip"])
def test_spans_cover_the_sequence_once(name, request):
    look = request.getfixturevalue(name)
    assert look.spans[0].start == 0
    for before, span in zip(look.spans, look.spans[1:], strict=False):
        assert before.stop == span.start < span.stop
    frames = [(span.frame, span.kind) for span in look.spans if span.frame is not None]
    assert frames == [(frame, kind) for frame in range(len(look.crops)) for kind in FRAME_KINDS]
    assert all(span.stop - span.start == 1 for span in look.spans if span.frame is not None)
    assert [span.kind for span in look.spans].count("attributes") == 1


def test_frames_without_a_face_are_left_out(seen_clip):
    assert seen_clip.times == (0.0, 1.0) and len(seen_clip.crops) == len(seen_clip.lens) == 2


@pytest.mark.parametrize(
    "prompt",
    [
        PROMPT,
        EmoPrompt(question="What is this?"),
        EmoPrompt("video", "The person in the video is a person.", (), FaceAttributes(gender="male")),
        EmoPrompt(question="Größe? 😀 と", attributes=PERSON),
    ],
)
def test_spans_hold_the_words_they_name(tiny_pipeline, photo, prompt):
    texts, batch = tiny_pipeline.inputs([photo], [prompt])
    ids, tokenizer = batch["input_ids"][0].tolist(), tiny_pipeline.processor.tokenizer
    spans = prompt_spans(tiny_pipeline.processor, texts[0], prompt, 1)
    assert spans[-1].stop == len(ids)
    said = {
        kind: "".join(tokenizer.decode(ids[span.start : span.stop]) for span in spans if span.kind == kind).strip()
        for kind in ("attributes", "question")
    }
    assert said["question"] == question_text(prompt)
    assert said["attributes"] == attribute_sentence(prompt.attributes, prompt.kind)


def test_words_are_whole(tiny_pipeline):
    tokenizer = tiny_pipeline.processor.tokenizer
    text = "one of  the following, é😀 options.\n"
    tokens = tokenizer(text)["input_ids"]
    words = group_words(tiny_pipeline.processor, tokens)
    assert [word for word, _ in words] == text.split()
    assert [place for _, run in words for place in run] == list(range(len(tokens)))
    assert group_words(tiny_pipeline.processor, []) == [("", range(1))]


def test_no_text_still_looks(talker, photo, seen):
    alone = look_inside(talker, photo, PROMPT, max_new_tokens=0)
    assert alone.words == ("",) and alone.text == "" and alone.scores == seen.scores
    assert alone.spans[-1].kind == "rest" and alone.rows.shape[0] == 1
    first = seen.rows[0].astype(np.float32)
    if len(seen.words[0]) == 1:
        np.testing.assert_allclose(alone.rows[0], first[..., : alone.rows.shape[-1]], atol=1e-3)
    np.testing.assert_allclose(alone.rows[0].mean((0, 1)), alone.text_rows[-1], atol=1e-3)


def test_no_options_and_no_face(talker, photo, clip):
    free = look_inside(talker, photo, EmoPrompt(question="Why?"), max_new_tokens=6, gradients=True)
    assert free.scores == {} and free.label is None and free.gradients.label == free.text
    blank = talker.look(Media((Image.new("RGB", (64, 64)),), (0.0,), "image", (64, 64)))
    with pytest.raises(EmoError, match="no face"):
        look_inside(talker, blank, PROMPT)


def test_it_pickles_and_says_its_size(seen, seen_clip):
    for look in (seen, seen_clip):
        again = pickle.loads(pickle.dumps(look))
        np.testing.assert_array_equal(again.rows, look.rows)
        assert again.spans == look.spans and again.neutral.words == ("",)
        assert look.nbytes < 2**20


def test_closed_gates_contribute_nothing(talker, photo, seen):
    model = copy.deepcopy(talker.model)
    fim = model.face_info_mining
    pipeline = EmoPipeline(replace(talker.checkpoint, model=model), talker.extractor)
    for gate in (fim.global_branch.attention.gate, fim.local_branch.attention.gate):
        torch.nn.init.zeros_(gate)
    inner = look_inside(pipeline, photo, PROMPT, max_new_tokens=4, gradients=True)
    for view in ("global", "local"):
        for method in ("raw", "gradient"):
            assert not maps.patch_map(inner, view, method=method).any()
            assert maps.patch_map(seen, view, method=method).any()
    torch.nn.init.zeros_(fim.clue_gates)
    closed = look_inside(pipeline, photo, PROMPT, max_new_tokens=4)
    np.testing.assert_allclose(closed.token_parts, [[[1, 0, 0]] * 2], atol=1e-6)
    context = maps.frame_weights(closed)[..., 0].mean(0)[:, None] * closed.context
    np.testing.assert_allclose(maps.word_map(closed), context, atol=1e-7)
    assert (
        np.abs(maps.word_map(seen)).sum()
        > 1.2 * np.abs(maps.frame_weights(seen)[..., 0].mean(0)[:, None] * seen.context).sum()
    )


def test_asking_changes_no_bit(tiny_pipeline, photo):
    _, batch = tiny_pipeline.inputs([photo], [PROMPT])
    with torch.no_grad():
        plain = tiny_pipeline.model(**batch)
        asked = tiny_pipeline.model(**batch, output_face_attentions=True)
    assert torch.equal(plain.logits, asked.logits)
    assert plain.face.local_clue_attention is None and plain.face.context_attention is None


def test_the_context_token_is_a_mean_of_patches(tiny_pipeline, photo):
    model = tiny_pipeline.model
    _, batch = tiny_pipeline.inputs([photo], [PROMPT])
    with torch.no_grad():
        output = model(**batch, output_face_attentions=True)
        patches = model.get_vision_features(batch["pixel_values"][0])[:, 1:]
        made = model.multi_modal_projector.context_proj(output.face.context_attention.mean(1, keepdim=True) @ patches)
    torch.testing.assert_close(made[:, 0], output.frame_tokens[:, 0], atol=1e-5, rtol=1e-4)


def test_rollout_of_one_layer_and_of_a_chain():
    rows = np.zeros((2, 1, 3), np.float32)
    rows[0, 0] = [1, 0, 0]
    rows[1, 0] = [0.25, 0.75, 0]
    np.testing.assert_allclose(roll_out(rows, [1, 2]), [[0.5, 0.5, 0], [0.125, 0.375, 0.5]])
    many = roll_out(np.repeat(rows, 40, axis=1), [1, 2])  # everything ends in the leaf
    np.testing.assert_allclose(many, [[1, 0, 0], [1, 0, 0]], atol=1e-5)
