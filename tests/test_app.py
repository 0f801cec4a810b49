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


@pytest.mark.parametrize(
    ("words", "settings", "where"),
    [
        ([], {"SPACE_ID": "somebody/space"}, "on a hosted Space"),
        (["--share"], {}, "together with --share"),
        (["--host", "0.0.0.0"], {}, "at 0.0.0.0"),
        (["--host", "192.168.1.7"], {}, "at 192.168.1.7"),
        (["--host", "my-machine.example"], {}, "at my-machine.example"),
        (["--host", "::"], {}, "at ::"),
        ([], {"GRADIO_SERVER_NAME": "0.0.0.0"}, "at 0.0.0.0"),
    ],
)
def test_research_is_refused_where_others_are_served(
    words: list[str],
    settings: dict[str, str],
    where: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as caught:
        app.main(["--research", "--checkpoint", "7b", *words])
    error = capsys.readouterr().err
    assert caught.value.code == 1 and f"refused {where}" in error and "leave --research away" in error


@pytest.mark.parametrize("words", [[], ["--host", "127.0.0.1"], ["--host", "localhost"], ["--host", "::1"]])
def test_research_goes_on_at_home(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        app.main(["--research", "--checkpoint", "7b", *words])
    assert "is not shipped" in capsys.readouterr().err


def test_progress_is_one_line_for_each_part(capsys: pytest.CaptureFixture[str]) -> None:
    for done in (0, 50, 100):
        app.show_progress("a part", done, 100)
    assert capsys.readouterr().err == "\ra part:   0%\ra part:  50%\ra part: 100%\n"
