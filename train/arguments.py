"""The values of a training run: typed, checked, read from a recipe and then from the command line.

run = parse_run(["train/recipes/mini.yaml", "lora.steps=200", "sources.ferplus.root=/data/ferplus"])
"""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from emo_toolkit.errors import EmoError


@dataclass(frozen=True)
class SourceArguments:
    """One data set of a run. `root` is a folder of the user's; recipes leave it open."""

    dataset: str = ""  # a key of emo_toolkit.data.DATASETS; "": the source's own name in the recipe
    root: str = ""
    split: str = "train"
    valid_split: str = "valid"  # "test" where a set has no other: rafdb, dfew, ferv39k, mafw; "none": not measured on
    fold: int = 0  # of a set with folds, such as dfew and mafw; 0 for the others
    category: bool = True  # FERID's category item of every sample
    instructions: tuple[str, ...] = ()  # files of train/generate_instructions.py about the same split
    turns: int = 0  # only the first so many turns of each conversation; 0: all
    weight: float = 1.0  # how often a row of this source is drawn, beside the rows of others
    align: bool = True  # whether stage 1 learns from it (not from clips whose label holds for a few frames only)


@dataclass(frozen=True)
class AlignArguments:
    """Stage 1: the projectors, the Q-Former and Face Info Mining learn to speak in the label words' embeddings."""

    epochs: float = 4.0
    batch_size: int = 128  # over all processes
    learning_rate: float = 1e-3
    gate_opening: float = 1.0  # what the gates are set to at step 0: through a closed gate nothing behind it learns
    gate_learning_rate: float = 3e-3
    weight_decay: float = 0.05
    warmup: float = 0.05  # share of the steps
    scale: float = 20.0  # inverse temperature of the cosine similarity
    pull: float = 1.0  # weight of the squared distance to the raters' mean word
    balance: float = 0.0  # class-balanced sampling: rows are drawn by (size of their class) ** -balance; 1: all alike


@dataclass(frozen=True)
class LoraArguments:
    """Stage 2: LoRA in the language model, with the modules of stage 1 still learning."""

    steps: int = 600  # optimiser steps
    batch_size: int = 32  # over all processes
    micro_batch_size: int = 0  # rows of one pass through the model; 0: all of a process's rows at once
    rank: int = 8
    alpha: int = 16
    dropout: float = 0.05
    target_modules: str = r".*language_model\.layers\.\d+\.(self_attn|mlp)\.(q|k|v|o|gate|up|down)_proj"
    modules_to_save: tuple[str, ...] = (
        "face_info_mining",
        "multi_modal_projector",
        "qformer",
        "qformer_norm",
        "query_tokens",
    )
    learning_rate: float = 2e-4
    projector_learning_rate: float = 1e-4
    weight_decay: float = 0.0
    warmup: float = 0.03
    max_grad_norm: float = 1.0
    gradient_checkpointing: bool = False
    length_grouped: bool = True  # batches of rows of like length: less padding
    balance: float = 0.0  # as in stage 1
    align_weight: float = 0.2  # how much of stage 1's loss stays
    attributes_share: float = 0.3  # share of prompts with the age-gender-race sentence
    free_share: float = 0.15  # share of rows with a free question, where there are any
    answer_power: float = 0.5  # an answer of n tokens weighs n ** this; at 1 explanations drown labels, at 0 starve
    clip_share: float = 0.05  # share of stills shown as a short clip of `clip_frames` equal frames
    clip_frames: int = 4


@dataclass(frozen=True)
class RunArguments:
    """One run. `cache` and the roots of the sources are folders of the user's; recipes leave them open."""

    checkpoint: str = "mini-base"
    face_tokens: int = 0  # face tokens a branch, to compare; 0 keeps the checkpoint's (it changes no weight's shape)
    branches: tuple[str, ...] = ("global", "local")  # of Face Info Mining; what is left out stays behind a closed gate
    sources: dict[str, SourceArguments] = field(default_factory=dict)
    cache: str = "priors"
    analyser: str = "embedded-2"  # version of the analyser that made the cache; "facexformer-1" for the other one
    output: str = "runs/mini"
    seed: int = 0
    mixed_precision: str = "bf16"
    quantization: str = "none"  # "4bit": the language model's linear layers in NF4 (QLoRA); needs bitsandbytes
    tracker: str = "tensorboard"  # curves in OUTPUT/curves; "none", or any that accelerate knows: wandb, mlflow ...
    estimate: bool = True  # whether memory and time are estimated before the first step
    log_every: int = 10
    save_every: int = 50
    valid_samples: int = 256  # of each source
    best_by: str = ""  # a figure of stage 2, as in ferplus_uar: the adapter that was best by it stays in OUTPUT/best
    align: AlignArguments = field(default_factory=AlignArguments)
    lora: LoraArguments = field(default_factory=LoraArguments)


def parse_run(words: list[str]) -> RunArguments:
    """A recipe path, then any number of `name=value` or `group.name=value`; the later one wins.

    Raises:
        EmoError: for an unknown name or a value of the wrong type; names the values known.
    """
    recipe = read_recipe(Path(words[0]))
    for word in words[1:]:
        name, separator, value = word.partition("=")
        if not separator:
            raise EmoError(f"'{word}' is not name=value, as in lora.steps=200")
        target = recipe
        *groups, leaf = name.split(".")
        for group in groups:
            target = _group(target, name)
            target[group] = target.get(group) or {}
            target = target[group]
        _group(target, name)[leaf] = yaml.safe_load(value)
    arguments = _build(RunArguments, recipe, "")
    if unknown := set(arguments.branches) - {"global", "local"}:
        raise EmoError(f"branches are global and local, not {', '.join(sorted(unknown))}")
    if arguments.quantization not in ("none", "4bit"):
        raise EmoError(f"quantization is none or 4bit, not {arguments.quantization}")
    return arguments


def read_recipe(path: Path, *, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    """The values of a recipe. `base: other.yaml`, relative to the recipe, lays them over those of another one.

    Raises:
        EmoError: the base is no file, or leads back to the recipe.
    """
    values = _group(yaml.safe_load(path.read_text()) or {}, str(path))
    if "base" not in values:
        return values
    above, base = (*above, path.resolve()), path.parent / str(values.pop("base"))
    if not base.is_file():
        raise EmoError(f"{path} has the base {base}, which is not there; it is a path relative to the recipe")
    if base.resolve() in above:
        raise EmoError(f"{path} has the base {base}, which leads back to it; a recipe cannot be its own base")
    return _over(read_recipe(base, above=above), values)


def _over(lower: Any, upper: Any) -> Any:
    """Groups are merged value by value, and an empty one changes nothing; of anything else the upper one counts."""
    if not isinstance(lower, dict) or not isinstance(upper, dict | None):
        return upper
    return lower | {name: _over(lower.get(name), value) for name, value in (upper or {}).items()}


def _group(values: Any, name: str) -> dict[str, Any]:
    if not isinstance(values, dict):
        raise EmoError(f"'{name}' needs a group of values, as in lora.steps, and found {values!r}")
    return values


def _build(kind: type, values: Any, prefix: str) -> Any:
    fields = {item.name: item for item in dataclasses.fields(kind)}
    arguments: dict[str, Any] = {}
    for name, value in _group(values, prefix.rstrip(".") or "recipe").items():
        if name not in fields:
            raise EmoError(f"'{prefix}{name}' is not a value of a run; known are {', '.join(fields)}")
        default = fields[name].default
        if name == "sources":
            sources = _group(value or {}, name)
            arguments[name] = {key: _source(key, each) for key, each in sources.items()}
        elif default is dataclasses.MISSING:  # a stage
            arguments[name] = _build(type(fields[name].default_factory()), value or {}, f"{name}.")
        else:
            try:
                arguments[name] = _convert(value, type(default))
            except (TypeError, ValueError) as error:
                raise EmoError(f"'{prefix}{name}' must be a {type(default).__name__}, not {value!r}") from error
    return kind(**arguments)


def _source(name: str, values: Any) -> SourceArguments:
    source = _build(SourceArguments, values or {}, f"sources.{name}.")
    return dataclasses.replace(source, dataset=source.dataset or name)


def _convert(value: Any, kind: type) -> Any:
    """`value` as `kind`; ValueError where nothing is given or the conversion would lose something. YAML reads a bare
    `no` as a bool, as in mixed_precision=no; a word it is."""
    value = "no" if kind is str and value is False else value
    converted = kind(value)
    lossy = (kind is int and converted != float(value)) or ((kind is bool) != isinstance(value, bool))
    if value is None or lossy or (kind is tuple and isinstance(value, str)):
        raise ValueError(value)
    return converted
