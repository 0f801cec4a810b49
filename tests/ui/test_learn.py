"""Learn: its figures are the model card's, and its texts those of the notice and the README."""

import re
from pathlib import Path

import gradio as gr
import pytest

from emo_toolkit.pipeline import EmoPipeline
from emo_toolkit.ui import Desk, learn
from emo_toolkit.ui.learn import ELSEWHERE, learn_view, notice_part, recalls, section

CARD = (Path(__file__).parents[2] / "MODEL_CARD.md").read_text(encoding="utf-8")


def texts(pipeline: EmoPipeline) -> dict[str, str]:
    """Title of the accordion or "" -> what stands there."""
    with gr.Blocks() as page:
        learn_view(Desk(pipeline), gr.State(None))
    found: dict[str, str] = {}
    for block in page.blocks.values():
        if isinstance(block, (gr.Markdown, gr.HTML)):
            place = block.parent.label if isinstance(block.parent, gr.Accordion) else ""
            found[place] = found.get(place, "") + f"\n{block.value}"
    return found


def test_the_figures_are_those_of_the_model_card(tiny_pipeline: EmoPipeline) -> None:
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in CARD.splitlines() if line.startswith("|")
    ]
    names = next(row for row in cells if row[0] == "FERPlus valid" and "disgust" in row)
    values = cells[cells.index(names) + 2]
    assert recalls() == {name: float(value) for name, value in zip(names[1:], values[1:], strict=True)}
    shown = texts(tiny_pipeline)[""]
    for label in ("disgust", "contempt"):
        assert f"{float(values[names.index(label)]):.0%}" in shown
    figures = re.findall(r"\d+(?:\.\d+)? ?%|0\.\d+", shown)
    assert set(figures) <= {"100 %", "50 %"} | {f"{recalls()[label]:.0%}" for label in ("disgust", "contempt")}


def test_every_text_is_found_and_leads_nowhere_that_the_page_does_not_serve(tiny_pipeline: EmoPipeline) -> None:
    found = texts(tiny_pipeline)
    assert len(found) == 9 and ELSEWHERE not in str(found)
    assert all(len(text) > 100 for text in found.values())
    for target in re.findall(r"\]\(([^)]+)\)", str(found)):
        assert target.startswith(("https://", "?view="))
    assert "0.793" in found["Results, measured"] and "```" not in str(found) and "Commands" not in str(found)
    assert "2408.11424" in found["How to cite"]


def test_it_says_what_the_law_says_and_what_nobody_can_know(tiny_pipeline: EmoPipeline) -> None:
    shown = texts(tiny_pipeline)[""]
    for article in ("5(1)(f)", "5(1)(g)", "50(3)"):
        assert article in shown
    assert "Race is never inferred" in notice_part("What is kept", research=False)
    assert "No bar says what the person feels" in shown and "they are no evidence" in shown


def test_an_installed_package_without_these_texts_says_where_they_are(
    tiny_pipeline: EmoPipeline, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(learn, "ROOT", tmp_path)
    assert section("MODEL_CARD.md", "Results") == ELSEWHERE and recalls() == {}
    assert "FERPlus faces that raters called" not in texts(tiny_pipeline)[""]
