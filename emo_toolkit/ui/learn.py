"""Learn and about: how the toolkit works, how to read what it shows, where it fails, what the law says, how to cite.

Figures and long texts are those of MODEL_CARD.md and README.md beside app.py, read when the page is built.
"""

import re
from pathlib import Path

import gradio as gr

from .desk import Desk
from .notice import DETAILS, NEVER, RESEARCH

ROOT = Path(__file__).parents[2]
CARD_OF = "mini"  # the checkpoint that the model card is about
ELSEWHERE = "See the model card and the README of the toolkit's source."
STEPS = (
    ("Photo or clip", "Frames are decoded on the CPU, with caps on size and time."),
    ("Face crops", "A detector finds the face in every frame; it is cut out upright and square."),
    ("Facial priors", "A facial analysis network adds face tokens and 68 landmarks, and age and gender if asked."),
    ("Face Info Mining", "Gated attention mixes these priors with what a vision tower sees: four tokens a frame."),
    ("Language model", "It reads the tokens, the question and, if there is one, a sentence about the person."),
    ("Answer", "How likely each of eight words is, and a sentence."),
)
ABOUT = """
## What this is
An independent reconstruction of **EMO-LLaMA** ([arXiv 2408.11424](https://arxiv.org/abs/2408.11424)), whose authors
published neither code nor weights. It says which expression people would probably **perceive** in a picture of a face,
shows where the answer came from, and how far to trust it.
"""
CARDS = {
    "Reading the bars": (
        "Each bar is the model's own likelihood of one word; together they make 100 %. A long bar says that the model "
        "is sure, not that it is right. Two bars of like length mean a mixed or unclear face, and below 50 % the page "
        "says **unsure**. No bar says what the person feels."
    ),
    "Why a map needs a verdict": (
        "An attention map shows where the model *looked*, which need not be what the answer *depends on*. So beside a "
        "map stands a test: the toolkit hides what the map points at and sees whether the answer moves sooner than by "
        "chance. **No better than chance** is a frequent verdict, and then the map explains nothing."
    ),
    "Action units": (
        "The Facial Action Coding System (FACS) describes a face by its movements: AU12 pulls the lip corners, AU4 "
        "lowers the brows; letters A (trace) to E (maximum) say how strongly. By convention (EMFACS) AU6 with AU12 "
        "stands for happiness. Movements can be seen, a feeling cannot. Move them yourself: "
        "[Make a face](?view=make)."
    ),
    "Where it fails": (
        "It learnt from FERPlus, small grey faces from the web, mostly neutral and happy, and from drawn faces. {rare}"
        "Its sentences repeat what the named expression usually looks like: **they are no evidence**."
    ),
}
RARE = "Of the FERPlus faces that raters called **disgust** it finds {disgust:.0%}, of **contempt** {contempt:.0%}. "


def section(name: str, title: str) -> str:
    """What stands under a "## title" of a text beside app.py, without code and without links into the source tree.

    An installed package lies without these texts; then it says where they are.
    """
    path = ROOT / name
    if not path.is_file():
        return ELSEWHERE
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", path.read_text(encoding="utf-8"), re.M | re.S)
    if found is None:
        return ELSEWHERE
    text = re.sub(r"^[^\n]*:\n+```.*?```\n?", "", found[1], flags=re.M | re.S)  # commands, with the line before them
    return re.sub(r"\[([^\]]+)\]\((?!https?:)[^)]*\)", r"\1", text).strip()


def recalls() -> dict[str, float]:
    """Label -> recall on FERPlus, from the table of the model card; empty where there is no card."""
    head = re.search(
        r"^\| FERPlus valid \|(.+)\|\n\|[-| ]+\|\n\| recall \|(.+)\|$", section("MODEL_CARD.md", "Results"), re.M
    )
    if head is None:
        return {}
    labels, values = ([cell.strip() for cell in row.split("|")] for row in head.groups())
    return dict(zip(labels, map(float, values), strict=True))


def notice_part(title: str, *, research: bool) -> str:
    """One paragraph of the purpose notice, without its title."""
    text = DETAILS.format(race=RESEARCH if research else NEVER)
    return next(part.strip() for part in text.split(f"**{title}.**")[1].split("\n\n"))


def river() -> str:
    """The way from a file to an answer, as a list that the style sheet draws with arrows."""
    steps = "".join(f"<li><b>{name}</b><span>{what}</span></li>" for name, what in STEPS)
    return f'<ol class="river" aria-label="From a file to an answer">{steps}</ol>'


def learn_view(desk: Desk, subject: gr.State) -> None:
    """The layout; nothing here depends on what was read."""
    known = recalls()
    rare = RARE.format(**known) if known else ""
    gr.Markdown(ABOUT)
    gr.HTML(river(), padding=False)
    with gr.Row(elem_id="cards"):
        for title, text in CARDS.items():
            with gr.Column(elem_classes="card", min_width=0):
                gr.Markdown(f"## {title}\n{text.format(rare=rare)}")
        for title in ("What is kept", "What the law says"):
            with gr.Column(elem_classes="card", min_width=0):
                gr.Markdown(f"## {title}\n{notice_part(title, research=desk.research)}")
    name = Path(desk.pipeline.checkpoint.name).name
    served = "" if name == CARD_OF else f"This page serves `{name}`; the model card is about `{CARD_OF}`.\n\n"
    for title, file, heading in (
        ("Limits: what it cannot do", "MODEL_CARD.md", "What it cannot do"),
        ("Results, measured", "MODEL_CARD.md", "Results"),
        ("What it learnt from, and who owns that", "MODEL_CARD.md", "What it learnt from"),
        ("What it is for, and what not", "MODEL_CARD.md", "What it is for, and what not"),
        ("The parts of the model", "MODEL_CARD.md", "What it is"),
        ("What is the paper's and what is ours", "README.md", "What is the paper's and what is ours"),
        ("Licences", "README.md", "Limits, law, licences"),
        ("How to cite", "README.md", "Cite"),
    ):
        with gr.Accordion(title, open=False):
            note = served if file == "MODEL_CARD.md" else ""
            gr.Markdown(note + section(file, heading), elem_classes="from-card")
