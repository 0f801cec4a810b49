"""Trains EMO-LLaMA: stage 1 aligns frame tokens to label words, stage 2 adds LoRA. Resumes where it stopped.

    python train/finetune.py train/recipes/mini.yaml root=/data/ferplus cache=runs/priors output=runs/mini
    accelerate launch train/finetune.py train/recipes/mini.yaml root=... cache=... output=...

Run train/extract_priors.py first: this script reads cached priors and vision features, never pixels. Any value of the
recipe can be set behind it, as in lora.steps=200. The adapter is OUTPUT/adapter, a checkpoint like any other:
python -m emo_toolkit predict photo.jpg --checkpoint OUTPUT/adapter
"""

import sys

from emo_toolkit.errors import EmoError
from train.arguments import parse_run
from train.run import Run, run_stage
from train.stages import AlignStage, LoraStage


def main(words: list[str]) -> None:
    """Runs both stages of a recipe; each goes on from its last saved step."""
    if not words or words[0] in ("-h", "--help"):
        sys.exit(__doc__)
    try:
        run = Run(parse_run(words))
        for stage in (AlignStage, LoraStage):
            if not run_stage(run, stage(run)):
                return
    except (EmoError, OSError) as error:
        sys.exit(str(error))
    run.say(f"done: {run.output / 'adapter'}")


if __name__ == "__main__":
    main(sys.argv[1:])
