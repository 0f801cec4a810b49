"""A name, a folder or a Hub id -> a complete checkpoint folder -> model and processor on a device.

`mini` is assembled once into the user's cache from pinned parts; after that no network is needed.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from safetensors import SafetensorError
from transformers import AutoModelForImageTextToText, AutoProcessor, BitsAndBytesConfig
from transformers.utils import is_bitsandbytes_available

from ..errors import CheckpointError
from ..model import EmoLlamaForConditionalGeneration, EmoLlamaProcessor
from .mini import assemble, load_adapter
from .parts import Progress

SAFE_FILES = ["*.json", "*.jinja", "*.safetensors", "*.txt", "*.model"]
WHOLE_MODULES = (  # what `quantization` leaves alone
    *("vision_tower", "qformer", "qformer_norm", "query_tokens"),
    *("multi_modal_projector", "face_info_mining", "lm_head"),
)
SEVEN_B = (
    "'7b' is not shipped: its parts carry licences that each user must accept, and no trained EMO-LLaMA weights are "
    "public. Convert LLaMA-VID and train the adapter, then pass the folder: --checkpoint path/to/folder. "
    "'mini' answers on any machine."
)


@dataclass(frozen=True)
class Checkpoint:
    """A loaded checkpoint: the model in eval mode on `device`, and the processor that feeds it."""

    name: str
    folder: Path
    model: EmoLlamaForConditionalGeneration
    processor: EmoLlamaProcessor
    device: torch.device


def resolve(name: str, *, progress: Progress | None = None) -> Path:
    """The complete folder of a checkpoint.

    Args:
        name: "mini"; "mini-base" (mini before its adapter, for training); a folder with `config.json` or
            `adapter_config.json`; or a Hub id, of which only safetensors, JSON and tokenizer files are fetched.
        progress: called as (what, done, total) while a part is fetched.

    Raises:
        CheckpointError: saying what is missing and what to do.
    """
    if name in ("mini", "mini-base"):
        return assemble(name, progress=progress)
    if name == "7b":
        raise CheckpointError(SEVEN_B)
    folder = Path(name).expanduser()
    if folder.is_dir():
        if not any((folder / file).is_file() for file in ("config.json", "adapter_config.json")):
            raise CheckpointError(f"{folder} holds neither config.json nor adapter_config.json: not a checkpoint")
        return folder
    try:
        return Path(snapshot_download(name, allow_patterns=SAFE_FILES))
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise CheckpointError(
            f"'{name}' is not 'mini', not a folder, and could not be fetched as a Hub id: {error}"
        ) from error


def load(
    name: str = "mini",
    *,
    device: str | None = None,
    dtype: torch.dtype | None = None,
    quantization: str = "none",
    progress: Progress | None = None,
) -> Checkpoint:
    """Loads a checkpoint for inference.

    Args:
        name: as for `resolve`; a folder with only an adapter is merged into its base.
        device: "cuda", "mps" or "cpu"; None takes the best there is.
        dtype: None means bfloat16 on cuda and float32 elsewhere (on a CPU that is the faster one for `mini`).
        quantization: "4bit" keeps the language model's linear layers in NF4 with bitsandbytes, for training on a
            small GPU; of a whole checkpoint only.

    Raises:
        CheckpointError: as for `resolve`, or when the folder's files are broken or of another kind of model.
    """
    folder = resolve(name, progress=progress)
    chosen = torch.device(device or best_device())
    dtype = dtype or (torch.bfloat16 if chosen.type == "cuda" else torch.float32)
    try:
        if quantization != "none":
            model, processor = _load_quantized(folder, chosen, dtype), AutoProcessor.from_pretrained(folder)
        elif (folder / "config.json").is_file():
            model = AutoModelForImageTextToText.from_pretrained(folder, dtype=dtype, use_safetensors=True)
            processor = AutoProcessor.from_pretrained(folder)
        else:
            model, base = load_adapter(folder, resolve, dtype=dtype)
            processor = AutoProcessor.from_pretrained(base)
    except (OSError, ValueError, SafetensorError) as error:
        raise CheckpointError(f"{folder} is not a whole EMO-LLaMA checkpoint: {error}") from error
    return Checkpoint(name, folder, model.eval().to(chosen), processor, chosen)


def _load_quantized(folder: Path, device: torch.device, dtype: torch.dtype) -> EmoLlamaForConditionalGeneration:
    """The layers of the language model in NF4 with double quantisation; everything else as it is in the files."""
    if not is_bitsandbytes_available():
        raise CheckpointError("4-bit loading needs bitsandbytes, which is not installed: pip install bitsandbytes")
    if not (folder / "config.json").is_file():
        raise CheckpointError(f"{folder} is an adapter; only a whole checkpoint can be loaded in 4 bits")
    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
        llm_int8_skip_modules=list(WHOLE_MODULES),
    )
    return AutoModelForImageTextToText.from_pretrained(
        folder, dtype=dtype, quantization_config=config, device_map={"": device}, use_safetensors=True
    )


def best_device() -> str:
    """ "cuda" where there is one, else "mps", else "cpu"."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
