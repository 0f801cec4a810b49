"""The scripts that join all others: the smoke run runs, and every line of the paper's run is one that can be run."""

import argparse
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import train
from emo_toolkit.data import DATASETS
from train import check_data, evaluate, extract_priors, generate_instructions
from train.arguments import RunArguments, parse_run
from train.checkpoints import convert_facexformer, convert_llama_vid

ROOT = Path(train.__file__).parents[1]
SCRIPTS = {
    f"{module.__name__.replace('.', '/')}.py": module
    for module in (
        *(check_data, evaluate, extract_priors, generate_instructions),
        *(convert_facexformer, convert_llama_vid),
    )
}
FINETUNE = "train/finetune.py"
LAUNCH = ["accelerate", "launch", "--config_file", "train/accelerate/ddp.yaml"]
GEMINI = "--model NAME --prices 0.1 0.4 --max-cost 5"
ENVIRONMENT = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}  # its python


class Parsed(Exception):
    """A script's command line was understood; the argument is what it says."""


def bash(script: str, *words: object, **variables: object) -> subprocess.CompletedProcess:
    environment = ENVIRONMENT | {name: str(value) for name, value in variables.items()}
    return subprocess.run(
        ["bash", str(ROOT / "train" / script), *map(str, words)],
        env=environment,
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )


def parse(module: ModuleType, words: list[str]) -> argparse.Namespace:
    """The arguments of a script by its own parser; nothing runs behind it."""
    inner = argparse.ArgumentParser.parse_args

    def caught(self: argparse.ArgumentParser, *rest: Any) -> argparse.Namespace:
        raise Parsed(inner(self, *rest))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", caught)
        patch.setattr(sys, "argv", [module.__name__, *words])
        with pytest.raises(Parsed) as found:
            module.main()
    return found.value.args[0]


def lines_of(tmp_path: Path, *parts: str, **variables: object) -> list[list[str]]:
    """What reproduce.sh would run: (script, word, ...)."""
    done = bash("reproduce.sh", *parts, DRY=1, OUT=tmp_path / "out", DATA="/my data", **variables)
    assert done.returncode == 0, done.stderr
    lines = []
    for line in done.stdout.splitlines():
        words = shlex.split(line)
        start = 1 if words[0] == "python" else len(LAUNCH)
        assert words[:start] in (["python"], LAUNCH), line
        lines.append(words[start:])
    return lines


def understood(lines: list[list[str]]) -> dict[str, list]:
    """Every line read by the script that it names: script -> arguments."""
    found: dict[str, list] = {}
    for script, *words in lines:
        value = parse_run(words) if script == FINETUNE else parse(SCRIPTS[script], words)
        found.setdefault(script, []).append(value)
    return found


@pytest.fixture(autouse=True)
def at_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lines name scripts and recipes from there."""
    monkeypatch.chdir(ROOT)


def test_the_smoke_run_ends_well(tmp_path):
    done = bash("smoke.sh", tmp_path / "smoke")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    for stage in ("align", "lora"):
        first, last = re.search(rf"^{stage}: loss (\S+) at first, (\S+) in the end$", done.stdout, re.M).groups()
        assert float(last) < float(first)
    rows = list(map(json.loads, (tmp_path / "smoke" / "rows.jsonl").read_text().splitlines()))
    assert len(rows) == 8 and {row["status"] for row in rows} == {"ok"}
    assert json.loads((tmp_path / "smoke" / "report.json").read_text())["n"] == 8


@pytest.mark.parametrize("gemini", ["", GEMINI], ids=["category only", "conversations"])
@pytest.mark.parametrize("analyser", ["embedded", "facexformer"])
def test_every_line_of_the_paper_can_be_run(tmp_path, gemini, analyser):
    found = understood(lines_of(tmp_path, GEMINI=gemini, ANALYSER=analyser, JOINT_FOLDS="1 2 3 4 5"))
    assert ("train/generate_instructions.py" in found) == bool(gemini)
    out = tmp_path / "out"
    cached = {(job.dataset, job.fold, job.split) for job in found["train/extract_priors.py"]}
    told = {job.out for job in found.get("train/generate_instructions.py", ())}
    runs: list[RunArguments] = found[FINETUNE]
    assert len({run.output for run in runs}) == len(runs) == 5 + 2 * 5 + 5 + 5 + 2  # sets, joint, ablations, transfer
    assert (ROOT / LAUNCH[-1]).is_file()
    for run in runs:
        assert run.checkpoint == str(out / "weights" / "7b-base") and run.cache == str(out / "priors")
        assert run.analyser.startswith(analyser)
        for name, source in run.sources.items():
            assert source.root == f"/my data/{name.removesuffix('7')}"
            folds = DATASETS[source.dataset].folds
            for split in (source.split, source.valid_split):  # one fold's two splits hold every fold's samples
                assert (name.removesuffix("7"), 1 if folds else None, split) in cached
            assert set(map(Path, source.instructions)) <= told
            assert bool(source.instructions) == bool(gemini and name != "ferplus")


def test_what_is_trained_is_scored_on_what_it_did_not_see(tmp_path):
    found = understood(lines_of(tmp_path, "sets", "joint", "ablations", "transfer"))
    runs = {run.output: run for run in found[FINETUNE]}
    scored = set()
    for job in found["train/evaluate.py"]:
        folds = range(1, 6) if job.fold == "all" else [job.fold]
        assert job.split == ["valid" if job.dataset.startswith("affectnet") else "test"]
        for fold in folds:
            run = runs[job.checkpoint.replace("{fold}", str(fold)).removesuffix("/adapter")]
            scored.add(run.output)
            assert job.estimate == (run.lora.attributes_share > 0)
            if job.dataset in run.sources:
                source = run.sources[job.dataset]
                assert (source.fold or None) == fold and source.split == "train"
    assert scored == set(runs)


def test_a_finished_line_is_left_out(tmp_path):
    whole = lines_of(tmp_path, "check", "weights")
    (tmp_path / "out" / "done").mkdir(parents=True)
    (tmp_path / "out" / "done" / "check-dfew").touch()
    left = lines_of(tmp_path, "check", "weights")
    assert len(whole) == 7 and [line for line in whole if line not in left] == [
        ["train/check_data.py", "--dataset", "dfew", "--root", "/my data/dfew"]
    ]


def test_a_line_that_fails_ends_the_run(tmp_path):
    for name in ("python", "accelerate"):
        fake = tmp_path / name
        fake.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/ran\ncase "$*" in *ferplus*) exit 3;; esac\n')
        fake.chmod(0o755)
    places = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "OUT": tmp_path / "out"}
    for part in ("check", "sets"):
        assert bash("reproduce.sh", part, **places).returncode == 3
        assert "ferplus" in (tmp_path / "ran").read_text().splitlines()[-1]
    assert {path.name for path in (tmp_path / "out" / "done").iterdir()} == {
        *("check-rafdb", "train-rafdb", "score-rafdb-on-rafdb")
    }


def test_ctrl_c_ends_the_run_though_the_training_ends_well(tmp_path):
    fake = tmp_path / "python"
    fake.write_text(f"#!/bin/sh\ntrap 'exit 0' INT\necho $$ >> {tmp_path}/ran\nsleep 60 & wait\n")
    fake.chmod(0o755)
    places = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "OUT": str(tmp_path / "out")}
    line = ["bash", "train/reproduce.sh", "check"]
    running = subprocess.Popen(
        line,
        env=os.environ | places,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a job in the background ignores it
    )
    while not (tmp_path / "ran").is_file():
        time.sleep(0.05)
    os.killpg(running.pid, signal.SIGINT)
    assert running.wait(30) == 130
    assert len((tmp_path / "ran").read_text().split()) == 1 and not (tmp_path / "out").exists()


@pytest.mark.parametrize("script", ["reproduce.sh", "smoke.sh"])
def test_help(script):
    done = bash(script, "--help")
    assert done.returncode == 0 and f"bash train/{script}" in done.stdout and "set -" not in done.stdout


@pytest.mark.parametrize(("words", "variables"), [(["priorz"], {}), ([], {"ANALYSER": "other"})])
def test_a_wrong_word_is_refused(tmp_path, words, variables):
    done = bash("reproduce.sh", *words, DRY=1, OUT=tmp_path, **variables)
    assert done.returncode == 2 and not done.stdout and done.stderr.count("\n") == 1


def test_the_readme_names_every_recipe_and_only_scripts_that_are_there():
    text = (ROOT / "train" / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(\w+\.yaml)`", text))
    assert named == {path.name for path in (ROOT / "train" / "recipes").iterdir()}
    scripts = set(re.findall(r"[\w/]+\.(?:py|sh)\b", text))
    assert len(scripts) > 10
    assert all((ROOT / name).is_file() or (ROOT / "train" / name).is_file() for name in scripts)
