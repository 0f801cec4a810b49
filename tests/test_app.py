"""The door of the page: its words, its errors."""

import ast
from pathlib import Path

import pytest

import app


def test_spaces_is_imported_before_everything_else() -> None:
    first = next(node for node in ast.parse(Path(app.__file__).read_text()).body if not isinstance(node, ast.Expr))
    assert isinstance(first, ast.Import) and [name.name for name in first.names] == ["spaces"]


def test_a_checkpoint_that_is_not_there_ends_in_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        app.main(["--checkpoint", "7b"])
    assert caught.value.code == 1 and "is not shipped" in capsys.readouterr().err


def test_progress_is_one_line_for_each_part(capsys: pytest.CaptureFixture[str]) -> None:
    for done in (0, 50, 100):
        app.show_progress("a part", done, 100)
    assert capsys.readouterr().err == "\ra part:   0%\ra part:  50%\ra part: 100%\n"
