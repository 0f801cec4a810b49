"""Every sentence that the toolkit writes for the model: the question, the options, the age-gender-race sentence.

EmoPrompt -> text. The chat format around it (turn markers, `<image>`) belongs to the checkpoint.
"""

import re
from typing import Any

from .labels import AGE_GROUPS, GENDERS, RACES
from .schema import EmoPrompt, FaceAttributes

# FERID's category item, word for word: braces and final full stop are part of the text.
CATEGORY_QUESTION = (
    "What is the facial expression of the person in the {kind}? Choose one from the following options: {{{options}}}."
)
OPEN_QUESTION = "What is the facial expression of the person in the {kind}?"
MAX_QUESTION_LETTERS = 500


def question_text(prompt: EmoPrompt) -> str:
    """The question alone; it also guides the Q-Formers, which never see the attribute sentence."""
    if asked := clean_question(prompt.question or ""):
        return asked
    if prompt.options:
        return CATEGORY_QUESTION.format(kind=prompt.kind, options=", ".join(prompt.options))
    return OPEN_QUESTION.format(kind=prompt.kind)


def attribute_sentence(attributes: FaceAttributes, kind: str = "image") -> str:
    """The handcrafted age-gender-race sentence, or "" when nothing is known.

    Reconstruction: the paper's wording is not published. Unknown parts are left out, never guessed.
    """
    words = [word for word in (attributes.race, attributes.gender) if word]
    who = " ".join(words) or ("person" if attributes.age else "")
    if not who:
        return ""
    article = "an" if who[0].lower() in "aeiou" else "a"
    age = f" aged {attributes.age}" if attributes.age else ""
    noun = "" if who == "person" or attributes.gender else " person"
    return f"The person in the {kind} is {article} {who}{noun}{age}."


def user_text(prompt: EmoPrompt) -> str:
    """What follows the `<image>` placeholder: attribute sentence, then question. The order lets prompts that differ
    only in attributes share the visual prefix."""
    return " ".join(
        part for part in (attribute_sentence(prompt.attributes, prompt.kind), question_text(prompt)) if part
    )


def messages(prompt: EmoPrompt) -> list[dict[str, Any]]:
    """The prompt as chat messages for `EmoLlamaProcessor.apply_chat_template`."""
    return [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": user_text(prompt)}]}]


def clean_question(question: str) -> str:
    """A visitor's question on one line, without chat markers or placeholders, at most 500 letters."""
    plain = re.sub(r"<\|[^|<>]*\|>|</?(image|s|pad|unk)>", " ", question)
    return re.sub(r"\s+", " ", plain).strip()[:MAX_QUESTION_LETTERS]


def parse_attributes(text: str) -> FaceAttributes:
    """Attributes typed by a user, such as "age=30-39,gender=female"; raises ValueError naming the words allowed."""
    allowed = {"age": AGE_GROUPS, "gender": GENDERS, "race": RACES}
    given: dict[str, str] = {}
    for part in filter(None, (item.strip() for item in text.split(","))):
        name, _, value = (word.strip() for word in part.partition("="))
        if name not in allowed:
            raise ValueError(f"'{name}' is not an attribute; use age, gender or race, as in age=30-39,gender=female")
        match = {word.lower(): word for word in allowed[name]}.get(value.lower())
        if match is None:
            raise ValueError(f"'{value}' is not a value of {name}; choose one of {', '.join(allowed[name])}")
        given[name] = match
    return FaceAttributes(**given, origin="given" if given else "none")
