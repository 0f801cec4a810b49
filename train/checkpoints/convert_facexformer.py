"""FaceXFormer's published file -> a safetensors folder for `FaceXFormerAnalyser`, with a report key by key.

    python train/checkpoints/convert_facexformer.py model.pt --out checkpoints/facexformer

The file is ckpts/model.pt of the Hub repository kartiknarayan/facexformer; read its licence before you use it.
Known from the published code: the state dict lies under `state_dict_backbone`; torchvision's Swin-B without its head.
Not verified against the published file: the names of the tensors, which are those of torchvision's Swin, of SAM, and
of the code's modules as remembered. A name that differs is refused and named, never guessed.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

import torch

from emo_toolkit.errors import CheckpointError, EmoError
from emo_toolkit.face.facexformer import FaceXFormer, FaceXFormerConfig
from train.checkpoints.key_map import KeyMap, Rule, Shape, map_keys, thirds
from train.checkpoints.tensor_files import load_pickled, whole_folder

STATE_DICT = "state_dict_backbone"
REPORT = "conversion.txt"
FINAL_NORM = 1  # place of Swin's last norm among torchvision's children; 0 holds patches, stages and mergers in turn
TASKS = "landmarks|pose|attribute|visibility|age|gender|race"


def rules(depths: list[int]) -> list[Rule]:
    """One rule for each form of tensor in a FaceXFormer whose Swin has stages of these depths."""
    decoder = "face_decoder"
    found = [
        Rule(r"backbone\.0\.0\.0\.(\w+)", (r"backbone.embeddings.patch_embeddings.projection.\1",)),
        Rule(r"backbone\.0\.0\.2\.(\w+)", (r"backbone.embeddings.norm.\1",)),
        Rule(rf"backbone\.{FINAL_NORM}\.(\w+)", (r"backbone.layernorm.\1",), "kept, though no head reads it"),
        Rule(r"linear_c\.(\d+)\.proj\.(\w+)", (r"linear_c.\1.proj.\2",)),
        Rule(r"linear_fuse\.weight", ("linear_fuse.weight",)),
        Rule(r"pe_layer\.positional_encoding_gaussian_matrix", ("pe_layer.directions",)),
        Rule(rf"{decoder}\.transformer\.(.+)", (rf"{decoder}.transformer.\1",)),
        Rule(rf"{decoder}\.({TASKS})_token\.weight", (rf"{decoder}.task_tokens.\1.weight",)),
        Rule(rf"{decoder}\.({TASKS})_prediction_head\.(.+)", (rf"{decoder}.heads.\1.\2",)),
        Rule(rf"{decoder}\.mask_tokens\.weight", (rf"{decoder}.mask_tokens.weight",)),
        Rule(rf"{decoder}\.output_hypernetwork_mlps\.(.+)", (rf"{decoder}.mask_head.\1",)),
        Rule(rf"{decoder}\.output_upscaling\.(.+)", (rf"{decoder}.upscaling.\1",)),
    ]
    for stage in range(len(depths)):  # torchvision counts patches 0, stage 1, merger 2, stage 3 ...
        found += stage_rules(rf"backbone\.0\.{2 * stage + 1}\.(\d+)", rf"backbone.encoder.layers.{stage}.blocks.\1")
        if stage < len(depths) - 1:
            merger = rf"backbone.encoder.layers.{stage}.downsample.\1"
            found.append(Rule(rf"backbone\.0\.{2 * stage + 2}\.((?:norm|reduction)\.\w+)", (merger,)))
    return found


def stage_rules(block: str, target: str) -> list[Rule]:
    """The rules of one Swin stage: torchvision's names -> transformers'."""
    joined = tuple(rf"{target}.attention.{part}_proj.\2" for part in "qkv")
    bias = rf"{target}.attention.relative_position_bias.relative_position_bias_table"
    return [
        Rule(rf"{block}\.norm1\.(\w+)", (rf"{target}.layernorm_before.\2",)),
        Rule(rf"{block}\.norm2\.(\w+)", (rf"{target}.layernorm_after.\2",)),
        Rule(rf"{block}\.attn\.qkv\.(\w+)", joined, "split into query, key and value", thirds),
        Rule(rf"{block}\.attn\.proj\.(\w+)", (rf"{target}.attention.o_proj.\2",)),
        Rule(rf"{block}\.attn\.relative_position_bias_table", (bias,)),
        Rule(rf"{block}\.attn\.relative_position_index", note="a constant of the window's size, made anew"),
        Rule(rf"{block}\.mlp\.0\.(\w+)", (rf"{target}.mlp.fc1.\2",)),
        Rule(rf"{block}\.mlp\.3\.(\w+)", (rf"{target}.mlp.fc2.\2",)),
    ]


def plan(sources: Mapping[str, Shape], config: FaceXFormerConfig) -> KeyMap:
    """The proven map of FaceXFormer's tensors; errors as in `map_keys`."""
    with torch.device("meta"):
        state = FaceXFormer(config).state_dict()
    targets = {name: tuple(tensor.shape) for name, tensor in state.items()}
    return map_keys(sources, targets, rules(list(config.swin_config.depths)))


def convert(path: Path, out: Path, *, config: FaceXFormerConfig | None = None) -> KeyMap:
    """Writes the folder: model.safetensors, config.json and conversion.txt, the report.

    Args:
        path: the published `.pt` file.
        out: a folder that does not exist yet; it appears only when it is whole.
        config: shape of the network; the published one by default.

    Raises:
        CheckpointError: the file is broken, tries to run code, or is not this network; tensors are named.
    """
    config = config or FaceXFormerConfig()
    held = load_pickled(path)
    state = held.get(STATE_DICT)
    if not isinstance(state, Mapping) or not all(isinstance(tensor, torch.Tensor) for tensor in state.values()):
        raise CheckpointError(f"{path} has no tensors under {STATE_DICT}; it holds {', '.join(map(str, held))}")
    found = plan({name: tuple(tensor.shape) for name, tensor in state.items()}, config)
    tensors = {target: source.make(state[source.name]).float() for target, source in found.sources.items()}
    if wrong := [found.sources[target].name for target, tensor in tensors.items() if not tensor.isfinite().all()]:
        raise CheckpointError(f"{path} is damaged: {wrong[0]} holds infinite or undefined numbers")
    model = FaceXFormer(config)
    model.load_state_dict(tensors)
    beside = [f"{name}: beside the network, not read" for name in held if name != STATE_DICT]
    with whole_folder(out) as folder:
        model.save_pretrained(folder)
        (folder / REPORT).write_text("\n".join([found.report(), *beside, ""]))
    return found


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="model.pt")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    arguments = parser.parse_args()
    try:
        found = convert(arguments.file, arguments.out)
    except EmoError as error:
        sys.exit(str(error))
    print(found.report().splitlines()[0], f"Key by key: {arguments.out / REPORT}", sep="\n")


if __name__ == "__main__":
    main()
