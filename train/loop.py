"""Runs a stage: steps, what is said on the way, measuring, saving, and a clean end when asked or when a disk is full.

stage.step -> the loss of all processes -> lines, curves, manifest -> state and adapter on disk.
"""

import shutil
import time
from typing import Protocol

import torch
from safetensors import SafetensorError

from emo_toolkit.errors import EmoError
from train.learner import Learner
from train.run import Run

RECOVERABLE = (OSError, SafetensorError)  # what a full or broken disk raises


class Stage(Protocol):
    """One stage of training: what a step does, what is measured on the way, and what is kept."""

    name: str
    answers: bool  # whether it makes an adapter, of which the best can be kept
    start: int  # steps already done by an earlier run
    steps: int
    batch_size: int  # over all processes
    learner: Learner

    def step(self, number: int) -> tuple[float, float]:
        """Trains step `number`; returns this process's part of the loss, and the learning rate."""

    def check(self) -> dict[str, float]:
        """Validation figures by name."""

    def save(self, done: int, state: dict[str, torch.Tensor], *, best: bool) -> None:
        """Writes everything that a resumed run needs after `done` steps, and what it made of them."""


def run_stage(run: Run, stage: Stage) -> bool:
    """Runs a stage to its end, or until any process is asked to stop; returns whether the next one may follow.

    Raises:
        EmoError: when a checkpoint cannot be written; the one before it stays whole.
    """
    run.manifest.enter(stage.name, stage.start)
    began, losses = time.perf_counter(), []
    for number in range(stage.start, stage.steps):
        loss, rate = stage.step(number)
        loss, asked = run.agree(loss, float(run.stopped))
        losses.append(loss)
        done = number + 1
        keep = done % run.arguments.save_every == 0 or done == stage.steps
        if done % run.arguments.log_every == 0 or keep or asked:
            mean, figures = sum(losses) / len(losses), {}
            _report(run, stage, done, mean, rate, (time.perf_counter() - began) / (done - stage.start))
            losses.clear()
            if keep:
                figures = stage.check()
                words = "  ".join(f"{name} {value:.3f}" for name, value in figures.items())
                run.say(f"{stage.name} {done}/{stage.steps}  {words}")
                run.curve({f"{stage.name}/{name}": value for name, value in figures.items()}, done)
            if keep or asked:
                save(run, stage, done, mean, figures)
        if asked:
            run.say(f"stopped after {stage.name} {done}; run the same line again to go on")
            return False
    run.before += stage.steps
    return True


def _report(run: Run, stage: Stage, done: int, loss: float, rate: float, pace: float) -> None:
    left = pace * (stage.steps - done) / 60
    run.say(f"{stage.name} {done}/{stage.steps}  loss {loss:.4f}  lr {rate:.1e}  {pace:.2f} s/step  {left:.0f} min")
    values = {"loss": loss, "learning_rate": rate, "samples_per_second": stage.batch_size / pace}
    run.curve({f"{stage.name}/{name}": value for name, value in values.items()}, done)


def save(run: Run, stage: Stage, done: int, loss: float, figures: dict[str, float]) -> None:
    """Writes state, adapter and manifest; only the first process writes, and all end if it cannot.

    Raises:
        EmoError: saying how much room is needed.
    """
    state = stage.learner.state()
    best = stage.answers and run.manifest.is_best(run.arguments.best_by, figures)
    problem = ""
    if run.accelerator.is_main_process:
        try:
            stage.save(done, state, best=best)
            run.manifest.record(stage.name, done, stage.steps, loss, figures, best=best)
        except RECOVERABLE as error:
            problem = _no_room(run, stage, done, state, error)
    if any(run.agree(float(bool(problem)))):
        raise EmoError(problem or "the first process could not save its checkpoint")
    run.manifest.saved = done


def _no_room(run: Run, stage: Stage, done: int, state: dict[str, torch.Tensor], error: Exception) -> str:
    """What to tell when a checkpoint could not be written. A new one is written beside the old one."""
    needed = sum(value.nbytes for value in state.values())
    needed += stage.answers * sum(value.numel() * 2 for name, value in state.items() if name.startswith("weight/"))
    free = shutil.disk_usage(run.output).free if run.output.is_dir() else 0
    kept = f"that of step {run.manifest.saved} is whole" if run.manifest.saved else "there is none yet"
    return (
        f"the checkpoint of {stage.name} {done} could not be written ({error}): {run.output} needs {needed / 1e6:.1f} "
        f"MB of room and has {free / 1e6:.1f} MB. Of this stage's checkpoints {kept}; make room and run the same line "
        "again to go on from there"
    )
