"""The values of a run: every recipe parses and is what it says, a wrong one is named, and sources are named."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

import train
from emo_toolkit.data import DATASETS
from emo_toolkit.data.checks import PUBLISHED
from emo_toolkit.errors import EmoError
from train.arguments import LoraArguments, RunArguments, SourceArguments, parse_run

FOLDER = Path(train.__file__).parent / "recipes"
RECIPES = sorted(FOLDER.glob("*.yaml"))
NO_RUN = "7b"  # what the 7b recipes share
CONVERSATIONS = {"rafdb": 12, "affectnet": 283, "affectnet7": 283, "dfew": 7, "ferv39k": 30, "mafw": 7}  # FERID, k
NO_AGR = {"lora.attributes_share": 0.0}
ABLATIONS: dict[str, dict[str, dict[str, Any]]] = {  # what each one's values are, where its base has others
    "7b_joint": {
        "lora_only": {"branches": (), **NO_AGR},
        "landmarks": {"branches": ("local",), **NO_AGR},
        "embedding": {"branches": ("global",), **NO_AGR},
        "fim": NO_AGR,
        "category_only": {"lora.free_share": 0.0},
    },
    "mini": {
        "full": {"align.epochs": 2.0, "lora.steps": 100},
        "no_fim": {"branches": ()},
        "no_landmarks": {"branches": ("global",)},
        "no_embedding": {"branches": ("local",)},
        "no_agr": NO_AGR,
        "lora_only": {"branches": (), **NO_AGR},
    },
}


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text("checkpoint: a\nalign:\n  epochs: 2\n  learning_rate: 1e-3\nlora: # nothing yet\n")
    return path


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_parses(path):
    run = parse_run([str(path), "lora.steps=7"])
    assert run.lora.steps == 7 and bool(run.sources) == (path.stem != NO_RUN)
    for source in run.sources.values():
        splits = (*DATASETS[source.dataset].splits, "none")
        assert source.split in splits and source.valid_split in splits
        assert bool(source.fold) == bool(DATASETS[source.dataset].folds)


def test_there_is_a_recipe_for_every_experiment():
    sets = {f"7b_{name}" for name in DATASETS if not name.startswith(("synthetic", "manifest"))}
    ablations = {f"{base}_{name}" for base, names in ABLATIONS.items() for name in names}
    others = {NO_RUN, "7b_joint", "7b_image_to_video", "7b_video_to_image", "mini", "mini_words", "tiny"}
    assert {path.stem for path in RECIPES} == sets | ablations | others


@pytest.mark.parametrize(("base", "name"), [(base, name) for base, names in ABLATIONS.items() for name in names])
def test_an_ablation_changes_only_what_it_ablates(base, name):
    changed = ABLATIONS[base][name]
    whole = values_of("mini_full" if base == "mini" and name != "full" else base)
    assert all(whole[key] != value for key, value in changed.items())
    assert values_of(f"{base}_{name}") == whole | changed  # so the steps, batches and rows are the same too


@pytest.mark.parametrize("path", [path for path in RECIPES if path.stem.startswith("7b_")], ids=lambda path: path.stem)
def test_a_7b_run_is_one_epoch_of_the_published_sizes(path):
    run = parse_run([str(path)])
    items = sum(sum(PUBLISHED[each.dataset, "train", each.fold or None]) for each in run.sources.values())
    talks = 1000 * sum(CONVERSATIONS.get(each.dataset, 0) for each in run.sources.values())
    assert run.lora.steps == (items + talks) // run.lora.batch_size
    if path.stem != "7b_joint_category_only":
        assert run.lora.free_share == round(talks / (items + talks), 2)
    assert all(each.category and not each.root and not each.instructions for each in run.sources.values())


def test_a_transfer_has_no_source_of_the_other_kind():
    stills, clips = (
        {each.dataset for each in parse_run([str(FOLDER / f"7b_{name}.yaml")]).sources.values()}
        for name in ("image_to_video", "video_to_image")
    )
    assert stills == {"rafdb", "ferplus", "affectnet"} and clips == {"dfew", "ferv39k", "mafw"}
    assert stills | clips == set(parse_run([str(FOLDER / "7b_joint.yaml")]).sources)


def values_of(name: str) -> dict[str, Any]:
    """Every value of a recipe by its name on the command line."""

    def flat(values: dict[str, Any], prefix: str) -> dict[str, Any]:
        found = {}
        for key, value in values.items():
            found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
        return found

    return flat(dataclasses.asdict(parse_run([str(FOLDER / f"{name}.yaml")])), "")


def test_a_base_lies_under_its_recipe(recipe, tmp_path):
    (tmp_path / "over").mkdir()
    middle, top = tmp_path / "over" / "middle.yaml", tmp_path / "over" / "top.yaml"
    middle.write_text(f"base: ../{recipe.name}\nbranches: [local]\nlora: {{rank: 3, alpha: 6}}\nalign:\n")
    top.write_text("base: middle.yaml\nseed: 5\nbranches: []\nlora: {rank: 4}\nsources: {ferplus: {weight: 2}}\n")
    run = parse_run([str(top), "align.epochs=9", "sources.ferplus.root=/data"])
    assert (run.checkpoint, run.align.epochs, run.align.learning_rate, run.seed) == ("a", 9.0, 1e-3, 5)
    assert run.branches == () and run.lora == LoraArguments(rank=4, alpha=6)
    assert run.sources == {"ferplus": SourceArguments("ferplus", "/data", weight=2.0)}


@pytest.mark.parametrize(
    ("base", "message"),
    [
        ("other.yaml", "run.yaml has the base .*other.yaml, which is not there"),
        ("run.yaml", "a recipe cannot be its own base"),
        ("loop.yaml", "loop.yaml has the base .*run.yaml, which leads back to it"),
        ("[]", "which is not there"),
        ("", "which is not there"),
        ("list.yaml", "list.yaml' needs a group of values"),
    ],
)
def test_a_wrong_base_is_named(recipe, tmp_path, base, message):
    (tmp_path / "loop.yaml").write_text("base: run.yaml\n")
    (tmp_path / "list.yaml").write_text("- 1\n")
    recipe.write_text(f"base: {base}\nseed: 1\n")
    with pytest.raises(EmoError, match=message):
        parse_run([str(recipe)])


def test_a_base_is_named_in_the_recipe_only(recipe):
    with pytest.raises(EmoError, match="'base' is not a value of a run"):
        parse_run([str(recipe), "base=other.yaml"])


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
