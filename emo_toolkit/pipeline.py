"""The hall: photo or clip in, EmoPrediction out. App, command line, notebooks and evaluation call this one object.

`read` (decoding and face work, CPU) and `answer` (the model) are separate, so that a hosted GPU is held for one call.
"""

import copy
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from transformers import BatchFeature

from .checkpoints import Checkpoint, Progress, load
from .errors import EmoError
from .face import FacialPriorExtractor
from .labels import DEFAULT_OPTIONS, parse_label
from .likelihood import PackedAnswers
from .media import load_media
from .prompts import clean_question, messages, question_text
from .schema import EmoPrediction, EmoPrompt, FaceAttributes, FaceCrop, FacialPriors, FrameRecord, Media

NO_FACE = (
    "No usable face was found ({why}). Use a picture in which one face is at least 20 pixels wide and mostly visible."
)
MAX_NEW_TOKENS = 64


@dataclass(frozen=True)
class Reading:
    """What the CPU side knows of one file: frames, one face crop a frame, and priors of the usable frames only."""

    media: Media
    crops: tuple[FaceCrop, ...]
    priors: FacialPriors | None  # None when no frame has a usable face

    @property
    def seen(self) -> list[FaceCrop]:
        """The crops that the model reads."""
        return [crop for crop in self.crops if crop.status.usable]

    @property
    def missing(self) -> str:
        """Why the other frames are not used, such as "no face, too small"; "" when all are."""
        return ", ".join(sorted({str(crop.status).replace("_", " ") for crop in self.crops if not crop.status.usable}))

    @property
    def frames(self) -> tuple[FrameRecord, ...]:
        """One record a frame, for people and for JSON."""
        return tuple(
            FrameRecord(
                time=round(when, 3),
                box=None if crop.box is None else tuple(round(float(edge), 1) for edge in crop.box),
                found=crop.status.usable,
                status=str(crop.status),
            )
            for when, crop in zip(self.media.times, self.crops, strict=True)
        )


class EmoPipeline:
    """EMO-LLaMA, ready to answer.

        pipeline = EmoPipeline.from_checkpoint("mini")
        prediction = pipeline.predict("photo.jpg")

    Args:
        checkpoint: a loaded checkpoint.
        extractor: finds faces and makes priors; the embedded analyser by default.
    """

    def __init__(self, checkpoint: Checkpoint, extractor: FacialPriorExtractor | None = None) -> None:
        self.checkpoint = checkpoint
        self.model, self.processor = checkpoint.model, checkpoint.processor
        self.extractor = extractor or FacialPriorExtractor()

    @classmethod
    def from_checkpoint(
        cls, name: str = "mini", *, device: str | None = None, progress: Progress | None = None
    ) -> "EmoPipeline":
        """Loads a checkpoint by name, folder or Hub id; see `checkpoints.resolve`."""
        return cls(load(name, device=device, progress=progress))

    def read(
        self,
        path: str | Path,
        *,
        face: int | None = None,
        box: Sequence[float] | None = None,
        estimate: bool = False,
    ) -> Reading:
        """Decodes a file and finds one person's face in every frame.

        Args:
            path: an image or video file.
            face: index of the face, largest first; None takes the largest.
            box: a data set's own face box (x0, y0, x1, y1), used only when the detector finds nothing.
            estimate: also estimate age and gender (never race).

        Raises:
            MediaError: for a file that cannot be read or that passes a cap.
        """
        media = load_media(path, num_frames=self.processor.num_frames)
        return self.look(media, face=face, box=box, estimate=estimate)

    def look(
        self, media: Media, *, face: int | None = None, box: Sequence[float] | None = None, estimate: bool = False
    ) -> Reading:
        """As `read`, for media already decoded."""
        crops = tuple(self.extractor.detect(media, face=face, box=box))
        usable = [crop for crop in crops if crop.status.usable]
        priors = self.extractor.analyse(usable, attributes=estimate) if usable else None
        return Reading(media, crops, priors)

    def inputs(self, readings: Sequence[Reading], prompts: Sequence[EmoPrompt]) -> tuple[list[str], BatchFeature]:
        """The exact prompts, and the one processor call of the house, on the model's device."""
        text = self.texts(prompts)
        batch = self.processor(
            text,
            [[crop.image for crop in reading.seen] for reading in readings],
            priors=[reading.priors for reading in readings],
            guides=[question_text(prompt) for prompt in prompts],
        )
        return text, batch.to(self.checkpoint.device)

    def texts(self, prompts: Sequence[EmoPrompt]) -> list[str]:
        """The exact prompts, each with one `<image>` in the place of all frames."""
        return [
            self.processor.apply_chat_template(messages(prompt), add_generation_prompt=True, tokenize=False)
            for prompt in prompts
        ]

    def answer(
        self, reading: Reading, prompt: EmoPrompt, *, max_new_tokens: int = MAX_NEW_TOKENS
    ) -> tuple[dict[str, float], str, str]:
        """Label distribution over `prompt.options`, greedy text, and the exact prompt, from one prefill."""
        *_, last = self.stream(reading, prompt, max_new_tokens=max_new_tokens)
        return last

    @torch.inference_mode()
    def scores(self, reading: Reading, prompt: EmoPrompt) -> dict[str, float]:
        """The label distribution alone: p(option) from the likelihood of each option as the whole answer."""
        return self.score(prompt.options, *self._prefill(self.inputs([reading], [prompt])[1]))

    @torch.inference_mode()
    def likelihoods(self, readings: Sequence[Reading], prompt: EmoPrompt) -> torch.Tensor:
        """log p (readings, options) of every option as the whole answer about each reading, in one batch."""
        _, batch = self.inputs(readings, [prompt] * len(readings))
        return self.weigh(prompt.options, *self._prefill(batch), batch["attention_mask"])

    @torch.inference_mode()
    def stream(
        self, reading: Reading, prompt: EmoPrompt, *, max_new_tokens: int = MAX_NEW_TOKENS
    ) -> Iterator[tuple[dict[str, float], str, str]]:
        """The answer as it grows: label distribution and exact prompt at once with text "", then token by token."""
        text, batch = self.inputs([reading], [prompt])
        logits, cache = self._prefill(batch)
        scores = self.score(prompt.options, logits, cache) if prompt.options else {}
        yield scores, "", text[0]
        for tokens in self.write(logits, cache, max_new_tokens):
            yield scores, self.spell(tokens), text[0]

    def predict(
        self,
        path: str | Path,
        *,
        question: str | None = None,
        options: Sequence[str] = (),
        attributes: FaceAttributes | None = None,
        estimate: bool = False,
        face: int | None = None,
        box: Sequence[float] | None = None,
        max_new_tokens: int = MAX_NEW_TOKENS,
    ) -> EmoPrediction:
        """One file to one prediction; a bad file gives status "error" and a message instead of an exception.

        Args:
            path: an image or video file.
            question: a free question; None asks the category question. Without `options` a free question has no
                label distribution, and `label` is the option that the text names, if any.
            options: labels to choose from; the eight FERPlus labels when nothing is asked.
            attributes: age, gender and race words given by the caller.
            estimate: estimate age and gender from the face instead.
            face, box: as for `read`.
            max_new_tokens: how long the text may grow; 0 gives the scores alone, sooner.
        """
        began = time.perf_counter()
        name = self.checkpoint.name
        try:
            reading = self.read(path, face=face, box=box, estimate=estimate and attributes is None)
        except EmoError as error:
            return EmoPrediction(str(path), None, "error", checkpoint=name, message=str(error))
        prediction = EmoPrediction(str(path), reading.media.kind, "ok", checkpoint=name, frames=reading.frames)
        if reading.priors is None:
            prediction = replace(prediction, status="no_face", message=NO_FACE.format(why=reading.missing))
        else:
            known = attributes or reading.priors.attributes
            prompt = make_prompt(reading.media.kind, question, tuple(options), known)
            scores, text, exact = self.answer(reading, prompt, max_new_tokens=max_new_tokens)
            label = max(scores, key=scores.__getitem__) if scores else parse_label(text, DEFAULT_OPTIONS)
            prediction = replace(prediction, label=label, scores=scores, text=text, attributes=known, prompt=exact)
        return replace(prediction, seconds=round(time.perf_counter() - began, 3))

    def _prefill(self, batch: BatchFeature) -> tuple[torch.Tensor, object]:
        output = self.model(**batch, use_cache=True, logits_to_keep=1)
        return output.logits[:, -1].float(), output.past_key_values

    def score(self, options: Sequence[str], logits: torch.Tensor, cache: object) -> dict[str, float]:
        """The distribution over options behind one prefill: softmax of `weigh`."""
        (row,) = self.weigh(options, logits, cache, logits.new_ones(1, cache.get_seq_length()))
        return dict(zip(options, row.softmax(0).tolist(), strict=True))

    def weigh(self, options: Sequence[str], logits: torch.Tensor, cache: object, seen: torch.Tensor) -> torch.Tensor:
        """All options in one row behind each of N prefills: log p (N, options) of their tokens and end of turn.

        `logits` (N, V), `cache` and the attention mask `seen` (N, S) are the prefill's, and stay as they are.
        """
        answers = self.pack(options)
        row = answers.behind(seen, [[]] * len(seen), pad=self.processor.tokenizer.pad_token_id, dtype=self.model.dtype)
        output = self.model(**row, past_key_values=copy.deepcopy(cache), use_cache=True)
        return answers.log_likelihoods(torch.cat([logits.unsqueeze(1), output.logits.float()], dim=1))

    def pack(self, options: Sequence[str]) -> PackedAnswers:
        """Options as the answers that are learnt and scored."""
        return PackedAnswers([self.processor.answer_ids(option) for option in options])

    def spell(self, tokens: Sequence[int]) -> str:
        """The text of generated tokens."""
        return self.processor.tokenizer.decode(tokens, skip_special_tokens=True).strip()

    def write(self, logits: torch.Tensor, cache: object, max_new_tokens: int) -> Iterator[list[int]]:
        """Greedy tokens behind a prefill's last logits (1, V) and its cache, which grows: yields all tokens so far."""
        tokens: list[int] = []
        stop, blocked = self.processor.tokenizer.eos_token_id, self.model.config.image_token_id
        while len(tokens) < max_new_tokens:
            logits[:, blocked] = -torch.inf
            choice = logits.argmax(-1, keepdim=True)
            if choice.item() == stop:
                break
            tokens.append(choice.item())
            yield tokens[:]
            output = self.model(input_ids=choice, past_key_values=cache, use_cache=True)
            logits, cache = output.logits[:, -1].float(), output.past_key_values


def make_prompt(
    kind: str, question: str | None, options: tuple[str, ...], attributes: FaceAttributes = FaceAttributes()
) -> EmoPrompt:
    """The prompt of a request: the category question over the eight FERPlus labels when nothing is asked."""
    asked = clean_question(question or "") or None
    options = tuple(dict.fromkeys(filter(None, map(clean_question, options))))  # visitors' words; each one once
    if not options and not asked:
        options = DEFAULT_OPTIONS
    return EmoPrompt(kind=kind, question=asked, options=options, attributes=attributes)
