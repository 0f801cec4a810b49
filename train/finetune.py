"""Trains EMO-LLaMA: stage 1 aligns frame tokens to label words, stage 2 adds LoRA. Resumes where it stopped.

    python train/finetune.py train/recipes/mini.yaml sources.ferplus.root=/data/ferplus cache=runs/priors output=runs/a
    accelerate launch --config_file train/accelerate/fsdp.yaml train/finetune.py train/recipes/mini.yaml ...

Run train/extract_priors.py first: this script reads cached priors and vision features, never pixels. Any value of the
recipe can be set behind it, as in lora.steps=200; --estimate only says what memory and time the run needs. The adapter
is OUTPUT/adapter, a checkpoint like any other, and OUTPUT/manifest.json says how it was made:
python -m emo_toolkit predict photo.jpg --checkpoint OUTPUT/adapter
"""

import os
import sys

from accelerate import PartialState

from emo_toolkit.errors import EmoError
from train.arguments import parse_run
from train.estimate import report
from train.loop import run_stage
from train.run import Run
from train.stages import AlignStage, LoraStage


def main(words: list[str]) -> None:
    """Runs both stages of a recipe; each goes on from its last saved step."""
    if not words or words[0] in ("-h", "--help"):
        sys.exit(__doc__)
    try:
        run = Run(parse_run([word for word in words if word != "--estimate"]))
        if run.accelerator.is_main_process and (run.arguments.estimate or "--estimate" in words):
            run.say(report(run))
        if "--estimate" in words:
            return
        run.start_curves()
        finished = all(run_stage(run, stage(run)) for stage in (AlignStage, LoraStage))
    except (EmoError, OSError) as error:
        sys.exit(str(error) if os.environ.get("RANK", "0") == "0" else 1)  # one process speaks for all
    for tracker in run.accelerator.trackers:
        tracker.finish()
    if finished:
        run.say(f"done: {run.output / 'adapter'}")


if __name__ == "__main__":
    main(sys.argv[1:])
    PartialState().destroy_process_group()
