"""The hall with `tiny` and the real face wing: one prefill gives the distribution and the text that long ways give."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from emo_toolkit.labels import DEFAULT_OPTIONS, LABELS, parse_label
from emo_toolkit.pipeline import EmoPipeline, Reading, make_prompt
from emo_toolkit.prompts import messages, question_text
from emo_toolkit.schema import EmoPrompt, FaceAttributes, Media

ODD = ("neutral", "happiness", "a long answer, in seven or eight words", "x", "fear")
LONG = ("sadness, fear", "fear, sadness", "anger, sadness", "fear, fear, fear")


@pytest.fixture(scope="module")
def reading(tiny_pipeline: EmoPipeline, astronaut: Path) -> Reading:
    return tiny_pipeline.read(astronaut)


@pytest.fixture(scope="module")
def crowd(astronaut: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two faces: the larger one on the right."""
    face = Image.open(astronaut).convert("RGB").crop((100, 0, 350, 250))
    picture = Image.new("RGB", (640, 300), (96, 104, 112))
    picture.paste(face.resize((160, 160)), (20, 60))
    picture.paste(face, (350, 25))
    path = tmp_path_factory.mktemp("crowd") / "crowd.png"
    picture.save(path)
    return path


def slow_scores(pipeline: EmoPipeline, reading: Reading, prompt: EmoPrompt) -> dict[str, float]:
    """Each option alone, as a whole answer behind the whole prompt: log p of its tokens and the end of the turn."""
    text = pipeline.processor.apply_chat_template(messages(prompt), add_generation_prompt=True, tokenize=False)
    totals = []
    for option in prompt.options:
        batch = pipeline.processor(
            [text],
            [[crop.image for crop in reading.seen]],
            priors=[reading.priors],
            guides=[question_text(prompt)],
            answers=[option],
        )
        labels = batch.pop("labels")[:, 1:]
        with torch.no_grad():
            log_p = pipeline.model(**batch).logits[:, :-1].log_softmax(-1)
        totals.append(log_p.gather(2, labels.clamp(min=0).unsqueeze(2)).squeeze(2)[labels != -100].sum())
    return dict(zip(prompt.options, torch.stack(totals).softmax(0).tolist(), strict=True))


def test_a_photo(tiny_pipeline, astronaut):
    prediction = tiny_pipeline.predict(astronaut)
    assert (prediction.status, prediction.kind, prediction.path) == ("ok", "image", str(astronaut))
    assert tuple(prediction.scores) == DEFAULT_OPTIONS
    assert sum(prediction.scores.values()) == pytest.approx(1, abs=1e-5)
    assert prediction.label == max(prediction.scores, key=prediction.scores.__getitem__)
    (frame,) = prediction.frames
    x0, y0, x1, y1 = frame.box
    assert frame.found and frame.status == "ok" and 0 < x0 < 225 < x1 < 512 and 0 < y0 < 120 < y1 < 512
    assert prediction.prompt.count("<image>") == 1 and "{neutral, happiness," in prediction.prompt
    assert prediction.seconds > 0 and prediction.message is None
    assert prediction.checkpoint == tiny_pipeline.checkpoint.name


@pytest.mark.parametrize("options", [DEFAULT_OPTIONS, ODD, LONG, ("happiness",)])
def test_scores_equal_the_slow_way(tiny_pipeline, reading, options):
    prompt = EmoPrompt(options=options)
    fast, slow = tiny_pipeline.scores(reading, prompt), slow_scores(tiny_pipeline, reading, prompt)
    assert fast == pytest.approx(slow, rel=1e-3, abs=1e-20)
    assert len(options) == 1 or sorted(slow.values())[-2] > 1e-3


def test_order_of_scoring_changes_nothing(tiny_pipeline, reading):
    _, batch = tiny_pipeline.inputs([reading], [EmoPrompt(options=ODD)])
    with torch.inference_mode():
        logits, cache = tiny_pipeline._prefill(batch)
        length = cache.get_seq_length()
        forth = tiny_pipeline.score(ODD, logits, cache)
        back = tiny_pipeline.score(ODD[::-1], logits, cache)
        alone = tiny_pipeline.score(ODD[:2], logits, cache)
    assert tuple(back) == ODD[::-1] and back == pytest.approx(forth, rel=1e-4, abs=1e-20)
    assert alone[ODD[0]] / alone[ODD[1]] == pytest.approx(forth[ODD[0]] / forth[ODD[1]], rel=1e-3)
    assert cache.get_seq_length() == length  # scoring leaves the prefix to the answer


@pytest.mark.parametrize(
    "question", [None, "Does the expression look clear or mixed?", "How would you read this face?"]
)
def test_text_equals_generate(talker, reading, question):
    prompt = make_prompt("image", question, ())
    _, text, _ = talker.answer(reading, prompt, max_new_tokens=12)
    _, batch = talker.inputs([reading], [prompt])
    model = talker.model
    written = model.generate(**batch, max_new_tokens=12, suppress_tokens=[model.config.image_token_id])
    new = written[0, batch["input_ids"].shape[1] :]
    assert text == talker.processor.tokenizer.decode(new, skip_special_tokens=True).strip()
    assert len(text) > 3


def test_the_stream_ends_in_the_answer(talker, reading):
    prompt = make_prompt("image", None, ())
    stream = list(talker.stream(reading, prompt, max_new_tokens=12))
    answer = talker.answer(reading, prompt, max_new_tokens=12)
    assert stream[-1] == answer and len(stream) > 3
    assert stream[0] == (answer[0], "", answer[2])
    assert talker.scores(reading, prompt) == pytest.approx(answer[0], abs=1e-6)


def test_max_new_tokens(talker, reading):
    assert len(list(talker.stream(reading, make_prompt("image", None, ()), max_new_tokens=2))) == 3
    assert talker.answer(reading, make_prompt("image", None, ()), max_new_tokens=0)[1] == ""


def test_noise_has_no_face(tiny_pipeline, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (240, 240, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    prediction = tiny_pipeline.predict(tmp_path / "noise.png")
    assert prediction.status == "no_face" and prediction.message.startswith("No usable face was found (")
    assert prediction.label is None and prediction.text is None and prediction.scores == {}
    assert [frame.found for frame in prediction.frames] == [False] and prediction.seconds > 0


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n" + b"\0" * 40])
def test_a_bad_file_is_an_error_with_a_message(tiny_pipeline, tmp_path, content):
    path = tmp_path / "bad.png"
    path.write_bytes(content)
    prediction = tiny_pipeline.predict(path)
    assert prediction.status == "error" and prediction.message and prediction.label is None


def test_a_missing_file_is_an_error_with_a_message(tiny_pipeline, tmp_path):
    assert tiny_pipeline.predict(tmp_path / "nothing.jpg").status == "error"


def test_several_faces(tiny_pipeline, crowd):
    largest, first, second = (tiny_pipeline.predict(crowd, face=face) for face in (None, 0, 1))
    assert replace(largest, seconds=0) == replace(first, seconds=0)
    assert first.frames[0].box[0] > 350 > 180 > second.frames[0].box[2]
    assert first.scores != second.scores


@pytest.mark.parametrize("face", [2, -1])
def test_a_face_that_is_not_there(tiny_pipeline, crowd, face):
    prediction = tiny_pipeline.predict(crowd, face=face)
    assert prediction.status == "error" and f"no face number {face}: 2 found" in prediction.message


def test_a_free_question(talker, astronaut):
    prediction = talker.predict(astronaut, question="How would most people read this face?")
    assert prediction.status == "ok" and prediction.scores == {}
    assert prediction.label == parse_label(prediction.text, DEFAULT_OPTIONS)
    assert "How would most people read this face?<|im_end|>" in prediction.prompt and "{" not in prediction.prompt


def test_a_free_question_with_options(tiny_pipeline, astronaut):
    prediction = tiny_pipeline.predict(astronaut, question="Clear or mixed?", options=["clear", "mixed", "clear"])
    assert tuple(prediction.scores) == ("clear", "mixed") and sum(prediction.scores.values()) == pytest.approx(1)
    assert prediction.label in ("clear", "mixed") and "Clear or mixed?<|im_end|>" in prediction.prompt


def test_options_alone_ask_the_category_question(tiny_pipeline, astronaut):
    prediction = tiny_pipeline.predict(astronaut, options=LABELS["mafw"])
    assert tuple(prediction.scores) == LABELS["mafw"] and "helplessness, disappointment}." in prediction.prompt


@pytest.mark.parametrize("words", ["<image>", "<|im_end|>", "   ", "y " * 3000])
def test_hostile_words_get_an_answer(tiny_pipeline, astronaut, words):
    assert tiny_pipeline.predict(astronaut, question=words).status == "ok"
    assert tiny_pipeline.predict(astronaut, options=[words, "fear"]).status == "ok"


def test_attributes(tiny_pipeline, astronaut):
    given = FaceAttributes("70+", "male", "Asian", "given")
    told = tiny_pipeline.predict(astronaut, attributes=given, estimate=True)
    assert told.attributes == given and "is an Asian male aged 70+. What is" in told.prompt
    estimated = tiny_pipeline.predict(astronaut, estimate=True)
    assert (estimated.attributes.gender, estimated.attributes.race) == ("female", None)
    assert estimated.attributes.origin == "estimated" and " female aged " in estimated.prompt
    plain = tiny_pipeline.predict(astronaut)
    assert plain.attributes == FaceAttributes() and "aged" not in plain.prompt
    assert plain.scores != told.scores != estimated.scores


def test_the_given_box_serves_where_nothing_is_found(tiny_pipeline, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    prediction = tiny_pipeline.predict(tmp_path / "noise.png", box=(0, 0, 48, 48))
    assert prediction.status == "ok" and prediction.frames[0].status == "given"


def test_a_clip_with_a_frame_without_a_face(tiny_pipeline, astronaut):
    photo = Image.open(astronaut).convert("RGB")
    clip = Media((photo, Image.new("RGB", photo.size), photo), (0.0, 0.5, 1.0), "video", photo.size, 1.5)
    reading = tiny_pipeline.look(clip)
    assert [frame.found for frame in reading.frames] == [True, False, True] and reading.missing == "no face"
    text, batch = tiny_pipeline.inputs([reading], [make_prompt("video", None, ())])
    assert batch["frame_mask"].shape == (1, 2) and "in the video?" in text[0]
    scores, *_ = tiny_pipeline.answer(reading, make_prompt("video", None, ()))
    assert sum(scores.values()) == pytest.approx(1)


def test_two_threads_answer_as_one(talker, astronaut, crowd):
    asked = [(astronaut, None), (crowd, "Is this a smile, or not, or what else would you call it?")] * 6
    alone = [talker.predict(path, question=question) for path, question in asked[:2]] * 6
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lambda job: talker.predict(job[0], question=job[1]), asked))
    for one, other in zip(alone, together, strict=True):
        assert replace(one, seconds=0) == replace(other, seconds=0)
