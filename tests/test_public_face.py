"""`import emo_toolkit` is light; its heavy names come when they are asked for, and are the ones that it declares."""

import ast
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

import emo_toolkit


def test_every_public_name_is_there() -> None:
    assert {name: getattr(emo_toolkit, name).__name__ for name in emo_toolkit.__all__} == {
        name: name for name in emo_toolkit.__all__
    }
    assert set(emo_toolkit.__all__) <= set(dir(emo_toolkit))
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = emo_toolkit.nonsense


def test_what_comes_later_is_what_type_checkers_see() -> None:
    tree = ast.parse(Path(emo_toolkit.__file__).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.name: f".{node.module}" for node in block.body for alias in node.names}
    assert ast.unparse(block.test) == "TYPE_CHECKING" and seen == emo_toolkit.HEAVY
    for name, module in seen.items():
        assert getattr(emo_toolkit, name) is getattr(importlib.import_module(module, "emo_toolkit"), name)


def test_torch_waits_until_it_is_needed() -> None:
    line = (
        "import json, sys, emo_toolkit, emo_toolkit.quarantine; light = 'torch' in sys.modules;"
        "from emo_toolkit import EmoPipeline, EmoLlamaForConditionalGeneration; from transformers import AutoConfig;"
        "print(json.dumps([light, 'torch' in sys.modules, AutoConfig.for_model('emo_llama').model_type]))"
    )
    shown = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, check=True)
    assert json.loads(shown.stdout) == [False, True, "emo_llama"]
