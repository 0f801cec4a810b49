"""What `accelerate launch` runs in each of two processes: "half" of a run, whose second process is asked to stop in
the first step of stage 2; the "rest" of it; or "both"."""

import signal
import sys

from accelerate import PartialState

from train import finetune
from train.stages import LoraStage

whole_step = LoraStage.step


def step_and_sign(stage: LoraStage, number: int) -> tuple[float, float]:
    outcome = whole_step(stage, number)
    if stage.run.accelerator.process_index == 1:
        signal.raise_signal(signal.SIGTERM)
    return outcome


part, *words = sys.argv[1:]
if part in ("half", "both"):
    LoraStage.step = step_and_sign
    finetune.main(words)
if part in ("rest", "both"):
    LoraStage.step = whole_step
    finetune.main(words)
PartialState().destroy_process_group()
