"""The house keeps its shape: imports point down, each dependency has one door, rooms stay small and typed.

Source text -> list of complaints. Every check is also fed small bad snippets, so that a check which cannot fail fails.
"""

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
PUBLIC_FACE = "emo_toolkit"  # emo_toolkit/__init__.py
LAZY = "emo_toolkit/__init__.py"  # imports by name what is heavy; test_public_face.py holds it to what it declares
FLOORS = {
    **dict.fromkeys(("errors", "workers", "statistics"), 0),
    **dict.fromkeys(("labels", "schema"), 0.5),  # the words of the house: every room may use them
    "photos": 0.9,  # what media.py stands on
    **dict.fromkeys(("media", "model", "recording"), 1),
    **dict.fromkeys(("checkpoints", "quarantine"), 1.5),  # on floor 1, but open what model/ and media define
    **dict.fromkeys(("face", "synthetic", "prompts", "plots", "likelihood"), 2),
    **dict.fromkeys(("data", "pipeline"), 3),
    **dict.fromkeys(("explain", "evaluation", "batch"), 4),
    PUBLIC_FACE: 4.5,
    **dict.fromkeys(("ui", "cli", "train", "lessons"), 5),
    "app": 5.5,
    **dict.fromkeys(("__main__", "benchmarks"), 6),
}
PRINTERS = ("emo_toolkit/cli/", "emo_toolkit/lessons/")  # who speaks to people at a terminal or in a notebook
WINGS = {"model", "face", "synthetic"}  # each stands alone; pipeline, data and train see several
DOORS = {
    "gradio": ("emo_toolkit/ui/",),
    "spaces": ("app.py", "emo_toolkit/ui/desk.py"),
    "plotly": ("emo_toolkit/plots/",),
    "decord": ("emo_toolkit/media.py",),
    "av": (
        "emo_toolkit/media.py",
        "emo_toolkit/recording.py",
        "benchmarks/",
    ),  # a benchmark writes the film that it times
    "onnxruntime": ("emo_toolkit/face/",),
    "peft": ("train/", "emo_toolkit/checkpoints/"),
}
MODEL_MAY_IMPORT = {"torch", "transformers", "numpy", "PIL", "huggingface_hub"} | set(sys.stdlib_module_names)
# Nobody has to install these: the only imports inside functions.
OPTIONAL_CLIENTS = {"openai", "anthropic", "google", "deepspeed"}
UNPICKLERS = {f"{name}.{call}" for name in ("torch", "pickle", "joblib", "dill") for call in ("load", "loads")}
MAX_FILE_LINES, MAX_FUNCTION_LINES, MAX_TRACKED_MIB = 350, 60, 45
VAGUE_NAMES = {"utils", "helpers", "common", "misc", "manager"}
PRIVATE = re.compile(r"(?<![\w.])/(?:root|work|tmp/dev)\b|index[-]url|https?://\S+/simple\b")  # a machine or an index

SOURCES = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("app.py", "emo_toolkit/**/*.py", "train/**/*.py", "benchmarks/**/*.py")
    for path in ROOT.glob(pattern)
)
TESTS = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("tests/**/*.py"))
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Import(NamedTuple):
    name: str  # absolute: `from .priors import Prior` in face/ is emo_toolkit.face.priors.Prior
    dots: int
    local: str  # what the file calls it


def imports(path: str, tree: ast.AST) -> Iterator[Import]:
    """Every import under `tree`, wherever it stands."""
    folders = path.split("/")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, 0, alias.asname or alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = folders[: len(folders) - node.level + 1] if node.level else []
            stem = ".".join(filter(None, [*base, node.module]))
            yield from (Import(f"{stem}.{a.name}".lstrip("."), node.level, a.asname or a.name) for a in node.names)


def room(dotted: str) -> str | None:
    """The room that a dotted name leads to, or None for a dependency: emo_toolkit.face.priors.Prior -> face."""
    first, *rest = dotted.split(".")
    if first != PUBLIC_FACE:
        return first if first in ("app", "train", "benchmarks") else None
    return rest[0] if rest and rest[0] in FLOORS else PUBLIC_FACE


def room_of(path: str) -> str:
    """The room that a file is in: emo_toolkit/face/priors.py -> face, train/checkpoints/make_tiny.py -> train."""
    parts = path.removesuffix(".py").removesuffix("/__init__").split("/")
    return parts[1] if parts[0] == PUBLIC_FACE and len(parts) > 1 else parts[0]


def floor_complaints(path: str, tree: ast.AST) -> list[str]:
    here = room_of(path)
    if here not in FLOORS:
        return [f"{here} has no floor: add it to FLOORS and to architecture"]
    found = []
    for name, _, _ in imports(path, tree):
        there = room(name)
        if there is None or there == here:
            continue
        if FLOORS[there] >= FLOORS[here] or {here, there} <= WINGS:
            found.append(f"{here} must not import {name}")
    return found


def import_complaints(path: str, tree: ast.AST) -> list[str]:
    found = []
    for name, dots, _ in imports(path, tree):
        top = name.split(".")[0]
        doors = DOORS.get(top)
        if doors and not dots and not path.startswith(doors):
            found.append(f"{top} is imported only in {' and '.join(doors)}")
        if room_of(path) == "model" and (dots > 1 or (not dots and top not in MODEL_MAY_IMPORT)):
            found.append(f"model/ must not import {name}: it is copied whole into a checkpoint")
    for node in ast.walk(tree):
        if isinstance(node, Function):
            local = {name.split(".")[0] for name, _, _ in imports(path, node)} - OPTIONAL_CLIENTS
            found += [f"{node.name} imports {name} inside the function" for name in sorted(local)]
    return found


def budget_complaints(path: str, source: str) -> list[str]:
    found = []
    if (lines := len(source.splitlines())) > MAX_FILE_LINES:
        found.append(f"{lines} lines; a file has at most {MAX_FILE_LINES}")
    if VAGUE_NAMES & {part.removesuffix(".py") for part in path.split("/")}:
        found.append(f"{path} says nothing about what is inside")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, Function) and (lines := node.end_lineno - node.lineno + 1) > MAX_FUNCTION_LINES:
            found.append(f"{node.name} has {lines} lines; a function has at most {MAX_FUNCTION_LINES}")
    return found


def signature_complaints(tree: ast.AST) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, Function):
            args = node.args
            named = [*args.posonlyargs, *args.args, *args.kwonlyargs, *filter(None, (args.vararg, args.kwarg))]
            bare = [arg.arg for arg in named if arg.annotation is None and arg.arg not in ("self", "cls")]
            found += [f"{node.name}({name}) has no type" for name in bare]
            if node.returns is None:
                found.append(f"{node.name} has no return type")
    return found


def call_complaints(path: str, tree: ast.AST) -> list[str]:
    """Prints in the library, files that can run code, imports by name that hide from the other checks."""
    meaning = {local: name for name, _, local in imports(path, tree)}
    found = []
    for node in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = ast.unparse(node.func)
        first, dot, rest = name.partition(".")
        name = meaning.get(first, first) + dot + rest
        if any(word.arg == "allow_pickle" for word in node.keywords):
            found.append("allow_pickle can run code from the file")
        if name in UNPICKLERS and not path.startswith("train/checkpoints/"):
            found.append(f"{name} can run code from the file; use safetensors, npz or JSON")
        if name == "print" and path.startswith("emo_toolkit/") and not path.startswith(PRINTERS):
            found.append("print belongs to cli/, lessons/ and train/")
        if name in ("__import__", "importlib.import_module") and path != LAZY:
            found.append(f"{name} hides an import")
    return found


def app_complaints(tree: ast.Module) -> list[str]:
    """ZeroGPU patches torch when `spaces` is imported, so nothing but the standard library may come before it."""
    tops = [name.split(".")[0] for name, _, _ in imports("app.py", tree)]
    third_party = [top for top in tops if top not in sys.stdlib_module_names]
    return [] if third_party[:1] == ["spaces"] else [f"app.py imports {third_party[:1]} before spaces"]


def complaints(path: str, source: str) -> list[str]:
    tree = ast.parse(source)
    found = budget_complaints(path, source)
    if path.startswith("tests/"):
        return found
    found += floor_complaints(path, tree) + import_complaints(path, tree) + call_complaints(path, tree)
    found += signature_complaints(tree)
    return found + (app_complaints(tree) if path == "app.py" else [])


def tracked() -> list[Path]:
    """The files that git tracks; skips the test where there is no checkout (a downloaded archive, no git)."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    git = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if git.returncode:
        pytest.skip(f"git does not read this checkout: {git.stderr.strip()}")
    return [path for name in git.stdout.split("\0") if name and (path := ROOT / name).is_file()]


@pytest.mark.parametrize("path", [*SOURCES, *TESTS])
def test_house_rules(path: str) -> None:
    assert complaints(path, (ROOT / path).read_text(encoding="utf-8")) == []


def test_tracked_tree_is_small() -> None:
    size = sum(path.stat().st_size for path in tracked()) / 2**20
    assert size < MAX_TRACKED_MIB, f"{size:.1f} MiB are tracked; the house holds {MAX_TRACKED_MIB}"


def test_no_tracked_text_names_a_machine() -> None:
    found = []
    for path in tracked():
        data = path.read_bytes()
        if b"\0" not in data:
            found += [
                f"{path.relative_to(ROOT)}: {hit.group()}" for hit in PRIVATE.finditer(data.decode("utf-8", "replace"))
            ]
    assert found == []


BAD = [
    ("emo_toolkit/media.py", "from .pipeline import EmoPipeline", "media must not import emo_toolkit.pipeline"),
    ("emo_toolkit/media.py", "from . import face", "media must not import emo_toolkit.face"),
    ("emo_toolkit/media.py", "from .. import train", "media must not import train"),
    ("emo_toolkit/media.py", "import emo_toolkit.cli as c", "media must not import emo_toolkit.cli"),
    ("emo_toolkit/media.py", "from emo_toolkit import EmoPipeline", "media must not import emo_toolkit.EmoPipeline"),
    ("emo_toolkit/media.py", "from .model import EmoLlamaConfig", "media must not import emo_toolkit.model"),
    ("emo_toolkit/face/priors.py", "from ..model.outputs import Tokens", "face must not import emo_toolkit.model"),
    ("emo_toolkit/face/__init__.py", "from .. import plots", "face must not import emo_toolkit.plots"),
    ("emo_toolkit/checkpoints/parts.py", "from ..face import detection", "checkpoints must not import"),
    ("emo_toolkit/labels.py", "from .schema import Media", "labels must not import emo_toolkit.schema"),
    ("emo_toolkit/attic.py", "", "attic has no floor"),
    ("emo_toolkit/model/fim.py", "from ..labels import LABELS", "model/ must not import emo_toolkit.labels"),
    ("emo_toolkit/model/fim.py", "import scipy.special", "model/ must not import scipy"),
    ("emo_toolkit/cli/predict.py", "import gradio as gr", "gradio is imported only in emo_toolkit/ui/"),
    ("train/finetune.py", "from av import open", "av is imported only in emo_toolkit/media.py"),
    ("emo_toolkit/pipeline.py", "from peft import PeftModel", "peft is imported only in train/"),
    ("emo_toolkit/media.py", "def read() -> None:\n    import numpy", "read imports numpy inside the function"),
    ("emo_toolkit/media.py", "def read() -> None:\n    from .face import x", "read imports emo_toolkit inside"),
    ("emo_toolkit/media.py", "import importlib as i\ni.import_module('x')", "importlib.import_module hides an import"),
    ("emo_toolkit/media.py", "def read(path) -> None: ...", "read(path) has no type"),
    ("emo_toolkit/media.py", "def read(*, cap=1) -> None: ...", "read(cap) has no type"),
    ("emo_toolkit/media.py", "def read(*paths: str, **caps) -> None: ...", "read(caps) has no type"),
    ("emo_toolkit/media.py", "class A:\n    async def read(self): ...", "read has no return type"),
    ("emo_toolkit/media.py", "pass\n" * 351, "351 lines; a file has at most 350"),
    ("emo_toolkit/media.py", "def f() -> None:\n" + "    pass\n" * 60, "f has 61 lines"),
    ("emo_toolkit/face/utils.py", "", "says nothing about what is inside"),
    ("tests/helpers/images.py", "", "says nothing about what is inside"),
    ("emo_toolkit/media.py", "print(1)", "print belongs to cli/"),
    ("train/finetune.py", "import torch as t\nt.load('x')", "torch.load can run code"),
    ("emo_toolkit/media.py", "from pickle import loads as read\nread(b'')", "pickle.loads can run code"),
    ("emo_toolkit/media.py", "import numpy as np\nnp.load('x', allow_pickle=True)", "allow_pickle can run code"),
    ("app.py", "import sys\nimport gradio\nimport spaces", "app.py imports ['gradio'] before spaces"),
    ("app.py", "from emo_toolkit import EmoPipeline\nimport spaces", "app.py imports ['emo_toolkit'] before spaces"),
]
GOOD = [
    ("emo_toolkit/schema/flow.py", "from ..errors import EmoError"),
    (
        "emo_toolkit/checkpoints/parts.py",
        "import peft\nfrom ..model import EmoLlamaConfig\nfrom ..errors import EmoError",
    ),
    (
        "emo_toolkit/model/__init__.py",
        "from . import fim\nfrom .fim import FaceInfoMining\nimport math\nimport torch.nn",
    ),
    ("emo_toolkit/__init__.py", "from .model import EmoLlamaConfig\nfrom .pipeline import EmoPipeline"),
    ("emo_toolkit/__main__.py", "from .cli import main"),
    ("emo_toolkit/cli/predict.py", "from .. import __version__, pipeline\nprint(__version__)"),
    ("app.py", "import sys\n\nimport spaces\n\nfrom emo_toolkit import EmoPipeline"),
    (
        "train/checkpoints/convert.py",
        "import torch\ntorch.load('x', weights_only=True)\nfrom emo_toolkit.model import x",
    ),
    ("train/generate.py", "def ask(question: str) -> None:\n    import openai\n    print(question)"),
]


@pytest.mark.parametrize(("path", "source", "complaint"), BAD, ids=[f"{path}-{what}" for path, _, what in BAD])
def test_a_broken_rule_is_seen(path: str, source: str, complaint: str) -> None:
    assert any(complaint in found for found in complaints(path, source)), complaints(path, source)


@pytest.mark.parametrize(("path", "source"), GOOD, ids=[path for path, _ in GOOD])
def test_a_kept_rule_is_silent(path: str, source: str) -> None:
    assert complaints(path, source) == []


@pytest.mark.parametrize("words", [("cd /", "root"), ("'/", "tmp/", "dev/bin'"), ("--index", "-url x")])
def test_a_private_path_is_seen(words: tuple[str, ...]) -> None:
    assert PRIVATE.search("".join(words))
    assert not PRIVATE.search(" ".join(words))
