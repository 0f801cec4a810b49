"""What a run leaves behind: a manifest that tells how it was made, and checkpoints that a full disk does not harm."""

import hashlib
import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from accelerate.state import AcceleratorState

import train.run
from emo_toolkit.errors import EmoError
from train import finetune
from train.arguments import parse_run
from train.loop import run_stage
from train.run import Run
from train.stages import AlignStage


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def digests(folder: Path) -> dict[str, str]:
    return {path.name: sha256(path) for path in folder.iterdir() if path.is_file()}


def texts(value: object) -> Iterator[str]:
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from texts(each)
    elif isinstance(value, str):
        yield value


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """No file can grow above `size` bytes, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_run_tells_how_it_was_made(recipe, watched, tmp_path):
    words = [str(recipe), "save_every=2", "best_by=ferplus_uar"]
    finetune.main(words)
    output = tmp_path / "run"
    content = json.loads((output / "manifest.json").read_text())
    assert content["values"]["lora"]["rank"] == 2 and content["values"]["seed"] == 0
    assert content["sources"]["ferplus"]["train"]["rows"] == 32 and content["sources"]["ferplus"]["valid"]["rows"] == 6
    assert content["cache"]["analyser"] == "embedded-2" and content["labels"][0] == "neutral"
    assert {"torch", "transformers", "peft", "accelerate", "emo_toolkit"} <= content["versions"].keys()
    assert content["stages"]["align"]["done"] == 8 and content["stages"]["lora"]["done"] == 6
    measured = [(each["stage"], each["step"]) for each in content["history"]]
    assert measured == [("align", step) for step in (2, 4, 6, 8)] + [("lora", step) for step in (2, 4, 6)]
    assert content["seconds"] > 0
    assert {path.name: sha256(path) for path in (output / "adapter").iterdir()} == content["adapter"]
    figures = {each["step"]: each["figures"]["ferplus_uar"] for each in content["history"] if each["stage"] == "lora"}
    assert content["best"]["value"] == max(figures.values()) == figures[content["best"]["step"]]
    assert {path.name for path in (output / "best").iterdir()} == content["adapter"].keys()
    given = set(texts(content["values"]))
    assert all(text in given for text in texts(content) if text.startswith("/"))
    assert not list(output.rglob("*.partial"))

    before = content["seconds"]
    watched.clear()
    finetune.main(
        [*words, "lora.steps=7", "log_every=1", "tracker=none", "valid_samples=3", "lora.micro_batch_size=1"]
    )
    content = json.loads((output / "manifest.json").read_text())
    assert [line.split()[1] for line in watched if " loss " in line] == ["7/7"]
    assert content["stages"]["lora"]["done"] == 7 and content["seconds"] > before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["seed=1"], "seed=0, not 1. Set it so"),
        (["lora.rank=4", "align.batch_size=2"], "align.batch_size=4, not 2; lora.rank=2, not 4"),
        (["mixed_precision=bf16"], "mixed_precision=no, not bf16"),
        (["sources.ferplus.instructions=[]"], "rows of ferplus={'rows': 32, .*, not {'rows': 16"),
        (["sources.ferplus.category=false"], "rows of ferplus=.*sources.ferplus.category=True, not False"),
    ],
)
def test_an_output_of_other_values_is_refused(recipe, watched, words, message):
    run = Run(parse_run([str(recipe), "align.epochs=0.25"]))
    assert run_stage(run, AlignStage(run))
    AcceleratorState._reset_state()  # as in another process
    with pytest.raises(EmoError, match=message):
        Run(parse_run([str(recipe), *words]))


def test_a_source_more_is_refused(recipe, watched, ferplus):
    run = Run(parse_run([str(recipe), "align.epochs=0.25"]))
    assert run_stage(run, AlignStage(run))
    again = ["sources.twin.dataset=ferplus", f"sources.twin.root={ferplus}"]
    with pytest.raises(EmoError, match="rows of twin=None, not {'rows': 16"):
        Run(parse_run([str(recipe), *again]))


def test_a_full_disk_harms_no_checkpoint(recipe, watched, tmp_path):
    run = Run(parse_run([str(recipe), "align.epochs=0.5", "save_every=2"]))
    assert run_stage(run, AlignStage(run))
    output = tmp_path / "run"
    kept = digests(output)
    message = r"align 4 could not be written .* needs \d\.\d MB .* that of step 2 is whole; make room and run the same"
    with files_up_to(500_000), pytest.raises(SystemExit, match=message):
        finetune.main([str(recipe), "save_every=2"])
    assert digests(output) == kept
    watched.clear()
    finetune.main([str(recipe), "save_every=2"])
    assert any(line.startswith("align 4/8") for line in watched) and watched[-1].startswith("done: ")


def test_curves_of_both_stages(recipe, watched, tmp_path):
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    finetune.main([str(recipe), "tracker=tensorboard", "lora.steps=2"])
    drawn = events.EventAccumulator(str(tmp_path / "run" / "curves")).Reload()
    names = {"loss", "learning_rate", "samples_per_second", "ferplus_war", "ferplus_uar"}
    assert {f"{stage}/{name}" for stage in ("align", "lora") for name in names} <= set(drawn.Tags()["scalars"])
    steps = [[each.step for each in drawn.Scalars(f"{stage}/loss")] for stage in ("align", "lora")]
    assert steps == [[2, 4, 6, 8], [10]]
    assert "lora.rank: 2" in next((tmp_path / "run" / "curves").rglob("hparams.yml")).read_text()


def test_without_the_trackers_package_the_run_goes_on(recipe, watched, monkeypatch):
    monkeypatch.setattr(train.run, "get_available_trackers", list)
    Run(parse_run([str(recipe)])).start_curves()
    assert "no curves are drawn: tensorboard is not installed" in watched[0]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("tracker=paper", "tracker=paper is not known; choose none, .*tensorboard"),
        ("best_by=ferplus_f1", "best_by=ferplus_f1 is not measured; choose one of ferplus_war, ferplus_uar"),
        ("quantization=8bit", "quantization is none or 4bit, not 8bit"),
    ],
)
def test_values_that_cannot_be(recipe, word, message):
    with pytest.raises(SystemExit, match=message):
        finetune.main([str(recipe), word])


def test_a_broken_state_is_said_in_words(recipe, watched, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "align.safetensors").write_bytes(b"half a file")
    with pytest.raises(SystemExit, match="align.safetensors is broken .*delete it to start its stage anew"):
        finetune.main([str(recipe)])
