"""The values of a run: every recipe parses, a wrong one is named, and each epoch sees every row once."""

from pathlib import Path

import numpy as np
import pytest

import train
from emo_toolkit.errors import EmoError
from train.arguments import LoraArguments, RunArguments, parse_run
from train.batches import rows_of_step

RECIPES = sorted((Path(train.__file__).parent / "recipes").glob("*.yaml"))


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text("checkpoint: a\nalign:\n  epochs: 2\n  learning_rate: 1e-3\nlora: # nothing yet\n")
    return path


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_parses(path):
    run = parse_run([str(path), "root=/data", "lora.steps=7"])
    assert run.root == "/data" and run.lora.steps == 7 and run.dataset == "ferplus"


def test_there_is_a_recipe_for_mini():
    assert "mini" in {path.stem for path in RECIPES}


def test_the_command_line_wins(recipe):
    run = parse_run([str(recipe), "checkpoint=b", "checkpoint=c", "align.epochs=3", "lora.rank=4", "lora.rank=5"])
    assert (run.checkpoint, run.align.epochs, run.lora.rank) == ("c", 3.0, 5)
    assert run.align.learning_rate == 1e-3  # YAML reads 1e-3 as text
    assert run.lora == LoraArguments(rank=5) and run.split == RunArguments().split
    assert parse_run([str(recipe), "lora.modules_to_save=[qformer]"]).lora.modules_to_save == ("qformer",)


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
        ("root=", "'root' must be a str, not None"),
        ("lora.dropout=[1]", r"'lora.dropout' must be a float, not \[1\]"),
        ("lora.modules_to_save=qformer", "'lora.modules_to_save' must be a tuple, not 'qformer'"),
        ("align=5", "'align' needs a group of values"),
        ("align.epochs.more=5", "'align.epochs.more' needs a group of values.* found 2"),
    ],
)
def test_a_wrong_word_is_named(recipe, word, message):
    with pytest.raises(EmoError, match=message):
        parse_run([str(recipe), word])


def test_a_recipe_must_be_a_mapping(tmp_path):
    (tmp_path / "list.yaml").write_text("- 1\n")
    for words in ([], ["root=x"]):
        with pytest.raises(EmoError, match="needs a group of values"):
            parse_run([str(tmp_path / "list.yaml"), *words])
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    assert parse_run([str(tmp_path / "empty.yaml")]) == RunArguments()


def test_every_epoch_covers_every_row_once():
    for count, batch in ((24, 4), (25, 4), (7, 7)):
        per_epoch = count // batch
        epochs = [
            np.concatenate([rows_of_step(count, batch, epoch * per_epoch + k, 0) for k in range(per_epoch)])
            for epoch in range(3)
        ]
        for rows in epochs:
            assert len(set(rows.tolist())) == len(rows) == per_epoch * batch and rows.max() < count
        assert epochs[0].tolist() != epochs[1].tolist()


def test_a_step_is_a_function_of_seed_and_number():
    step = rows_of_step(100, 10, 37, 5)
    assert step.tolist() == rows_of_step(100, 10, 37, 5).tolist() != rows_of_step(100, 10, 37, 6).tolist()


def test_too_few_rows():
    with pytest.raises(ValueError, match="3 rows do not fill one batch of 4"):
        rows_of_step(3, 4, 0, 0)
