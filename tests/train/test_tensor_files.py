"""Key maps and tensor files: nothing is lost, doubled or guessed; no code is run; a folder is whole or not there."""

import json
import os
import pickle
import weakref
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from emo_toolkit.errors import CheckpointError
from train.checkpoints.convert_facexformer import convert
from train.checkpoints.key_map import Rule, map_keys, thirds
from train.checkpoints.tensor_files import TensorFolder, load_pickled, whole_folder, write_shards

RULES = [Rule(r"a\.(\w+)", (r"x.\1",)), Rule(r"qkv", ("q", "k", "v"), "split", thirds), Rule("old", note="not read")]
SOURCES = {"a.one": (2, 3), "qkv": (6, 4), "old": (1,)}
TARGETS = {"x.one": (2, 3), "q": (2, 4), "k": (2, 4), "v": (2, 4)}


def test_a_map_says_where_everything_goes():
    found = map_keys(SOURCES, TARGETS, RULES)
    assert {name: source.name for name, source in found.sources.items()} == {"x.one": "a.one"} | dict.fromkeys(
        "qkv", "qkv"
    )
    assert found.unused == {"old": "not read"}
    joined = torch.arange(24.0).view(6, 4)
    assert torch.equal(torch.cat([found.sources[part].make(joined) for part in "qkv"]), joined)
    value = found.sources["k"].make(joined)
    joined.zero_()
    assert value.min() == 8  # it shares no memory
    assert found.report({"new": "made new"}).splitlines() == [
        "2 source tensors used once, 1 unused; 4 targets filled from them, 1 made new.",
        "",
        "a.one [2, 3] -> x.one",
        "qkv [6, 4] -> q, k, v (split)",
        "old [1]: unused, not read",
        "new <- made new",
    ]


@pytest.mark.parametrize(
    ("sources", "targets", "rules", "complaint"),
    [
        ({"b": (1,)}, {}, [], r"no rule knows b \[1\]"),
        ({"qkv": (7, 4)}, {}, [], r"qkv \[7, 4\] gives \[3, 4\], but q is \[2, 4\]"),
        ({"qkv": ()}, {}, [], r"qkv \[\] cannot be brought into q, k, v"),
        ({}, {"y": (3,)}, [], r"nothing fills y \[3\]"),
        ({"a.two": (1,)}, {}, [], r"a.two \[1\] belongs into x.two, which the model does not have"),
        ({"c": (2, 3)}, {}, [Rule("c", ("x.one",))], "c and a.one both fill x.one"),
        ({}, {}, [Rule("qk.", ("q",))], r"two rules claim qkv \[6, 4\]"),
        ({}, {}, [Rule("old", ("q",))], r"two rules claim old \[1\]"),
    ],
)
def test_what_does_not_fit_is_named(sources, targets, rules, complaint):
    with pytest.raises(CheckpointError, match=complaint):
        map_keys(SOURCES | sources, TARGETS | targets, [*RULES, *rules])


def test_every_complaint_comes_at_once():
    with pytest.raises(CheckpointError) as caught:
        map_keys({f"n{number}": (1,) for number in range(30)}, {"y": (1,)}, RULES)
    assert str(caught.value).count("no rule knows") == 20 and "and 11 more" in str(caught.value)


class Bomb:
    """Unpickled in the ordinary way, it makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_that_asks_to_run_code_is_refused(tmp_path, zipped):
    crater = tmp_path / "crater"
    held = {"state_dict_backbone": {"w": torch.ones(2)}, "w": torch.ones(2), "bomb": Bomb(crater)}
    torch.save(held, tmp_path / "pytorch_model.bin", _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match="pytorch_model.bin holds more than tensors and is not opened"):
        TensorFolder(tmp_path)
    with pytest.raises(CheckpointError, match="is not opened"):
        convert(tmp_path / "pytorch_model.bin", tmp_path / "out")
    assert not crater.exists()
    torch.load(tmp_path / "pytorch_model.bin", weights_only=False)
    assert crater.exists()  # the trap itself works


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"no pickle at all", pickle.dumps([1, 2])])
def test_a_broken_file_is_refused(tmp_path, content):
    (tmp_path / "model.pt").write_bytes(content)
    with pytest.raises(CheckpointError, match="model.pt"):
        load_pickled(tmp_path / "model.pt")
    with pytest.raises(CheckpointError, match="nowhere.pt cannot be read"):
        load_pickled(tmp_path / "nowhere.pt")


@pytest.mark.parametrize("zipped", [True, False])
def test_both_kinds_of_file_are_read(tmp_path, zipped):
    one, two = torch.randn(3, 4).bfloat16(), torch.arange(5)
    torch.save({"one": one, "two": two}, tmp_path / "pytorch_model.bin", _use_new_zipfile_serialization=zipped)
    files = TensorFolder(tmp_path)
    assert files.shapes == {"one": (3, 4), "two": (5,)}
    assert torch.equal(files.read("one"), one) and torch.equal(files.read("two"), two)
    save_file({"one": one + 1}, tmp_path / "model.safetensors")  # preferred where both lie
    assert torch.equal(TensorFolder(tmp_path).read("one"), one + 1)


@pytest.mark.parametrize(
    ("files", "index", "complaint"),
    [
        ([], None, "holds neither"),
        (["pytorch_model-1.bin"], {"t0": "pytorch_model-1.bin", "t1": "pytorch_model-2.bin"}, "lacks pytorch_model-2"),
        (["pytorch_model-1.bin"], {"t0": "pytorch_model-1.bin", "t9": "pytorch_model-1.bin"}, "lacks t9 .* promises"),
        (["pytorch_model-1.bin", "pytorch_model-1b.bin"], None, "t0 is in pytorch_model-1.bin and in"),
    ],
)
def test_a_folder_that_is_not_whole(tmp_path, files, index, complaint):
    for file in files:
        torch.save({"t0": torch.ones(1)}, tmp_path / file)
    if index:
        (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": index}))
    with pytest.raises(CheckpointError, match=complaint):
        TensorFolder(tmp_path)


def test_a_thing_that_is_no_tensor_is_named(tmp_path):
    torch.save({"t0": torch.ones(1), "step": 3}, tmp_path / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="step in .* is a int, not a tensor"):
        TensorFolder(tmp_path)


def test_a_shard_is_all_that_is_held(tmp_path):
    """While tensors are asked for one by one, what is still alive stays under the limit."""
    alive: list[weakref.ref] = []
    most = 0

    def values():
        nonlocal most
        for number in range(20):
            tensor = torch.full((100,), float(number))  # 400 bytes
            alive.append(weakref.ref(tensor))
            most = max(most, sum(400 for ref in alive if ref() is not None))
            yield f"t{number}", tensor
            del tensor

    assert write_shards(tmp_path, values(), limit=1600) == 5
    assert most <= 1600 + 400
    assert {path.name for path in tmp_path.glob("*.safetensors")} == {
        f"model-{number:05d}-of-00005.safetensors" for number in range(1, 6)
    }
    held = {name: value for path in tmp_path.glob("*.safetensors") for name, value in load_file(path).items()}
    assert all(held[f"t{number}"].unique().tolist() == [number] for number in range(20))


def test_a_tensor_larger_than_the_limit_has_its_own_shard(tmp_path):
    sizes = [10, 1000, 10]
    assert write_shards(tmp_path, ((f"t{n}", torch.ones(size)) for n, size in enumerate(sizes)), limit=400) == 3


def test_a_folder_appears_only_when_it_is_whole(tmp_path):
    out = tmp_path / "deep" / "out"
    (tmp_path / "deep" / "out.partial").mkdir(parents=True)
    (tmp_path / "deep" / "out.partial" / "rest").write_text("of a killed run")
    with pytest.raises(KeyboardInterrupt), whole_folder(out) as folder:
        (folder / "half").write_text("written")
        raise KeyboardInterrupt
    assert not out.exists() and not folder.exists()
    with pytest.raises(CheckpointError, match="out could not be written: .*No space"), whole_folder(out):
        raise OSError(28, "No space left on device")
    with whole_folder(out) as folder:
        assert not out.exists()
        (folder / "whole").write_text("written")
    assert [path.name for path in out.iterdir()] == ["whole"]
    with pytest.raises(CheckpointError, match="exists already"), whole_folder(out):
        pass
    assert (out / "whole").exists()


def test_two_at_once(tmp_path):
    with whole_folder(tmp_path / "out") as first:
        (first / "file").write_text("the first's")
        with pytest.raises(CheckpointError, match="being written by another process"), whole_folder(tmp_path / "out"):
            pass
    assert (tmp_path / "out" / "file").read_text() == "the first's"
