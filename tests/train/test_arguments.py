"""The values of a run: every recipe parses, a wrong one is named, and sources are named."""

from pathlib import Path

import pytest

import train
from emo_toolkit.data import DATASETS
from emo_toolkit.errors import EmoError
from train.arguments import LoraArguments, RunArguments, SourceArguments, parse_run

RECIPES = sorted((Path(train.__file__).parent / "recipes").glob("*.yaml"))


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text("checkpoint: a\nalign:\n  epochs: 2\n  learning_rate: 1e-3\nlora: # nothing yet\n")
    return path


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_parses(path):
    run = parse_run([str(path), "lora.steps=7"])
    assert run.lora.steps == 7 and run.sources
    for source in run.sources.values():
        splits = (*DATASETS[source.dataset].splits, "none")
        assert source.split in splits and source.valid_split in splits
        assert bool(source.fold) == bool(DATASETS[source.dataset].folds)


def test_there_is_a_recipe_for_mini():
    assert "mini" in {path.stem for path in RECIPES}


def test_the_command_line_wins(recipe):
    run = parse_run([str(recipe), "checkpoint=b", "checkpoint=c", "align.epochs=3", "lora.rank=4", "lora.rank=5"])
    assert (run.checkpoint, run.align.epochs, run.lora.rank) == ("c", 3.0, 5)
    assert run.align.learning_rate == 1e-3  # YAML reads 1e-3 as text
    assert run.lora == LoraArguments(rank=5) and run.seed == RunArguments().seed
    assert parse_run([str(recipe), "lora.modules_to_save=[qformer]"]).lora.modules_to_save == ("qformer",)


def test_sources_are_named_by_their_data_set(recipe):
    words = ("sources.ferplus.root=/data/fp", "sources.mine.dataset=rafdb", "sources.mine.align=false", "branches=[]")
    run = parse_run([str(recipe), *words])
    assert run.sources["ferplus"] == SourceArguments("ferplus", "/data/fp")
    assert run.sources["mine"] == SourceArguments("rafdb", align=False) and run.branches == ()


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("lora.steps", "'lora.steps' is not name=value"),
        ("steps=3", "'steps' is not a value of a run; known are checkpoint, "),
        ("lora.stepz=3", "'lora.stepz' is not a value of a run; known are steps, batch_size"),
        ("nora.steps=3", "'nora' is not a value of a run"),
        ("lora.steps=many", "'lora.steps' must be a int, not 'many'"),
        ("lora.steps=1.5", "'lora.steps' must be a int, not 1.5"),
        ("lora.steps=", "'lora.steps' must be a int, not None"),
        ("cache=", "'cache' must be a str, not None"),
        ("lora.dropout=[1]", r"'lora.dropout' must be a float, not \[1\]"),
        ("lora.modules_to_save=qformer", "'lora.modules_to_save' must be a tuple, not 'qformer'"),
        ("lora.length_grouped=3", "'lora.length_grouped' must be a bool, not 3"),
        ("sources=ferplus", "'sources' needs a group of values"),
        ("sources.ferplus.rot=/data", "'sources.ferplus.rot' is not a value of a run; known are dataset, root"),
        ("align=5", "'align' needs a group of values"),
        ("align.epochs.more=5", "'align.epochs.more' needs a group of values.* found 2"),
    ],
)
def test_a_wrong_word_is_named(recipe, word, message):
    with pytest.raises(EmoError, match=message):
        parse_run([str(recipe), word])


def test_a_recipe_must_be_a_mapping(tmp_path):
    (tmp_path / "list.yaml").write_text("- 1\n")
    for words in ([], ["cache=x"]):
        with pytest.raises(EmoError, match="needs a group of values"):
            parse_run([str(tmp_path / "list.yaml"), *words])
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    assert parse_run([str(tmp_path / "empty.yaml")]) == RunArguments()
