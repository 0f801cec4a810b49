"""Priors on disk: what goes in comes out, half a shard is never read, another analyser's shard is refused."""

import os
import signal

import numpy as np
import pytest
from safetensors.numpy import save_file

from emo_toolkit.data import PriorCache, write_shard
from emo_toolkit.errors import EmoError
from emo_toolkit.schema import FaceAttributes, FacialPriors

KEY = "analyser-1"


def make_priors(seed: int, *, frames: int = 1, found: bool = True) -> FacialPriors:
    rng = np.random.default_rng(seed)
    return FacialPriors(
        embedding=rng.normal(size=(frames, 4, 6)).astype(np.float32),
        landmarks=rng.uniform(-1, 1, (frames, 68, 2)).astype(np.float32),
        boxes=rng.uniform(0, 99, (frames, 4)).astype(np.float32),
        found=np.full(frames, found),
        attributes=FaceAttributes(
            "20-29", "female", "Asian", origin="estimated", probabilities={"age": {"20-29": 0.5}}
        ),
    )


def make_features(seed: int, frames: int = 1) -> np.ndarray:
    return np.random.default_rng(seed + 100).normal(size=(frames, 5, 3)).astype(np.float32)


def fill(folder, *, key=KEY):
    """Two shards: a and the two-frame clip b in one, c (without a face, three frames) in the other."""
    pair = [make_priors(0), make_priors(1, frames=2)]
    write_shard(folder / "s0.safetensors", ["a", "b"], pair, [make_features(0), make_features(1, 2)], key=key)
    lost = make_priors(2, frames=3, found=False)
    write_shard(folder / "s1.safetensors", ["c"], [lost], [make_features(2, 3)], key=key)


def test_round_trip(tmp_path):
    fill(tmp_path / "new" / "folder")
    cache = PriorCache(tmp_path / "new" / "folder", key=KEY)
    assert len(cache) == 3 and "b" in cache and "z" not in cache
    for name, seed, frames in (("a", 0, 1), ("b", 1, 2), ("c", 2, 3)):
        priors, features = cache[name]
        expected = make_priors(seed, frames=frames)
        assert priors.embedding.dtype == features.dtype == np.float16
        np.testing.assert_array_equal(priors.embedding, expected.embedding.astype(np.float16))
        np.testing.assert_array_equal(priors.landmarks, expected.landmarks)
        np.testing.assert_array_equal(priors.boxes, expected.boxes)
        assert priors.found.dtype == bool and priors.found.tolist() == [name != "c"] * frames
        assert priors.attributes == FaceAttributes("20-29", "female", "Asian", origin="estimated")
        np.testing.assert_array_equal(features, make_features(seed, frames).astype(np.float16))
    assert cache.found("a") and not cache.found("c") and not cache.found("z")


def test_another_analyser_is_refused(tmp_path):
    fill(tmp_path, key="analyser-0")
    with pytest.raises(EmoError, match="'analyser-0', but this run needs 'analyser-1'; delete the folder"):
        PriorCache(tmp_path, key=KEY)


def test_a_missing_id_says_what_to_run(tmp_path):
    fill(tmp_path)
    with pytest.raises(EmoError, match="z is not in the prior cache .*; run train/extract_priors.py"):
        PriorCache(tmp_path, key=KEY)["z"]


def test_no_folder_is_an_empty_cache(tmp_path):
    assert len(PriorCache(tmp_path / "nowhere", key=KEY)) == 0


def test_an_interrupted_write_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fill(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_write_keeps_the_older_shard(tmp_path, monkeypatch):
    fill(tmp_path)
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_shard(tmp_path / "s0.safetensors", ["x"], [make_priors(9)], [make_features(9)], key=KEY)
    assert "a" in PriorCache(tmp_path, key=KEY) and len(list(tmp_path.iterdir())) == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a second process at once")
def test_a_kill_before_the_rename_leaves_a_cache_that_opens(tmp_path):
    fill(tmp_path)
    child = os.fork()
    if not child:
        os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        fill(tmp_path, key="half done")
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 3  # what was left half done, beside two shards
    assert len(PriorCache(tmp_path, key=KEY)) == 3


def test_a_shard_of_something_else_is_refused(tmp_path):
    save_file({"embedding": np.zeros(3, np.float32)}, tmp_path / "model.safetensors")
    with pytest.raises(EmoError, match=r"model.safetensors was made by 'something else'"):
        PriorCache(tmp_path, key=KEY)


def test_a_clip_with_one_lost_frame_is_not_found(tmp_path):
    clip = make_priors(3, frames=4)
    clip.found[2] = False
    write_shard(tmp_path / "s.safetensors", ["whole", "torn"], [make_priors(4), clip],
                [make_features(4), make_features(3, 4)], key=KEY)  # fmt: skip
    cache = PriorCache(tmp_path, key=KEY)
    assert cache.found("whole") and not cache.found("torn")
    assert cache["torn"][0].found.tolist() == [True, True, False, True]
