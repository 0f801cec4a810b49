"""LLaMA-VID + InstructBLIP -> the complete `7b` folder of EMO-LLaMA, with a report key by key.

    python train/checkpoints/convert_llama_vid.py --llama-vid llama-vid-7b-full-224-video-fps-1 \
        --instructblip instructblip-vicuna-7b --out checkpoints/7b-base

Both folders as the Hub serves them (YanweiLi/..., Salesforce/...); read their licences before you use them. `convert`
says what comes from where and what could not be verified.
"""

import argparse
import copy
import dataclasses
import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from transformers import AddedToken, AutoTokenizer, GenerationConfig
from transformers.dynamic_module_utils import custom_object_save
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from emo_toolkit.errors import CheckpointError, EmoError
from emo_toolkit.model import (
    IMAGE_TOKEN,
    EmoLlamaConfig,
    EmoLlamaForConditionalGeneration,
    EmoLlamaProcessor,
    FaceInfoMiningConfig,
)
from train.checkpoints.key_map import KeyMap, Shape, map_keys
from train.checkpoints.llama_vid_rules import rules
from train.checkpoints.tensor_files import SHARD_BYTES, TensorFolder, whole_folder, write_shards

REPORT = "conversion.txt"
FIM = "face_info_mining."
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}
TEXT_NEEDS = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
TEXT_MAY_SAY = ("num_key_value_heads", "rms_norm_eps", "max_position_embeddings", "rope_theta", "rope_scaling")
CHAT_TEMPLATE = (  # Vicuna v1, the turns as LLaMA-VID joins them
    "{{ bos_token }}A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions. "
    "{% for message in messages %}{{ 'USER: ' if message['role'] == 'user' else 'ASSISTANT: ' }}"
    "{% for part in message['content'] %}{{ '<image>\n' if part['type'] == 'image' else part['text'] }}{% endfor %}"
    "{{ ' ' if message['role'] == 'user' else eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)


def build_config(
    llama_vid: Mapping[str, Any], instructblip: Mapping[str, Any], fim: Mapping[str, Any]
) -> EmoLlamaConfig:
    """The configuration of `7b`, from both sources' config.json.

    Args:
        fim: values of `FaceInfoMiningConfig` that are not the default, such as another analyser's sizes.

    Raises:
        CheckpointError: LLaMA-VID's kind of Q-Former or of frame token is not the one that EMO-LLaMA continues.
    """
    if lacking := [key for key in TEXT_NEEDS if key not in llama_vid]:
        raise CheckpointError(f"LLaMA-VID's config.json does not say {', '.join(lacking)}")
    if "mean" not in str(llama_vid.get("compress_type")):
        raise CheckpointError(
            f"LLaMA-VID's compress_type is {llama_vid.get('compress_type')!r}; EMO-LLaMA continues 'mean', two tokens "
            "a frame, as in llama-vid-7b-full-224-video-fps-1"
        )
    if not str(llama_vid.get("bert_type")).startswith("qformer_pretrain"):
        raise CheckpointError(f"LLaMA-VID's bert_type is {llama_vid.get('bert_type')!r}, not an InstructBLIP Q-Former")
    if lacking := [key for key in ("vision_config", "qformer_config") if key not in instructblip]:
        raise CheckpointError(f"InstructBLIP's config.json does not say {', '.join(lacking)}")
    text = {key: llama_vid[key] for key in (*TEXT_NEEDS, *TEXT_MAY_SAY) if llama_vid.get(key) is not None}
    vision = instructblip["vision_config"] | {"model_type": "instructblip_vision_model"}
    width = vision.get("hidden_size", 1408)
    if unknown := set(fim) - {field.name for field in dataclasses.fields(FaceInfoMiningConfig)}:
        raise CheckpointError(f"Face Info Mining has no {', '.join(sorted(unknown))}")
    try:
        return EmoLlamaConfig(
            text_config=text | {"model_type": "llama", "vocab_size": text["vocab_size"] + 1},
            vision_config=vision,
            qformer_config=instructblip["qformer_config"] | {"encoder_hidden_size": width},
            fim_config={"hidden_size": width, **fim},
            num_query_tokens=instructblip.get("num_query_tokens", 32),
            image_token_id=text["vocab_size"],
        )
    except (ValueError, TypeError, StrictDataclassError) as error:
        raise CheckpointError(f"the configurations do not fit: {error}") from error


def plan(sources: Mapping[str, Shape], config: EmoLlamaConfig) -> KeyMap:
    """The proven map of everything but Face Info Mining; errors as in `map_keys`."""
    own = any(name.startswith("llama_vid:model.vlm_att_encoder.") for name in sources)
    targets = {name: tuple(tensor.shape) for name, tensor in empty_model(config).state_dict().items()}
    kept = {name: shape for name, shape in targets.items() if not name.startswith(FIM)}
    return map_keys(sources, kept, rules(own_qformer=own))


def empty_model(config: EmoLlamaConfig) -> EmoLlamaForConditionalGeneration:
    """The model without a single number in memory."""
    with torch.device("meta"):
        return EmoLlamaForConditionalGeneration(config)


def new_face_info_mining(config: EmoLlamaConfig) -> dict[str, torch.Tensor]:
    """A fresh module's tensors, as the class makes them; always the same (seed 0)."""
    thin = copy.deepcopy(config)  # the same widths, nothing behind them
    for part in (thin.vision_config, thin.qformer_config, thin.text_config):
        part.num_hidden_layers = 0
    thin.qformer_config.vocab_size = thin.text_config.vocab_size = 1
    with torch.random.fork_rng():
        torch.manual_seed(0)
        state = EmoLlamaForConditionalGeneration(thin).state_dict()
    return {name: tensor for name, tensor in state.items() if name.startswith(FIM)}


def build_processor(llama_vid: Path, instructblip: Path, config: EmoLlamaConfig) -> EmoLlamaProcessor:
    """LLaMA's tokenizer with `<image>`, BERT's for the question, CLIP's normalisation, Vicuna's turns.

    A crop is square already, so it is only resized. 16 frames a clip: the paper does not say how many.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(llama_vid, local_files_only=True)
        questions = AutoTokenizer.from_pretrained(instructblip / "qformer_tokenizer", local_files_only=True)
    except (OSError, ValueError, ImportError) as error:
        raise CheckpointError(
            f"a tokenizer cannot be read (`tokenizer.model` needs sentencepiece): {error}"
        ) from error
    tokenizer.add_special_tokens({"additional_special_tokens": [AddedToken(IMAGE_TOKEN, special=True)]})
    if (place := tokenizer.convert_tokens_to_ids(IMAGE_TOKEN)) != config.image_token_id:
        raise CheckpointError(
            f"{IMAGE_TOKEN} becomes token {place}, behind {config.image_token_id} rows of embeddings"
        )
    if len(questions) > config.qformer_config.vocab_size:
        raise CheckpointError(
            f"qformer_tokenizer has {len(questions)} entries, the Q-Former {config.qformer_config.vocab_size} rows"
        )
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.unk_token
    size = config.vision_config.image_size
    return EmoLlamaProcessor(
        CLIPImageProcessorPil(
            size={"height": size, "width": size}, do_center_crop=False, image_mean=CLIP_MEAN, image_std=CLIP_STD
        ),
        tokenizer,
        questions,
        tokens_per_frame=config.tokens_per_frame,
        num_frames=16,
        chat_template=CHAT_TEMPLATE,
    )


def convert(
    llama_vid: Path,
    instructblip: Path,
    out: Path,
    *,
    dtype: torch.dtype = torch.bfloat16,
    fim: Mapping[str, Any] | None = None,
    shard_bytes: int = SHARD_BYTES,
) -> KeyMap:
    """Writes the checkpoint folder; it appears only when it is whole, and a run that was stopped begins anew.

    LLaMA-VID gives the language model, the projectors and, where its files hold it, the Q-Former with its norm and
    queries, which its second stage trains; else the Q-Former is InstructBLIP's. InstructBLIP gives EVA-g, frozen in
    both. Face Info Mining is new and its gates are closed: until it is trained, a frame's face tokens repeat the
    content token. One tensor and one shard are in memory at a time.

    Known from LLaMA-VID's code: its modules and their arithmetic. Not verified against the published files: that the
    tensors carry exactly the modules' names; whether EVA-g and the Q-Former are among them (both ways work); that
    LLaMA-VID's EVA-g equals InstructBLIP's. A name that differs is refused and named, never guessed.

    Args:
        llama_vid, instructblip: folders as published, with config.json, tokenizer and weights.
        out: a folder that does not exist yet.
        dtype: of every tensor written.
        fim: values of `FaceInfoMiningConfig` that are not the default.
        shard_bytes: largest file of weights, and about the memory that is needed.

    Raises:
        CheckpointError: a file is broken, holds code, or does not fit; tensors are named.
    """
    files = {"llama_vid": TensorFolder(llama_vid), "instructblip": TensorFolder(instructblip)}
    config = build_config(_read_config(llama_vid), _read_config(instructblip), fim or {})
    found = plan(
        {f"{origin}:{name}": shape for origin, held in files.items() for name, shape in held.shapes.items()}, config
    )
    processor, model = build_processor(llama_vid, instructblip, config), empty_model(config)
    special = _special_tokens(processor)
    config.text_config.update(special)
    needed = sum(tensor.numel() for tensor in model.state_dict().values()) * dtype.itemsize
    out.parent.mkdir(parents=True, exist_ok=True)
    if (free := shutil.disk_usage(out.parent).free) < needed:
        raise CheckpointError(f"{out} needs {needed / 1e9:.1f} GB, but {free / 1e9:.1f} GB are free there")
    fresh = new_face_info_mining(config)
    with whole_folder(out) as folder:
        write_shards(folder, _values(list(model.state_dict()), found, files, fresh, dtype), limit=shard_bytes)
        config.architectures, config.dtype = [type(model).__name__], dtype
        custom_object_save(model, folder, config=config)
        config.save_pretrained(folder)
        GenerationConfig(**special, suppress_tokens=[config.image_token_id]).save_pretrained(folder)
        processor.save_pretrained(folder)
        (folder / REPORT).write_text(found.report(dict.fromkeys(fresh, "made new (seed 0)")))
    return found


def _read_config(folder: Path) -> dict[str, Any]:
    try:
        return json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder / 'config.json'} cannot be read: {error}") from error


def _special_tokens(processor: EmoLlamaProcessor) -> dict[str, int]:
    tokenizer = processor.tokenizer
    return {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }


def _values(
    names: list[str],
    found: KeyMap,
    files: Mapping[str, TensorFolder],
    fresh: Mapping[str, torch.Tensor],
    dtype: torch.dtype,
) -> Iterator[tuple[str, torch.Tensor]]:
    """Every target tensor in `dtype`, one after the other."""
    for name in names:
        if name in fresh:
            yield name, fresh[name].to(dtype)
            continue
        source = found.sources[name]
        origin, _, key = source.name.partition(":")
        tensor = source.make(files[origin].read(key)).to(dtype)
        if not tensor.isfinite().all():
            raise CheckpointError(f"{source.name} holds numbers that are infinite or undefined as {dtype}")
        yield name, tensor


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llama-vid", type=Path, required=True, help="folder of a LLaMA-VID 7B checkpoint")
    parser.add_argument("--instructblip", type=Path, required=True, help="folder of instructblip-vicuna-7b")
    parser.add_argument("--out", type=Path, required=True, help="folder to write, about 16 GB")
    parser.add_argument("--dtype", choices=DTYPES, default="bfloat16")
    parser.add_argument(
        "--fim",
        type=json.loads,
        default={},
        help="sizes of Face Info Mining that are not the default, as JSON; for the embedded analyser "
        '{"prior_size": 1536, "num_prior_tokens": 49}',
    )
    arguments = parser.parse_args()
    try:
        found = convert(
            arguments.llama_vid,
            arguments.instructblip,
            arguments.out,
            dtype=DTYPES[arguments.dtype],
            fim=arguments.fim,
        )
    except EmoError as error:
        sys.exit(str(error))
    print(found.report().splitlines()[0], f"Key by key: {arguments.out / REPORT}", sep="\n")


if __name__ == "__main__":
    main()
