"""The notebooks run from top to bottom, keep to one form, and their exercises tell right answers from wrong ones."""

import ast
import json
import re
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from nbmake.nb_run import NotebookRun

import emo_toolkit
from emo_toolkit.errors import EmoError
from emo_toolkit.lessons import EXERCISES, LESSONS, check, example

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted(ROOT.glob("notebooks/*.ipynb"))
REPOSITORY = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Repository"]
TAG = f"v{emo_toolkit.__version__}"
MOST_SECONDS, MOST_DEF_LINES, FEWEST_PICTURES = 300, 5, 2
PICTURES = {"image/png", "image/jpeg", "application/vnd.plotly.v1+json"}
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells(path: Path, *, tag: str | None = None) -> list[dict[str, Any]]:
    """All cells, or the code cells with a tag."""
    found = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return found if tag is None else [each for each in found if tag in each["metadata"].get("tags", ())]


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def plain(code: str) -> str:
    """The code without the lines that only a notebook understands."""
    return "\n".join(re.sub(r"^(\s*)[!%].*", r"\1pass", line) for line in code.splitlines())


def lesson_of(path: Path) -> ModuleType:
    """The module with the exercises of a notebook: 01_quick_start -> quick_start."""
    (lesson,) = (each for each in LESSONS if each.__name__.rpartition(".")[2] == path.stem[3:])
    return lesson


def test_ten_notebooks_in_the_order_of_their_lessons() -> None:
    assert [path.stem for path in NOTEBOOKS] == [
        f"{number:02}_{lesson.__name__.rpartition('.')[2]}" for number, lesson in enumerate(LESSONS, start=1)
    ]


@each_notebook
def test_a_notebook_has_the_form_of_all(path: Path) -> None:
    first, setup = cells(path)[:2]
    head = source(first)
    assert re.match(rf"# {path.stem[:2]} · ", head) and all(
        f"**{word}**" in head for word in ("Goal", "Time", "Before")
    )
    blob = REPOSITORY.removeprefix("https://github.com/")
    assert f"colab.research.google.com/github/{blob}/blob/{TAG}/notebooks/{path.name})" in head
    assert source(setup) == source(cells(NOTEBOOKS[0])[1])
    assert f"--branch {TAG} {REPOSITORY}\n" in source(setup)


@each_notebook
def test_a_notebook_is_stripped_and_holds_no_logic(path: Path) -> None:
    for cell in cells(path):
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [] and cell["execution_count"] is None
            for node in ast.walk(ast.parse(plain(source(cell)))):
                if isinstance(node, ast.FunctionDef):
                    assert node.end_lineno - node.lineno < MOST_DEF_LINES, f"{node.name} is long"
                assert not isinstance(node, ast.ClassDef)


@each_notebook
def test_every_exercise_is_asked_and_has_a_hidden_solution(path: Path) -> None:
    numbers = list(lesson_of(path).EXERCISES)
    assert len(numbers) >= 2 and all(number.startswith(f"{int(path.stem[:2])}.") for number in numbers)
    asked, solved = cells(path, tag="exercise"), cells(path, tag="solution")
    for found in (asked, solved):
        assert [re.findall(r'check\("([\d.]+)"', source(cell)) for cell in found] == [[number] for number in numbers]
    assert all("..." in source(cell) for cell in asked)
    assert all(cell["metadata"]["jupyter"]["source_hidden"] for cell in solved)
    assert all(source(cell).startswith("# @title Solution") for cell in solved)


@each_notebook
def test_a_notebook_runs(path: Path, parts: dict[str, Path]) -> None:
    done = NotebookRun(path, MOST_SECONDS).execute()
    assert done.error is None, done.error.trace
    outputs = [output for cell in done.nb.cells if cell.cell_type == "code" for output in cell.outputs]
    pictures = [output for output in outputs if PICTURES & set(output.get("data", ()))]
    assert len(pictures) >= FEWEST_PICTURES
    for cell in done.nb.cells:
        if "solution" in cell.metadata.get("tags", ()):
            assert any(": right." in output.get("text", "") for output in cell.outputs), cell.source


@pytest.mark.parametrize("number", EXERCISES)
def test_wrong_answers_are_seen(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    exercise = EXERCISES[number]
    assert len(exercise.wrong) >= 2 and exercise.why and exercise.hint
    for answer in (*exercise.wrong, None, "", [], object(), lambda *_: None):
        check(number, answer)
        assert capsys.readouterr().out == f"{number}: not yet. {exercise.hint}\n", answer
    check(number, ...)
    assert "not answered yet" in capsys.readouterr().out


def test_what_there_is_not_gets_a_sentence() -> None:
    with pytest.raises(EmoError, match="there is no exercise 99.1; there are: 1.1"):
        check("99.1", 1)
    with pytest.raises(EmoError, match="there are: astronaut.jpg"):
        example("nobody.jpg")
