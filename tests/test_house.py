"""The files around the code agree with each other: versions, Space front matter, recipes, what git carries."""

import ast
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
README = ROOT / "README.md"
RECIPES = sorted(ROOT.glob("train/**/*.yaml"))


def requirements(name: str) -> list[Requirement]:
    lines = (line.strip() for line in (ROOT / name).read_text(encoding="utf-8").splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def allowed(package: str, version: str, python: str) -> bool:
    """Whether requirements.txt takes this version on this Python; a package without a line there is not allowed."""
    lines = [item for item in requirements("requirements.txt") if canonicalize_name(item.name) == package]
    lines = [item for item in lines if item.marker is None or item.marker.evaluate({"python_version": python})]
    return bool(lines) and all(item.specifier.contains(version) for item in lines)


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_requirement_has_a_floor_and_no_address(name: str) -> None:
    for item in requirements(name):
        assert item.url is None and any(part.operator in (">=", "==") for part in item.specifier), item


@pytest.mark.parametrize(
    ("version", "python", "ok"),
    [
        ("2.13.0", "3.11", True),
        ("2.13.0+cpu", "3.11", True),
        ("2.14.0", "3.11", False),
        ("2.9.1", "3.11", False),
        ("2.9.1", "3.12", False),
        ("2.10.0", "3.11", True),
        ("2.10.0", "3.12", True),
        ("2.11.0", "3.12", True),
        ("2.12.0", "3.12", False),
        ("2.11.0", "3.13", True),
    ],
)
def test_torch_serves_a_desk_and_a_hosted_space(version: str, python: str, ok: bool) -> None:
    assert allowed("torch", version, python) is ok


def test_decord_is_asked_for_only_where_it_has_wheels() -> None:
    here = {"python_version": "3.12"}
    lines = [item.marker for item in requirements("requirements.txt") if item.name == "decord"]
    places = {
        ("linux", "x86_64"): True,
        ("win32", "AMD64"): True,
        ("linux", "aarch64"): False,
        ("darwin", "arm64"): False,
    }
    for (system, machine), wanted in places.items():
        found = [mark.evaluate({**here, "sys_platform": system, "platform_machine": machine}) for mark in lines]
        assert any(found) is wanted, (system, machine)


def test_pyproject_takes_its_versions_from_the_lists() -> None:
    dynamic = PROJECT["tool"]["setuptools"]["dynamic"]
    assert "dependencies" not in PROJECT["project"]
    assert dynamic["dependencies"]["file"] == ["requirements.txt"]
    assert dynamic["optional-dependencies"]["dev"]["file"] == ["requirements-dev.txt"]


def imported_packages() -> Iterator[tuple[str, str]]:
    """(file, top-level name) of every dependency that the toolkit, the app and the training scripts import.

    Not of those that stand in a function: only clients that nobody has to install may (tests/test_architecture.py).
    """
    for path in [*ROOT.glob("app.py"), *ROOT.glob("emo_toolkit/**/*.py"), *ROOT.glob("train/**/*.py")]:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        inside = {part for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) for part in ast.walk(node)}
        for node in set(ast.walk(tree)) - inside:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
            yield from ((path.relative_to(ROOT).as_posix(), name.split(".")[0]) for name in names)


def test_what_is_imported_is_required() -> None:
    required = {canonicalize_name(item.name) for item in requirements("requirements.txt")}
    ours = {"emo_toolkit", "train", "app", *(path.stem for path in ROOT.glob("train/**/*.py"))}
    owners = packages_distributions()
    for path, top in set(imported_packages()):
        if top not in ours | set(sys.stdlib_module_names):
            owned_by = {canonicalize_name(name) for name in owners.get(top, [top])}
            assert owned_by & required, f"{path} imports {top}, which requirements.txt does not list"


@pytest.mark.skipif(not README.exists(), reason="no README yet")
def test_space_front_matter() -> None:
    _, block, _ = README.read_text(encoding="utf-8").split("---\n", 2)
    front = yaml.safe_load(block)
    assert front["title"] and front["sdk"] == "gradio"
    assert allowed("gradio", str(front["sdk_version"]), "3.12")
    assert front["python_version"] == "3.12"  # a string: YAML reads 3.10 as 3.1
    assert len(front["short_description"]) <= 60
    assert (ROOT / front["app_file"]).is_file()


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_recipe_is_a_mapping(path: Path) -> None:
    recipe = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(recipe, dict) and all(isinstance(key, str) for key in recipe)
