"""FaceXFormer: converted weights give the published arithmetic's numbers, and its analyser fits the face wing."""

import copy
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from face_scenes import noise, scene
from facexformer_reference import PUBLISHED, SMALL, TASKS, forward, random_state, shapes, two_way
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers.models.sam.configuration_sam import SamMaskDecoderConfig
from transformers.models.sam.modeling_sam import SamTwoWayTransformer

from emo_toolkit.errors import CheckpointError
from emo_toolkit.face import EmbeddedAnalyser, FaceDetector, FacialPriorExtractor
from emo_toolkit.face.facexformer import FACES_AT_ONCE, FaceXFormer, FaceXFormerAnalyser, FaceXFormerConfig
from emo_toolkit.labels import AGE_GROUPS, GENDERS, RACES
from emo_toolkit.schema import FaceAttributes, FaceCrop, FaceStatus, Media
from train.checkpoints.convert_facexformer import convert, plan

ROOT = Path(__file__).resolve().parents[2]
OUTPUTS = {"attribute": "attribute_logits", "visibility": "visibility_logits", "pose": "pose", "masks": "mask_logits"}
OUTPUTS |= {"age": "age_logits", "gender": "gender_logits", "race": "race_logits"}


def small_config() -> FaceXFormerConfig:
    return FaceXFormerConfig(
        swin_config=SMALL.swin_config,
        hidden_size=SMALL.size,
        num_attention_heads=SMALL.decoder_heads,
        intermediate_size=SMALL.inner,
        embedding_grid=4,
    )


def write(path: Path, state: dict[str, torch.Tensor]) -> Path:
    torch.save({"state_dict_backbone": state, "epoch": 12}, path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    room = tmp_path_factory.mktemp("facexformer")
    convert(write(room / "model.pt", random_state(SMALL)), room / "converted", config=small_config())
    return room / "converted"


@pytest.fixture(scope="module")
def model(folder: Path) -> FaceXFormer:
    return FaceXFormer.from_pretrained(folder).eval()


def crop(seed: int) -> FaceCrop:
    return FaceCrop(FaceStatus.OK, noise(224 + seed).crop((0, 0, 224, 224)))


@torch.no_grad()
def test_the_converted_network_gives_the_published_arithmetics_numbers(model):
    """In double precision, where rounding hides nothing."""
    double = copy.deepcopy(model).double()
    pixels = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(1)).double()
    expected = forward({name: value.double() for name, value in random_state(SMALL).items()}, SMALL, pixels)
    found = double(pixels, output_masks=True)
    close = {"atol": 1e-9, "rtol": 1e-9}
    torch.testing.assert_close(double.get_fused_map(pixels), expected["fused"], **close)
    torch.testing.assert_close(found.landmarks.flatten(1), expected["landmarks"], **close)
    for task, name in OUTPUTS.items():
        torch.testing.assert_close(found[name], expected[task], **close)
        assert expected[task].std() > 0.01  # there is something to compare
    blocks = expected["fused"].reshape(3, SMALL.size, 4, 4, 4, 4).mean((3, 5))  # 16 x 16 -> 4 x 4
    torch.testing.assert_close(found.face_embeds, blocks.flatten(2).mT, **close)
    assert model(pixels.float()).mask_logits is None


@torch.no_grad()
def test_every_kind_of_tensor_matters():
    """Each kind of tensor, changed alone, changes what the reference says: the comparison above covers it."""
    state = random_state(SMALL)
    pixels = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    before = forward(state, SMALL, pixels)
    idle = []
    for name in {re.sub(r"\d+", "", name): name for name in state}.values():
        shifted = state | {name: state[name] + torch.linspace(0.5, 1, state[name].numel()).view(state[name].shape)}
        after = forward(shifted, SMALL, pixels)
        if all(torch.allclose(after[key], before[key], atol=1e-6) for key in before):
            idle.append(name)
    unread = {"backbone.1.weight", "backbone.1.bias"}  # the norm behind the last stage
    keys = {name for name in idle if not re.search(r"relative_position_index$|\.k_proj\.bias$", name)}
    assert keys == unread  # a constant in every score cancels in the softmax, so a key's bias never shows


@torch.no_grad()
def test_the_reference_is_sams_two_way_transformer():
    """The reference itself against a second implementation that the author of neither file wrote."""
    config = SamMaskDecoderConfig(
        hidden_size=SMALL.size,
        mlp_dim=SMALL.inner,
        num_attention_heads=SMALL.decoder_heads,
        layer_norm_eps=1e-5,
        attn_implementation="eager",
    )
    sam = SamTwoWayTransformer(config).eval()
    prefix = "face_decoder.transformer."
    state = random_state(SMALL)
    own = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    sam.load_state_dict({re.sub(r"\bnorm(\d|_)", r"layer_norm\1", name): value for name, value in own.items()})
    tokens, cells, place = torch.randn(2, 5, 16), torch.randn(2, 9, 16), torch.randn(9, 16)
    grid, places = cells.mT.reshape(2, 16, 3, 3), place.T.reshape(1, 16, 3, 3)
    expected_tokens, expected_cells = sam(tokens[:, None], grid, places, None)
    found_tokens, found_cells = two_way(state, tokens, cells, place, SMALL.decoder_heads)
    torch.testing.assert_close(found_tokens, expected_tokens[:, 0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found_cells, expected_cells[:, 0], atol=1e-5, rtol=1e-5)


def test_the_published_sizes_fit_tensor_for_tensor():
    found = plan(shapes(PUBLISHED), FaceXFormerConfig())
    with torch.device("meta"):
        model = FaceXFormer(FaceXFormerConfig())
    assert set(found.sources) == set(model.state_dict())
    assert all(name.endswith("relative_position_index") for name in found.unused) and len(found.unused) == 24
    assert {source.name for source in found.sources.values()} | set(found.unused) == set(shapes(PUBLISHED))
    swin_b = 87_768_224 - 1000 * 1025  # torchvision's figure, less the classifier that the backbone leaves out
    assert sum(value.numel() for value in model.backbone.parameters()) == swin_b
    assert model.face_decoder.heads["landmarks"].layers[2].out_features == TASKS["landmarks"]


def test_the_report_names_every_tensor(folder):
    lines = (folder / "conversion.txt").read_text().splitlines()
    for name in shapes(SMALL):
        assert sum(line.startswith(f"{name} [") for line in lines) == 1, name
    assert "epoch: beside the network, not read" in lines


def without(state: dict, name: str) -> dict:
    return {key: value for key, value in state.items() if key != name}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda state: without(state, "linear_fuse.weight"), r"nothing fills linear_fuse.weight \[16, 64, 1, 1\]"),
        (lambda state: state | {"head.weight": torch.zeros(7, 64)}, r"no rule knows head.weight \[7, 64\]"),
        (
            lambda state: state | {"face_decoder.age_token.weight": torch.zeros(2, 16)},
            r"age_token.weight \[2, 16\] gives \[2, 16\], but face_decoder.task_tokens.age.weight is \[1, 16\]",
        ),
        (
            lambda state: state | {"backbone.0.9.0.norm1.weight": torch.zeros(8)},
            r"no rule knows backbone.0.9.0.norm1.weight",
        ),
        (
            lambda state: state | {"backbone.0.1.7.norm1.weight": torch.zeros(8)},
            r"belongs into backbone.encoder.layers.0.blocks.7.layernorm_before.weight, which the model does not have",
        ),
        (
            lambda state: state | {"linear_fuse.weight": torch.full((16, 64, 1, 1), torch.nan)},
            r"damaged: linear_fuse.weight",
        ),
    ],
)
def test_a_file_of_another_network_is_refused_by_name(tmp_path, change, complaint):
    path = write(tmp_path / "model.pt", change(random_state(SMALL)))
    with pytest.raises(CheckpointError, match=complaint):
        convert(path, tmp_path / "out", config=small_config())
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_not_whole_is_refused(folder, tmp_path):
    with pytest.raises(CheckpointError, match="no config.json"):
        FaceXFormerAnalyser(tmp_path / "nowhere")
    tensors = load_file(folder / "model.safetensors")
    name = next(name for name in tensors if name.startswith("linear_fuse"))
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    save_file(without(tensors, name), tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=f"not a whole FaceXFormer; 1 tensors do not fit: {name}"):
        FaceXFormerAnalyser(tmp_path)


def test_the_analyser_has_the_interface_of_the_embedded_one(folder):
    analyser = FaceXFormerAnalyser(folder)
    assert analyser.version != EmbeddedAnalyser.version and (analyser.tokens, analyser.width) == (16, SMALL.size)
    crops = [crop(0), FaceCrop(FaceStatus.NO_FACE), crop(1)]
    tokens = analyser.embed(crops)
    assert tokens.shape == (3, 16, SMALL.size) and tokens.dtype == np.float32
    assert not tokens[1].any() and tokens[[0, 2]].any(2).all()
    np.testing.assert_allclose(tokens[2], analyser.embed([crop(1)])[0], atol=1e-5)
    assert analyser.embed([]).shape == (0, 16, SMALL.size)
    assert analyser.attributes([]) == analyser.attributes([FaceCrop(FaceStatus.LOW_SCORE)]) == FaceAttributes()


def test_the_extractor_takes_it(folder):
    extractor = FacialPriorExtractor(FaceXFormerAnalyser(folder), FaceDetector(threads=1))
    picture = scene((100, 40, 250))
    crops = extractor.detect(Media((picture, noise(360)), (0.0, 0.5), "video", (640, 360), 1.0))
    priors = extractor.analyse(crops, attributes=True)
    assert extractor.version == "facexformer-1" and priors.found.tolist() == [True, False]
    assert priors.embedding.shape == (2, 16, SMALL.size) and priors.attributes.race is None
    with ThreadPoolExecutor(4) as pool:
        for again in pool.map(lambda _: extractor.analyse(crops), range(4)):
            np.testing.assert_allclose(again.embedding, priors.embedding, atol=1e-6)


def test_many_faces_are_the_faces_one_by_one(folder):
    analyser = FaceXFormerAnalyser(folder)
    crops = [crop(seed % 3) for seed in range(FACES_AT_ONCE + 2)]
    tokens = analyser.embed(crops)
    np.testing.assert_allclose(tokens, tokens[[seed % 3 for seed in range(len(crops))]], atol=1e-5)
    assert np.abs(tokens[0] - tokens[1]).max() > 1e-2


def test_pixels_are_normalised_as_published(folder):
    analyser = FaceXFormerAnalyser(folder)
    colour, seen = (10, 120, 250), []
    analyser.model.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    analyser.attributes([FaceCrop(FaceStatus.OK, Image.new("RGB", (224, 224), colour))])
    means, deviations = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    expected = [(value / 255 - mean) / std for value, mean, std in zip(colour, means, deviations, strict=True)]
    assert seen[0].shape == (1, 3, 64, 64)
    assert seen[0][0, :, 30, 30].tolist() == pytest.approx(expected, abs=1e-5)


def test_race_is_in_the_words_only_when_asked_for(folder):
    quiet = FaceXFormerAnalyser(folder).attributes([crop(0), crop(1)])
    assert quiet.race is None and set(quiet.probabilities) == {"age", "gender"}
    assert quiet.age in AGE_GROUPS and quiet.gender in GENDERS and quiet.origin == "estimated"
    asked = FaceXFormerAnalyser(folder, estimate_race=True).attributes([crop(0), crop(1)])
    assert set(asked.probabilities["race"]) == {*RACES, "Others"}
    for shares in asked.probabilities.values():
        assert sum(shares.values()) == pytest.approx(1, abs=1e-5)
    likeliest = max(asked.probabilities["race"], key=asked.probabilities["race"].get)
    assert asked.race == (likeliest if likeliest in RACES else None)


@pytest.mark.parametrize(("best", "race"), [(0, "White"), (3, "Asian"), (4, None)])
def test_words_of_the_likeliest_classes(folder, best, race):
    analyser = FaceXFormerAnalyser(folder, estimate_race=True)
    for task, place in {"race": best, "age": 0, "gender": 1}.items():
        last = analyser.model.face_decoder.heads[task].layers[2]
        torch.nn.init.zeros_(last.weight)
        with torch.no_grad():
            last.bias.copy_(torch.eye(len(last.bias))[place] * 5)
    said = analyser.attributes([crop(0)])
    assert (said.race, said.age, said.gender) == (race, "3-9", "female")


def test_nothing_that_visitors_meet_can_ask_for_race():
    shown = [ROOT / "app.py", *(ROOT / "emo_toolkit").rglob("*.py")]
    asking = [path.name for path in shown if "estimate_race" in path.read_text(encoding="utf-8")]
    assert asking == ["facexformer.py"]
