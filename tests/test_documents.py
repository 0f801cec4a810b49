"""What the documents promise is true: links, files, commands, code and figures."""

import ast
import json
import re
import shutil
from collections.abc import Iterator, Sequence
from functools import cache
from glob import glob
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from accelerate.commands.launch import launch_command_parser
from documents import DOCUMENTS, ROOT, anchors, blocks, commands, prose

from emo_toolkit.cli import main
from emo_toolkit.cli.parser import make_parser
from train.arguments import parse_run

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
OURS = ("app.py", "emo_toolkit", "train", "tests", "docs", "notebooks", "benchmarks", ".github", ".ci")
NAMED = re.compile(rf"(?<![\w/.-])((?:{'|'.join(map(re.escape, OURS))})/[\w./*{{}},-]*[\w*}}/])")
FIGURE = re.compile(r"([+-]?\d+\.\d+) \[([+-]?\d+\.\d+), ([+-]?\d+\.\d+)\]")
TARGETS = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
each_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())


def spellings(name: str) -> list[str]:
    """a/{b,c}.py -> a/b.py, a/c.py."""
    parts = re.split(r"\{([^}]*)\}", name)
    return [
        "".join(each) for each in product(*(part.split(",") if at % 2 else [part] for at, part in enumerate(parts)))
    ]


@each_document
def test_links_lead_somewhere(path: Path) -> None:
    for target in LINK.findall(prose(path.read_text(encoding="utf-8"))):
        if re.match(r"https?://", target):
            continue
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        assert there.exists(), f"{target} does not exist"
        assert not anchor or anchor in anchors(there.read_text(encoding="utf-8")), f"{target}: no such heading"


@each_document
def test_named_files_exist(path: Path) -> None:
    for name in NAMED.findall(path.read_text(encoding="utf-8")):
        for spelling in (each for each in spellings(name) if "NAME" not in each):
            assert glob(str(ROOT / spelling)), f"{spelling} does not exist"


def options_of(script: Path) -> set[str]:
    """The options that stand in a script, or in those of train/ that it takes them from."""
    tree, found = ast.parse(script.read_text(encoding="utf-8")), {"--help"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("--"):
            found.add(node.value)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("train."):
            other = ROOT.joinpath(*node.module.split(".")).with_suffix(".py")
            found |= options_of(other) if other.is_file() and other != script else set()
    return found


def complaints(words: list[str], recipe: Path = ROOT) -> Iterator[str]:
    """What is wrong with a command, as far as it is one of ours; `recipe` is in place of one that readers write."""
    if words[0] == "make":
        yield from (word for word in words[1:] if "=" not in word and word not in TARGETS)
    if words[:2] == ["accelerate", "launch"]:
        known, rest = launch_command_parser().parse_known_args(words[2:])
        words = ["python", *(["-m"] if known.module else []), known.training_script, *known.training_script_args]
    if words[0] not in ("python", ".venv/bin/python", "torchrun"):
        return
    if words[1:3] == ["-m", "emo_toolkit"]:
        yield from parsed(words[3:])
    elif (ROOT / words[1]).suffix == ".py":
        script = ROOT / words[1]
        if not script.is_file():
            yield f"no script {words[1]}"
        elif words[1] == "train/finetune.py":
            given = [word for word in words[3:] if word != "..." and not word.startswith("--")]
            parse_run([str(ROOT / words[2] if (ROOT / words[2]).is_file() else recipe), *given])
        else:
            given = {word.partition("=")[0] for word in words[2:] if word.startswith("--")}
            yield from given - options_of(script)


def parsed(words: list[str]) -> Iterator[str]:
    """What the command line would not take."""
    try:
        make_parser().parse_args(words)
    except SystemExit as end:
        if end.code:
            yield f"emo_toolkit does not take {words}"


@each_document
def test_commands_can_be_given(path: Path, tmp_path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("".join(code for code in blocks(text, "yaml") if "sources:" in code), encoding="utf-8")
    for words in commands(text):
        assert list(complaints(words, recipe)) == [], words


@each_document
def test_code_imports_what_there_is(path: Path) -> None:
    for code in blocks(path.read_text(encoding="utf-8"), "python"):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom):
                module = import_module(node.module)
                assert all(hasattr(module, alias.name) for alias in node.names), ast.unparse(node)


@cache
def measured() -> list[tuple[float, float, float]]:
    """Every value with an interval in docs/measured, which holds the reports that the scripts wrote."""
    found: list[tuple[float, float, float]] = []

    def gather(node: Any) -> None:
        if isinstance(node, dict):
            for name in (name.removesuffix("_interval_95") for name in node if name.endswith("_interval_95")):
                value = node.get(name, node.get("total", {}).get(name))
                found.append((value, *node[f"{name}_interval_95"]))
            if "interval" in node:
                found.append((node.get("mean", node.get("size")), *node["interval"]))
            spans = zip(node.get("effects", ()), node.get("effect_intervals", ()), strict=False)
            found.extend((value, *span) for value, span in spans)
        for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            gather(inner)

    for file in sorted((ROOT / "docs" / "measured").iterdir()):
        text = file.read_text(encoding="utf-8")
        if file.suffix == ".json":
            gather(json.loads(text))
        else:
            found += [tuple(map(float, each)) for each in FIGURE.findall(text)]
    return [each for each in found if None not in each]


def was_measured(words: Sequence[str]) -> bool:
    """Whether a value with its interval stands in a report, to the digits that it is given with."""
    step, given = 10.0 ** -len(words[0].partition(".")[2]), tuple(map(float, words))
    return any(all(abs(a - b) < 0.51 * step for a, b in zip(given, each, strict=True)) for each in measured())


@pytest.mark.parametrize("name", ["README.md", "MODEL_CARD.md"])
def test_figures_with_an_interval_were_measured(name: str) -> None:
    for value, low, high in FIGURE.findall((ROOT / name).read_text(encoding="utf-8")):
        assert was_measured((value, low, high)), f"{value} [{low}, {high}] stands in no report of docs/measured"


TIMED = re.compile(r"(?<![\d.])(\d[\d,]*\.?\d*) (?:s|MiB|GiB|%|tokens/s|times)\b|(?<![\d.])(\d+\.\d+) (?=%)")
SAID_OF_THE_TASK = {"10", "15"}  # a clip of 10 s, a floor of 15 %


def test_figures_of_speed_were_measured() -> None:
    """Every time, size and ratio of the README's section is a value of docs/measured/speed.json, to its digits."""
    known: list[float] = []

    def gather(node: Any) -> None:
        for inner in node.values() if isinstance(node, dict) else ():
            gather(inner)
        if isinstance(node, int | float):
            known.append(node)

    gather(json.loads((ROOT / "docs" / "measured" / "speed.json").read_text(encoding="utf-8")))
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.split("## Speed and memory")[1].split("\n## ")[0]
    found = [(one or other).replace(",", "") for one, other in TIMED.findall(section)]
    assert len(found) > 20
    for words in found:
        step = 10.0 ** -len(words.partition(".")[2])
        near = any(abs(float(words) - value) < 0.51 * step for value in known)
        assert near or words in SAID_OF_THE_TASK, f"{words} stands nowhere in docs/measured/speed.json"


@pytest.mark.parametrize(
    "words",
    [
        "make apple",
        "python -m emo_toolkit predict a.jpg --colour red",
        "python train/evaluate.py --datasett ferplus",
        "python train/nothing.py",
        "accelerate launch --num_processes 2 train/audit_maps.py --sideways",
    ],
)
def test_a_wrong_command_is_seen(words: str) -> None:
    assert list(complaints(words.split()))


def test_a_wrong_figure_is_seen() -> None:
    value, low, high = measured()[0]
    assert was_measured((f"{value:.3f}", f"{low:.3f}", f"{high:.3f}"))
    assert not was_measured((f"{value + 0.002:.3f}", f"{low:.3f}", f"{high:.3f}"))


@pytest.fixture
def desk_of_a_reader(astronaut: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the README speaks of."""
    (tmp_path / "photos").mkdir()
    for name in ("photo.jpg", "photos/photo.jpg"):
        shutil.copy(astronaut, tmp_path / name)
    shutil.copy(astronaut.with_name("drawn_clip_happiness.mp4"), tmp_path / "clip.mp4")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_command_lines_of_the_readme_run(desk_of_a_reader: Path, tiny: Path) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    lines = [words[3:] for words in commands(text) if words[:3] == ["python", "-m", "emo_toolkit"]]
    assert {words[0] for words in lines} == {"predict", "batch", "explain", "effects"}
    for words in lines:
        more = [] if "--help" in words else ["--checkpoint", str(tiny), *["--quick"] * (words[0] == "explain")]
        assert finished([*words, *more]) == 0, words
    assert {path.name for path in desk_of_a_reader.iterdir()} >= {"rows.parquet", "report", "effects"}


def finished(words: list[str]) -> int:
    """The exit code of a command line."""
    try:
        return main(words)
    except SystemExit as end:
        return int(end.code or 0)


def test_the_python_of_the_readme_runs(desk_of_a_reader: Path, parts: dict[str, Path]) -> None:
    for code in blocks((ROOT / "README.md").read_text(encoding="utf-8"), "python"):
        if "gradio_client" not in code:  # tests/ui/test_api.py runs that against a served page
            exec(compile(code, "README.md", "exec"), {})
