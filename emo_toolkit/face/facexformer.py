"""FaceCrops -> FaceXFormer -> face tokens, landmarks, age and gender: the analyser that the paper most likely used.

Swin-B's four maps -> one fused map (the face embedding) -> task tokens and heads (`face_decoder.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from huggingface_hub.dataclasses import strict
from PIL import Image
from torch import nn
from transformers import PreTrainedModel, SwinConfig, SwinModel
from transformers import initialization as init
from transformers.configuration_utils import PreTrainedConfig
from transformers.utils import ModelOutput

from ..errors import CheckpointError
from ..labels import GENDERS, RACES
from ..schema import NUM_LANDMARKS, FaceAttributes, FaceCrop
from .face_decoder import FaceDecoder, FourierPositions

SWIN_B = {"embed_dim": 128, "depths": [2, 2, 18, 2], "num_heads": [4, 8, 16, 32], "window_size": 7}
IMAGE_MEAN = np.array([0.485, 0.456, 0.406], np.float32)  # RGB, ImageNet's
IMAGE_STD = np.array([0.229, 0.224, 0.225], np.float32)
AGES = ("0-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "70+")
YOUNGEST = "3-9"  # the word of `AGE_GROUPS` for "0-9": it holds seven of those ten years
RACE_CLASSES = (*RACES, "Others")  # "Others" is never put into words
FACES_AT_ONCE = 32


@strict
class FaceXFormerConfig(PreTrainedConfig):
    """Shape of FaceXFormer; the defaults are the published network.

    Args:
        swin_config: Swin-B at 224 px when None.
        hidden_size: channels C of the fused map and of the task tokens.
        num_hidden_layers, num_attention_heads, intermediate_size: the two-way transformer.
        num_attributes: CelebA attributes; num_visibilities: landmarks of the visibility task (COFW's 29).
        num_masks: classes of face parsing, one task token each.
        embedding_grid: side of the pooled fused map; a face embedding has its square in tokens. Reconstruction: the
            paper does not say which tensor its face embedding is.
    """

    model_type = "facexformer"
    sub_configs_defaults = {"swin_config": SwinConfig}

    swin_config: dict | PreTrainedConfig | None = None
    hidden_size: int = 256
    num_hidden_layers: int = 2
    num_attention_heads: int = 8
    intermediate_size: int = 2048
    num_attributes: int = 40
    num_visibilities: int = 29
    num_ages: int = len(AGES)
    num_genders: int = len(GENDERS)
    num_races: int = len(RACE_CLASSES)
    num_masks: int = 11
    embedding_grid: int = 14
    initializer_range: float = 0.02

    def __post_init__(self, **kwargs: Any) -> None:
        if self.swin_config is None:
            self.swin_config = dict(SWIN_B)
        super().__post_init__(**kwargs)


@dataclass
class FaceXFormerOutput(ModelOutput):
    """Everything that the heads say of N faces.

    Attributes:
        face_embeds: (N, embedding_grid ** 2, C), row by row.
        landmarks: (N, 68, 2) x, y in [-1, 1] from edge to edge of the picture.
        pose: (N, 3) pitch, yaw, roll in radians.
        attribute_logits: (N, 40); visibility_logits: (N, 29).
        age_logits, gender_logits, race_logits: (N, 8), (N, 2), (N, 5), in the order of `AGES`, `GENDERS` and
            `RACE_CLASSES`.
        mask_logits: (N, 11, 4 H, 4 W) when asked for.
    """

    face_embeds: torch.Tensor | None = None
    landmarks: torch.Tensor | None = None
    pose: torch.Tensor | None = None
    attribute_logits: torch.Tensor | None = None
    visibility_logits: torch.Tensor | None = None
    age_logits: torch.Tensor | None = None
    gender_logits: torch.Tensor | None = None
    race_logits: torch.Tensor | None = None
    mask_logits: torch.Tensor | None = None


class ScaleProjection(nn.Module):
    """One stage's map, brought to C channels."""

    def __init__(self, channels: int, size: int) -> None:
        super().__init__()
        self.proj = nn.Linear(channels, size)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(N, channels, h, w) -> (N, C, h, w)."""
        return self.proj(features.movedim(1, -1)).movedim(-1, 1)


class FaceXFormer(PreTrainedModel):
    """The whole network: every tensor of the published state dict has a place in it.

    Source: arXiv 2403.12960 and its code (MIT). As published: torchvision's Swin-B, read after each of its stages; a
    Linear for each; bilinear to 56 x 56; deepest first; a 1 x 1 convolution without bias; Fourier positions whose
    directions are in the file; SAM's two-way transformer; the order of the 18 tokens; the heads and their classes;
    landmarks with pixel = ((v + 1) * size - 1) / 2.
    Assumed as in SegFormer and SAM, not verified against the published file: corners are not aligned when maps are
    enlarged; the details inside the two-way transformer and the mask branch; one mask head for all mask tokens; x
    comes before y in the landmarks.
    """

    config: FaceXFormerConfig
    config_class = FaceXFormerConfig
    base_model_prefix = "facexformer"
    main_input_name = "pixel_values"
    input_modalities = ("image",)
    _supports_sdpa = True

    def __init__(self, config: FaceXFormerConfig) -> None:
        super().__init__(config)
        size, swin = config.hidden_size, config.swin_config
        self.backbone = SwinModel(swin, add_pooling_layer=False)
        channels = [swin.embed_dim * 2**stage for stage in range(len(swin.depths))]
        self.linear_c = nn.ModuleList([ScaleProjection(width, size) for width in channels])
        self.linear_fuse = nn.Conv2d(len(channels) * size, size, 1, bias=False)
        self.pe_layer = FourierPositions(size)
        self.face_decoder = FaceDecoder(
            size,
            heads={
                "landmarks": 2 * NUM_LANDMARKS,
                "pose": 3,
                "attribute": config.num_attributes,
                "visibility": config.num_visibilities,
                "age": config.num_ages,
                "gender": config.num_genders,
                "race": config.num_races,
            },
            num_masks=config.num_masks,
            depth=config.num_hidden_layers,
            attention_heads=config.num_attention_heads,
            inner=config.intermediate_size,
        )
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, FourierPositions):
            init.normal_(module.directions)

    def get_fused_map(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """pixel_values (N, 3, 224, 224), normalised -> the fused map (N, C, 56, 56)."""
        seen = self.backbone(pixel_values, output_hidden_states=True, output_hidden_states_before_downsampling=True)
        stages = seen.reshaped_hidden_states[1:]  # behind the stem; (N, 128, 56, 56) ... (N, 1024, 7, 7)
        side = stages[0].shape[2:]
        same = [
            F.interpolate(project(features), size=side, mode="bilinear", align_corners=False)
            for features, project in zip(stages, self.linear_c, strict=True)
        ]
        return self.linear_fuse(torch.cat(same[::-1], 1))

    def pool(self, fused: torch.Tensor) -> torch.Tensor:
        """The face embedding: fused map (N, C, H, W) -> (N, embedding_grid ** 2, C)."""
        return F.adaptive_avg_pool2d(fused, self.config.embedding_grid).flatten(2).mT

    def forward(self, pixel_values: torch.Tensor, output_masks: bool = False) -> FaceXFormerOutput:
        """pixel_values (N, 3, 224, 224): RGB face crops, normalised by ImageNet's mean and deviation."""
        fused = self.get_fused_map(pixel_values)
        position = self.pe_layer(*fused.shape[2:])
        said, masks = self.face_decoder(fused, position, output_masks=output_masks)
        return FaceXFormerOutput(
            face_embeds=self.pool(fused),
            landmarks=said["landmarks"].unflatten(1, (NUM_LANDMARKS, 2)),
            pose=said["pose"],
            attribute_logits=said["attribute"],
            visibility_logits=said["visibility"],
            age_logits=said["age"],
            gender_logits=said["gender"],
            race_logits=said["race"],
            mask_logits=masks,
        )


class FaceXFormerAnalyser:
    """FaceXFormer in the place of `EmbeddedAnalyser`, for `FacialPriorExtractor(analyser=...)`.

    It reads the house's crops: upright, 1.25 x the mesh. The published demo cuts 1.5 x the box of MTCNN, not turned;
    what that changes has not been measured. Landmarks stay the detector's, in the same order and coordinates. One
    analyser serves several threads.

    Args:
        folder: what train/checkpoints/convert_facexformer.py wrote.
        device: "cpu", "cuda" ...
        estimate_race: also put race into words, for the paper's age-gender-race prompt on a data set whose people
            agreed to it. Off by default, and never on where visitors' faces are seen.

    Raises:
        CheckpointError: the folder does not hold the whole network.
    """

    version = "facexformer-1"

    def __init__(self, folder: str | Path, *, device: str = "cpu", estimate_race: bool = False) -> None:
        if not (Path(folder) / "config.json").is_file():
            raise CheckpointError(
                f"{folder} has no config.json: make it with train/checkpoints/convert_facexformer.py"
            )
        model, loading = FaceXFormer.from_pretrained(folder, output_loading_info=True, local_files_only=True)
        if wrong := sorted([*loading["missing_keys"], *loading["unexpected_keys"]]):
            raise CheckpointError(f"{folder} is not a whole FaceXFormer; {len(wrong)} tensors do not fit: {wrong[0]}")
        self.model = model.eval().to(device)
        self.estimate_race = estimate_race
        self.tokens, self.width = model.config.embedding_grid**2, model.config.hidden_size

    def embed(self, crops: Sequence[FaceCrop]) -> np.ndarray:
        """Face tokens (F, 196, 256) float32, row by row of the 14 x 14 grid; rows without a usable face are zero."""
        tokens = np.zeros((len(crops), self.tokens, self.width), np.float32)
        rows, pixels = self._pixels(crops)
        with torch.inference_mode():
            found = [self.model.pool(self.model.get_fused_map(part)).float().cpu() for part in pixels]
        if rows:
            tokens[rows] = torch.cat(found).numpy()
        return tokens

    def attributes(self, crops: Sequence[FaceCrop]) -> FaceAttributes:
        """Age group and gender of the logits averaged over the usable frames; race only with `estimate_race`."""
        rows, pixels = self._pixels(crops)
        if not rows:
            return FaceAttributes()
        with torch.inference_mode():
            seen = [self.model(part) for part in pixels]
        named = {"age": AGES, "gender": GENDERS} | ({"race": RACE_CLASSES} if self.estimate_race else {})
        probabilities = {}
        for name, words in named.items():
            logits = torch.cat([output[f"{name}_logits"] for output in seen]).float().mean(0)
            probabilities[name] = dict(zip(words, logits.softmax(0).tolist(), strict=True))
        best = {name: max(shares, key=lambda word: shares[word]) for name, shares in probabilities.items()}
        return FaceAttributes(
            age=YOUNGEST if best["age"] == AGES[0] else best["age"],
            gender=best["gender"],
            race=best["race"] if best.get("race") in RACES else None,
            origin="estimated",
            probabilities=probabilities,
        )

    def _pixels(self, crops: Sequence[FaceCrop]) -> tuple[list[int], list[torch.Tensor]]:
        """Which crops are usable, and their normalised pixels in parts (N, 3, 224, 224) on the device."""
        rows = [index for index, crop in enumerate(crops) if crop.status.usable]
        side = self.model.config.swin_config.image_size
        parts = []
        for first in range(0, len(rows), FACES_AT_ONCE):
            images = [crops[index].image for index in rows[first : first + FACES_AT_ONCE]]
            resized = [image.resize((side, side), Image.Resampling.BICUBIC) for image in images]
            pixels = (np.stack(resized).astype(np.float32) / 255 - IMAGE_MEAN) / IMAGE_STD
            parts.append(torch.from_numpy(pixels.transpose(0, 3, 1, 2)).to(self.model.device, self.model.dtype))
        return rows, parts
