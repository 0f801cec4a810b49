"""Every sentence that the toolkit writes for the model: the question, the options, the age-gender-race sentence.

EmoPrompt -> text. The chat format around it (turn markers, `<image>`) belongs to the checkpoint.
"""

import re
from dataclasses import replace
from typing import Any

from .labels import AGE_GROUPS, GENDERS, RACES
from .schema import EmoPrompt, FaceAttributes

# FERID's category item, word for word: braces and final full stop are part of the text.
CATEGORY_QUESTION = (
    "What is the facial expression of the person in the {kind}? Choose one from the following options: {{{options}}}."
)
OPEN_QUESTION = "What is the facial expression of the person in the {kind}?"
NEUTRAL_QUESTION = "Describe the {kind}."  # asks nothing of a face: what attention is the same under it is habit
MAX_QUESTION_LETTERS = 500

# The same question and the same sentence in other words, for the noise floor of attribute effects; no training used
# them. The fillers are about as long as the attribute sentence and tell no age, gender, race or expression.
QUESTIONS = (
    "Which facial expression does the person in the {kind} show? Choose one of the following options: {{{options}}}.",
    "What expression is on the face of the person in the {kind}? Pick one of these options: {{{options}}}.",
    "Choose one from the following options: {{{options}}}. What is the facial expression of the person in the {kind}?",
    "How would you name the facial expression of the person in the {kind}? Select one of these: {{{options}}}.",
    "Look at the face of the person in the {kind}. Which one of these options is its expression: {{{options}}}?",
    "From the following options, which one is the facial expression of the person in the {kind}: {{{options}}}?",
    "The person in the {kind} has a facial expression. Which one of these options is it: {{{options}}}?",
)
FREE_QUESTIONS = (
    "Please answer: {question}",
    "Look at the face. {question}",
    "{question} Give one answer.",
    "Here is a question. {question}",
    "{question} Please answer that.",
    "One question: {question}",
    "{question} What do you answer?",
)
SENTENCE = "The person in the {kind} is {who}."
SENTENCES = (
    "In the {kind}, the person is {who}.",
    "The {kind} shows {who}.",
    "It is {who} who is in the {kind}.",
    "This {kind} is of {who}.",
)
FILLERS = (
    "The person in the {kind} is the one shown here.",
    "The person in the {kind} is a person that somebody recorded.",
    "The person in the {kind} is the person asked about below.",
    "The person in the {kind} is number 48 of 90.",
    "The {kind} is the one that this question is about.",
    "In the {kind}, one person is in view.",
    "This {kind} has one person in it, as said.",
    "The question below is about the person in the {kind}.",
)


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
    who = _who(attributes)
    return SENTENCE.format(kind=kind, who=who) if who else ""


def _who(attributes: FaceAttributes) -> str:
    """ "a White female aged 30-39", or "" when nothing is known."""
    words = [word for word in (attributes.race, attributes.gender) if word]
    who = " ".join(words) or ("person" if attributes.age else "")
    if not who:
        return ""
    article = "an" if who[0].lower() in "aeiou" else "a"
    age = f" aged {attributes.age}" if attributes.age else ""
    noun = "" if who == "person" or attributes.gender else " person"
    return f"{article} {who}{noun}{age}"


def reworded(prompt: EmoPrompt) -> tuple[EmoPrompt, ...]:
    """The prompt with its attributes told in each of the other `SENTENCES`.

    Raises:
        ValueError: the prompt tells no attribute.
    """
    if not (who := _who(prompt.attributes)):
        raise ValueError("the prompt tells no attribute, so there is no sentence to say in other words")
    return tuple(replace(prompt, sentence=each.format(kind=prompt.kind, who=who)) for each in SENTENCES)


def filled(prompt: EmoPrompt) -> tuple[EmoPrompt, ...]:
    """The prompt with each of the `FILLERS` in the place of the attribute sentence."""
    return tuple(replace(prompt, sentence=each.format(kind=prompt.kind)) for each in FILLERS)


def asked_otherwise(prompt: EmoPrompt) -> tuple[EmoPrompt, ...]:
    """The prompt with its question in other words, seven times. A question of the caller's own keeps its words."""
    if own := clean_question(prompt.question or ""):
        return tuple(replace(prompt, question=each.format(question=own)) for each in FREE_QUESTIONS)
    values = {"kind": prompt.kind, "options": ", ".join(prompt.options)}
    return tuple(replace(prompt, question=each.format(**values)) for each in QUESTIONS)


def user_text(prompt: EmoPrompt) -> str:
    """What follows the `<image>` placeholder: attribute sentence, then question. The order lets prompts that differ
    only in attributes share the visual prefix."""
    told = attribute_sentence(prompt.attributes, prompt.kind) if prompt.sentence is None else prompt.sentence
    return " ".join(part for part in (told, question_text(prompt)) if part)


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
