"""Training end to end on a made set: priors once, two stages, an interruption that changes nothing, an adapter that
answers."""

import copy
import json
import math
import re
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from emo_toolkit.checkpoints import load
from emo_toolkit.data import PriorCache, load_samples
from emo_toolkit.errors import EmoError
from emo_toolkit.labels import LABELS
from emo_toolkit.pipeline import EmoPipeline
from train import extract_priors, finetune
from train.alignment import alignment_losses, similarity_to
from train.arguments import AlignArguments, parse_run
from train.extract_priors import cache_key
from train.run import Run
from train.stages import AlignStage, LoraStage, answer_losses, answer_weights

STAGES = (AlignStage, LoraStage)


@pytest.fixture
def losses(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[tuple[int, float]]]:
    """(step, loss) of every step that runs, by stage; a SIGTERM comes during step `halt` of a stage, if set."""
    seen: dict[str, list] = {"align": [], "lora": [], "halt": []}
    for stage in STAGES:

        def step(self, number: int, inner=stage.step):
            loss, rate = inner(self, number)
            seen[self.name].append((number, loss))
            if (self.name, number) in seen["halt"]:
                seen["halt"].remove((self.name, number))
                signal.raise_signal(signal.SIGTERM)
            return loss, rate

        monkeypatch.setattr(stage, "step", step)
    return seen


def trained(folder: Path) -> dict[str, torch.Tensor]:
    with safe_open(folder / "adapter" / "adapter_model.safetensors", framework="pt") as adapter:
        return {name: adapter.get_tensor(name) for name in adapter.keys()}  # noqa: SIM118


def test_the_cache_holds_every_labelled_face(ferplus, cache, tiny):
    stored = PriorCache(cache, key=cache_key(load(str(tiny))))
    samples = load_samples("ferplus", ferplus, "train") + load_samples("ferplus", ferplus, "valid")
    assert len(stored) == len(samples) == 22 and all(stored.found(sample.id) for sample in samples)
    priors, features = stored[samples[0].id]
    assert priors.embedding.shape == (1, 49, 1536) and features.shape == (1, 17, 32)
    assert priors.attributes.origin == "estimated" and priors.attributes.race is None


def test_extraction_goes_on_where_it_was(ferplus, tiny, tmp_path, monkeypatch, capsys):
    def extract(*words: object) -> str:
        folder = ("--root", ferplus, "--cache", tmp_path / "cache", "--split", "valid", "--checkpoint", tiny)
        monkeypatch.setattr(sys, "argv", ["extract_priors.py", *map(str, (*folder, *words))])
        extract_priors.main()
        return capsys.readouterr().out

    assert extract("--limit", 2).startswith("2 new samples")
    assert extract("--limit", 2).startswith("0 new samples")
    assert extract().startswith("6 new samples")  # a higher limit is not taken for done
    assert len(PriorCache(tmp_path / "cache", key=cache_key(load(str(tiny))))) == 6


def test_a_file_that_cannot_be_read_costs_one_row(ferplus, tiny_pipeline, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no picture")
    good = load_samples("ferplus", ferplus, "valid")[0]
    bad = type(good)(**{**good.__dict__, "id": "bad", "path": str(tmp_path / "bad.png")})
    ids, priors, features = extract_priors.extract([bad, good], tiny_pipeline.checkpoint, tiny_pipeline.extractor)
    assert ids == [good.id] and len(priors) == len(features) == 1
    assert extract_priors.extract([bad], tiny_pipeline.checkpoint, tiny_pipeline.extractor) == ([], [], [])


def test_both_stages_and_an_adapter_that_answers(recipe, losses, watched, tmp_path, tiny, astronaut):
    finetune.main([str(recipe)])
    assert [number for number, _ in losses["align"]] == list(range(8))
    assert [number for number, _ in losses["lora"]] == list(range(6))
    assert all(math.isfinite(loss) for _, loss in losses["align"] + losses["lora"])
    assert np.mean([loss for _, loss in losses["align"][-3:]]) < np.mean([loss for _, loss in losses["align"][:3]])
    said = "\n".join(watched)
    assert "ferplus train: 16 of 16 samples are cached and have a face, 32 rows" in said
    assert re.search(r"align 8/8  ferplus_war \d\.\d+  ferplus_uar \d", said)
    assert re.search(r"lora 6/6  ferplus_war \d\.\d+  ferplus_uar \d", said)

    folder = tmp_path / "run" / "adapter"
    assert {path.name for path in folder.iterdir()} == {"adapter_config.json", "adapter_model.safetensors"}
    weights = trained(tmp_path / "run")
    assert {value.dtype for value in weights.values()} == {torch.float16}
    assert any(value.any() for name, value in weights.items() if "lora_B" in name)
    pipeline = EmoPipeline(load(str(folder), device="cpu"))
    prediction = pipeline.predict(astronaut)
    assert prediction.status == "ok" and prediction.scores != EmoPipeline(load(str(tiny))).predict(astronaut).scores

    before = copy.deepcopy(losses)
    finetune.main([str(recipe)])  # everything is done: nothing runs again
    assert losses == before


@pytest.mark.parametrize("halt", [("align", 2), ("lora", 1)], ids=["align", "lora"])
def test_an_interruption_changes_nothing(recipe, losses, watched, tmp_path, halt):
    finetune.main([str(recipe), f"output={tmp_path / 'whole'}"])
    whole = {name: losses[name][:] for name in ("align", "lora")}
    for name in whole:
        losses[name].clear()
    losses["halt"].append(halt)
    finetune.main([str(recipe)])
    assert losses[halt[0]][-1][0] == halt[1] and any("stopping after this step" in line for line in watched)
    finetune.main([str(recipe)])
    for name, expected in whole.items():
        assert [number for number, _ in losses[name]] == [number for number, _ in expected]
        assert [loss for _, loss in losses[name]] == pytest.approx([loss for _, loss in expected], rel=1e-6)
    one, other = trained(tmp_path / "whole"), trained(tmp_path / "run")
    assert one.keys() == other.keys()
    for name, value in one.items():
        torch.testing.assert_close(other[name], value, atol=1e-4, rtol=1e-3, msg=name)


def test_only_what_should_learns(recipe, watched, tmp_path):
    run = Run(parse_run([str(recipe)]))
    before = {name: value.clone() for name, value in run.model.named_parameters()}
    stage = AlignStage(run)
    assert run.model.face_info_mining.clue_gates.tolist() == [1.0, 1.0]
    stage.step(0)
    after = {name: value for name, value in run.model.named_parameters() if not value.is_meta}
    changed = {name.split(".")[0] for name, value in after.items() if not torch.equal(value, before[name])}
    assert changed == set(run.arguments.lora.modules_to_save)
    stage = LoraStage(run)
    base = {name: value.clone() for name, value in stage.model.named_parameters()}
    stage.step(0)
    after = {name: value for name, value in stage.model.named_parameters() if not value.is_meta}
    moved = [name for name, value in after.items() if not torch.equal(value, base[name])]
    assert all("lora_" in name or "modules_to_save" in name for name in moved) and any("lora_B" in x for x in moved)
    parts = {name.split(".modules_to_save")[0].rpartition(".")[2] for name in moved if "modules_to_save" in name}
    assert parts == set(run.arguments.lora.modules_to_save)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("sources.ferplus.root=nowhere", "label.csv does not exist"),
        ("cache=nowhere", "no train sample of ferplus is in nowhere; run train/extract_priors.py first"),
        ("checkpoint=nowhere/at/all", "'nowhere/at/all' is not 'mini', not a folder"),
        ("lora.stepz=1", "'lora.stepz' is not a value"),
        ("sources=", "the recipe has no sources"),
        ("sources.ferplus.instructions=[no.json]", "no.json is not there"),
        ("sources.ferplus.dataset=faces", "unknown data set 'faces'"),
        ("branches=[upper]", "branches are global and local, not upper"),
    ],
)
def test_what_is_missing_is_said_in_words(recipe, word, message):
    with pytest.raises(SystemExit, match=message):
        finetune.main([str(recipe), word])


def test_help():
    for words in ([], ["--help"]):
        with pytest.raises(SystemExit, match="python train/finetune.py train/recipes/mini.yaml"):
            finetune.main(words)


def test_a_cache_of_another_tower_is_refused(recipe, cache, tiny):
    checkpoint = load(str(tiny))
    other = copy.deepcopy(checkpoint.processor.image_processor)
    checkpoint.processor.image_processor = other
    other.size["height"] = other.size["width"] = 112
    with pytest.raises(EmoError, match="delete the folder and run train/extract_priors.py again"):
        PriorCache(cache, key=cache_key(checkpoint))


def test_the_loss_of_stage_1_is_least_at_the_raters_word():
    torch.manual_seed(0)
    words, targets = torch.randn(4, 8), torch.eye(4)
    arguments = AlignArguments()
    right = alignment_losses(words.unsqueeze(1), words, targets, arguments)
    wrong = alignment_losses(words.roll(1, 0).unsqueeze(1), words, targets, arguments)
    long = alignment_losses(3 * words.unsqueeze(1), words, targets, arguments)
    assert (right < 0.05).all() and (right < long).all() and (long < wrong).all()
    assert similarity_to(words.unsqueeze(1), words).argmax(-1).flatten().tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(("branches", "gates"), [((), [0, 0]), (("global",), [1, 0]), (("local",), [0, 1])])
def test_a_branch_that_is_left_out_stays_behind_a_closed_gate(recipe, watched, branches, gates):
    run = Run(parse_run([str(recipe), f"branches=[{','.join(branches)}]"]))
    for stage in (AlignStage(run), LoraStage(run)):
        stage.step(0)
        kept = [
            value for name, value in stage_parameters(stage) if name.endswith("clue_gates") and value.requires_grad
        ]
        assert [bool(value) for value in kept[0].tolist()] == [bool(value) for value in gates]


def stage_parameters(stage):
    module = stage.aligner if isinstance(stage, AlignStage) else stage.model
    return list(module.named_parameters())


@pytest.mark.parametrize("pieces", [1, 2])
def test_small_pieces_of_a_batch_give_the_same_gradient(recipe, watched, monkeypatch, pieces):
    """The same step whole and in pieces of some rows moves the weights alike."""
    words = ("lora.dropout=0", "lora.clip_share=0", "lora.learning_rate=1")
    gradients = []
    for size in (0, pieces):
        stage = LoraStage(Run(parse_run([str(recipe), *words, f"lora.micro_batch_size={size}"])))
        stage.model.eval()
        monkeypatch.setattr(type(stage.model), "train", lambda model, mode=True: model)
        stage.optimizer.step = stage.optimizer.zero_grad = lambda *_: None
        stage.step(0)
        gradients.append({name: value.grad for name, value in stage_parameters(stage) if value.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    for name, value in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], value, atol=1e-6, rtol=1e-4, msg=name)


def test_how_much_a_word_and_a_paragraph_weigh():
    torch.manual_seed(0)
    labels = torch.full((2, 9), -100)
    labels[0, 8], labels[1, 2:] = 3, torch.tensor([1, 2, 3, 4, 0, 1, 2])
    logits = torch.randn(8, 5)  # the answer tokens of both rows
    each = torch.nn.functional.cross_entropy(logits, labels[labels != -100], reduction="none")
    torch.testing.assert_close(answer_losses(logits, labels), torch.stack([each[0], each[1:].mean()]))
    assert [answer_weights(labels, power).tolist() for power in (0, 0.5, 1)] == [
        [1, 1],
        [1, pytest.approx(7**0.5)],
        [1, 7],
    ]


def test_what_was_said_of_each_sample_is_kept(recipe, ferplus, watched, tmp_path):
    finetune.main([str(recipe)])
    rows = [json.loads(line) for line in (tmp_path / "run" / "valid-ferplus.jsonl").read_text().splitlines()]
    truth = {sample.id: sample.label for sample in load_samples("ferplus", ferplus, "valid")}
    assert {row["id"]: row["truth"] for row in rows} == truth
    assert all(row["label"] in LABELS["ferplus"] for row in rows)
