"""extract_priors.py: photos and clips in one shard, either analyser, and processes that share the work."""

import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import SwinConfig

from emo_toolkit.checkpoints import load
from emo_toolkit.data import PriorCache
from emo_toolkit.errors import EmoError
from emo_toolkit.face.facexformer import FaceXFormer, FaceXFormerConfig
from emo_toolkit.recording import write_clip
from train import extract_priors
from train.extract_priors import cache_key


@pytest.fixture(scope="module")
def people(astronaut: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of two photos and two clips of the astronaut, one clip of three frames and one of twenty."""
    root = tmp_path_factory.mktemp("people")
    face = Image.open(astronaut).convert("RGB").crop((120, 20, 340, 240))
    face.save(root / "a.png")
    face.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(root / "b.png")
    for name, count in (("c", 3), ("d", 20)):
        write_clip([face.rotate(k / 4) for k in range(count)], root / f"{name}.mp4", fps=10)
    rows = ["a.png,happiness", "b.png,happiness", "c.mp4,neutral", "d.mp4,surprise"]
    (root / "manifest.csv").write_text("\n".join(["path,label", *rows]))
    return root


def run(monkeypatch: pytest.MonkeyPatch, people: Path, cache: Path, tiny: Path, *words: object) -> None:
    folders = ("--dataset", "manifest", "--root", people, "--cache", cache, "--split", "all", "--checkpoint", tiny)
    monkeypatch.setattr(sys, "argv", ["extract_priors.py", *map(str, (*folders, *words))])
    extract_priors.main()


def test_photos_and_clips_share_a_shard(people, tiny, tmp_path, monkeypatch):
    run(monkeypatch, people, tmp_path, tiny)
    assert len(list(tmp_path.iterdir())) == 1
    cache = PriorCache(tmp_path, key=cache_key(load(str(tiny))))
    lengths = {}
    for name in cache._where:
        priors, features = cache[name]
        assert len(priors.embedding) == len(priors.landmarks) == len(priors.found) == len(features)
        assert cache.found(name) and features.any(axis=(1, 2)).all()
        lengths[Path(name).stem[0]] = len(features)
    assert lengths == {"a": 1, "b": 1, "c": 3, "d": 4}  # tiny reads four frames of a clip


def test_a_split_that_is_not_there_is_said_in_one_line(people, tiny, tmp_path, monkeypatch):
    with pytest.raises(SystemExit, match="unknown split 'vaild' of manifest"):
        run(monkeypatch, people, tmp_path, tiny, "--split", "vaild")


def test_facexformer_makes_a_cache_of_its_own(people, tiny, tmp_path, monkeypatch):
    swin = SwinConfig(image_size=64, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 2, 2, 4], window_size=2)
    torch.manual_seed(0)
    config = FaceXFormerConfig(
        swin_config=swin, hidden_size=16, num_attention_heads=2, intermediate_size=32, embedding_grid=4
    )
    FaceXFormer(config).save_pretrained(tmp_path / "facexformer")
    run(monkeypatch, people, tmp_path / "cache", tiny, "--analyser", tmp_path / "facexformer", "--limit", 2)
    checkpoint = load(str(tiny))
    with pytest.raises(EmoError, match="facexformer-1.*embedded"):
        PriorCache(tmp_path / "cache", key=cache_key(checkpoint))
    cache = PriorCache(tmp_path / "cache", key=cache_key(checkpoint, "facexformer-1"))
    assert len(cache) == 2
    assert all(cache[name][0].embedding.shape[1:] == (16, 16) for name in cache._where)


def test_processes_share_the_shards_out(people, tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(extract_priors, "SHARD_ROWS", 1)
    run(monkeypatch, people, tmp_path / "one", tiny)
    for rank in (1, 0):
        ranks = {"process_index": rank, "num_processes": 2, "main_process_first": nullcontext}
        state = SimpleNamespace(device=torch.device("cpu"), **ranks)
        monkeypatch.setattr(extract_priors, "PartialState", lambda state=state, **_: state)
        run(monkeypatch, people, tmp_path / "two", tiny)
        assert len(list((tmp_path / "two").iterdir())) == {1: 2, 0: 4}[rank]
    key = cache_key(load(str(tiny)))
    one, two = PriorCache(tmp_path / "one", key=key), PriorCache(tmp_path / "two", key=key)
    assert set(one._where) == set(two._where) and len(one) == 4
    for name in one._where:
        np.testing.assert_allclose(one[name][0].embedding, two[name][0].embedding, atol=1e-3)
