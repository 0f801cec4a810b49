"""baselines.py: a probe that learns what features hold, nets that read faces, and files that compare.py takes."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emo_toolkit.data import PriorCache, write_shard
from emo_toolkit.errors import EmoError
from emo_toolkit.schema import EmoSample, FacialPriors
from train import baselines, compare

LABELS = ("happiness", "sadness", "anger")


def sample(at: int, label: str, votes: dict[str, float] | None = None) -> EmoSample:
    return EmoSample(f"made/{at}", f"{at}.png", "image", label, "ferplus", "train", votes=votes)


def cached(folder: Path, samples: list[EmoSample], *, frames: int = 1) -> PriorCache:
    """Features that tell the label by one number among noise; photos or clips."""
    rng = np.random.default_rng(len(samples))
    priors, features = [], []
    for each in samples:
        vision = rng.normal(size=(frames, 1 + 4, 6))
        vision[:, 1:, 2] += 4 * LABELS.index(each.label)
        tokens = rng.normal(size=(frames, 3, 5)).astype(np.float32)
        zeros = np.zeros((frames, 68, 2)), np.zeros((frames, 4)), np.ones(frames, bool)
        priors.append(FacialPriors(tokens, *zeros))
        features.append(vision)
    write_shard(folder / f"{len(samples)}.safetensors", [each.id for each in samples], priors, features, key="made")
    return PriorCache(folder, key="made")


@pytest.fixture
def learnt(tmp_path) -> tuple[list[EmoSample], list[EmoSample], PriorCache]:
    """120 training and 60 scored samples in one cache."""
    samples = [sample(at, LABELS[at % 3]) for at in range(180)]
    return samples[:120], samples[120:], cached(tmp_path, samples)


def test_the_probe_learns_what_the_features_hold(learnt):
    train, valid, cache = learnt
    said = baselines.linear_probe(train, valid, cache, labels=LABELS, seed=0)
    assert np.mean([answer == each.label for answer, each in zip(said, valid, strict=True)]) > 0.9
    assert said == baselines.linear_probe(train, valid, cache, labels=LABELS, seed=0)
    swapped = [replace(each, label=LABELS[(LABELS.index(each.label) + 1) % 3]) for each in train]
    turned = baselines.linear_probe(swapped, valid, cache, labels=LABELS, seed=0)
    assert np.mean([answer == each.label for answer, each in zip(turned, valid, strict=True)]) < 0.1


def test_a_sample_outside_the_cache_has_no_answer(learnt):
    train, valid, cache = learnt
    stranger = sample(999, "anger")
    said = baselines.linear_probe(train, [valid[0], stranger, valid[1]], cache, labels=LABELS, seed=0)
    assert said[1] is None and None not in (said[0], said[2])
    with pytest.raises(EmoError, match="no scored sample is in"):
        baselines.linear_probe(train, [stranger], cache, labels=LABELS, seed=0)
    with pytest.raises(EmoError, match="0 of 1 training samples are in"):
        baselines.linear_probe([stranger], valid, cache, labels=LABELS, seed=0)


def test_features_are_means_over_frames_and_places(tmp_path):
    samples = [sample(at, LABELS[at % 3]) for at in range(4)]
    cache = cached(tmp_path, samples, frames=3)
    row = baselines.features_of(samples, cache)[2].numpy()
    priors, vision = cache[samples[2].id]
    assert row.shape == (5 + 6 + 6,)
    assert row[:5] == pytest.approx(priors.embedding.astype(float).mean((0, 1)), abs=1e-5)
    assert row[5:11] == pytest.approx(vision[:, 1:].astype(float).mean((0, 1)), abs=1e-5)
    assert row[11:] == pytest.approx(vision[:, 0].astype(float).mean(0), abs=1e-5)


def test_votes_are_targets_where_there_are_any():
    voted = sample(0, "sadness", {"happiness": 2.0, "sadness": 6.0, "fear": 9.0})
    assert baselines.targets_of([voted, sample(1, "anger")], LABELS).tolist() == [[0.25, 0.75, 0], [0, 0, 1]]


def test_the_nets_read_a_smile_and_nothing_in_a_ruin(astronaut, tmp_path):
    (tmp_path / "ruin.png").write_bytes(b"no picture")
    smile, ruin = (replace(sample(0, "happiness"), path=str(path)) for path in (astronaut, tmp_path / "ruin.png"))
    assert baselines.expression_nets([smile, ruin]) == ["happiness", None]


def test_figures_and_rows_of_a_whole_run(ferplus, cache, tiny, tmp_path, monkeypatch, capsys):
    words = ("--root", ferplus, "--cache", cache, "--checkpoint", tiny)
    monkeypatch.setattr(baselines, "HELD_BACK", 4)  # there are 16 training samples
    monkeypatch.setattr(sys, "argv", ["", *map(str, words), "--output", str(tmp_path / "out" / "base.json")])
    baselines.main()
    said = capsys.readouterr().out
    report = json.loads((tmp_path / "out" / "base.json").read_text())
    assert set(report) == {"majority class", "linear probe", "expression nets"}
    for name, values in report.items():
        assert values["n"] == 6 and f"| {name} | 6 | {values['war']:.4f} [" in said
    assert report["majority class"]["war"] == pytest.approx(1 / 6)  # the labels come in turn
    files = {name: tmp_path / "out" / f"base-{name.replace(' ', '-')}.jsonl" for name in report}
    compare.main([f"{name}={path}" for name, path in files.items()])
    assert "| linear probe | 6 |" in capsys.readouterr().out


def test_a_cache_of_something_else_ends_in_one_line(ferplus, cache, tiny, tmp_path, monkeypatch):
    words = ("--root", ferplus, "--cache", cache, "--checkpoint", tiny, "--analyser", "other-1")
    monkeypatch.setattr(sys, "argv", ["", *map(str, words), "--output", str(tmp_path / "base.json")])
    with pytest.raises(SystemExit, match="was made by .* but this run needs"):
        baselines.main()
    assert not (tmp_path / "base.json").exists()
