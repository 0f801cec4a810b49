"""More questions about the face that was read last: no new upload, and the answers stay as a short conversation.

question, Subject -> the desk's GPU function -> answer word by word -> chat and run record
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from ..errors import EmoError
from ..pipeline import make_prompt
from ..prompts import MAX_QUESTION_LETTERS, clean_question
from .desk import MODEL_TURN, Desk, Subject
from .failures import in_plain_words

TITLE = "### Ask more about this face"
ALONE = "Every question is asked anew about the same face; the model does not see its earlier answers."
GONE = "There is no face to ask about: it is forgotten 10 minutes after it was read. Read it again."
NOTHING = "There is no question yet: write one first."
ENOUGH = "{most} questions about one reading are enough. Read the face again to start anew."
MOST_TURNS = 12
IDEAS = {  # what the buttons say -> what they ask; the model learnt to answer each of these
    "Eyes, brows, mouth?": "Look at the eyes, brows and mouth. What do they show?",
    "Clear or mixed?": "Does the expression look clear or mixed?",
    "What is missing?": "Is there anything the face in the {kind} does not do?",
}


def as_chat(turns: list[dict[str, Any]]) -> list[dict[str, str]]:
    """The turns of a run record as messages."""
    roles = (("user", "question"), ("assistant", "text"))
    return [{"role": role, "content": turn[key] or "…"} for turn in turns for role, key in roles]


class FollowUp:
    """The event handler of the conversation."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def answer(
        self, asked: str, subject: Subject | None, record: dict[str, Any] | None
    ) -> Iterator[tuple[Any, Any, Any, Any]]:
        """Chat, record to keep, record to show, and what stands in the question's box."""
        with in_plain_words():
            if subject is None or not record:
                raise EmoError(GONE)
            kind, earlier = subject.prompt.kind, record.get("follow_ups", [])
            asked = IDEAS[asked].format(kind=kind) if asked in IDEAS else clean_question(asked or "")
            if not asked:
                raise EmoError(NOTHING)
            if len(earlier) >= MOST_TURNS:
                raise EmoError(ENOUGH.format(most=MOST_TURNS))
            began = time.perf_counter()
            turn = {"question": asked, "text": ""}
            prompt = make_prompt(kind, asked, (), subject.prompt.attributes)
            yield gr.Chatbot(as_chat([*earlier, turn]), visible=True), gr.skip(), gr.skip(), ""
            for _, text, exact, _ in self.desk.ask(subject.reading, prompt):
                turn = {"question": asked, "text": text, "prompt": exact}
                yield as_chat([*earlier, turn]), gr.skip(), gr.skip(), gr.skip()
            turn["seconds"] = round(time.perf_counter() - began, 2)
            record = record | {"follow_ups": [*earlier, turn]}
            yield as_chat(record["follow_ups"]), record, record, gr.skip()


@dataclass(frozen=True)
class FollowUpPanel:
    """The components, made where they stand and wired once the record is there."""

    column: gr.Column
    chat: gr.Chatbot
    question: gr.Textbox
    ideas: list[gr.Button]

    def wire(self, desk: Desk, subject: gr.State, record: gr.State, data: gr.JSON) -> None:
        outputs = [self.chat, record, data, self.question]
        serve = {"api_visibility": "private", "show_progress": "hidden", **MODEL_TURN}
        for source, listen in ((self.question, self.question.submit), *((idea, idea.click) for idea in self.ideas)):
            listen(FollowUp(desk).answer, [source, subject, record], outputs, **serve)


def follow_up_panel() -> FollowUpPanel:
    """Hidden until there is a face to ask about."""
    with gr.Column(visible=False, elem_id="more") as column:
        gr.Markdown(TITLE)
        chat = gr.Chatbot(
            visible=False,
            label="Questions and answers about this face",
            show_label=False,
            height="auto",
            max_height=420,
            layout="bubble",
            render_markdown=False,
            feedback_options=None,
            buttons=[],
            allow_tags=False,
            elem_id="chat",
        )
        question = gr.Textbox(
            label="Your question",
            placeholder="What do you want to know about this face?",
            info=ALONE,
            max_length=MAX_QUESTION_LETTERS,
            max_lines=3,
            submit_btn="Ask",
        )
        with gr.Row():
            ideas = [gr.Button(idea, size="sm", min_width=100) for idea in IDEAS]
    return FollowUpPanel(column, chat, question, ideas)
