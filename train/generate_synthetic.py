"""Draws a data set of faces with exact action units: photos, clips, and the truth of each, on all cores.

    python train/generate_synthetic.py --images 12000 --clips 1500 --out /data/drawn --seed 0

Stopped by Ctrl-C, a full disk or anything else, the same line goes on where it was; with higher numbers the set grows.
What item i shows depends on --seed and i alone. The other scripts read the set by `--dataset synthetic --root OUT`, or
synthetic_clips, with the splits train, valid, test and one for each factor that is held out.
"""

import argparse
import hashlib
import os
import signal
import sys
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from filelock import FileLock, Timeout

from emo_toolkit import synthetic
from emo_toolkit.data.synthetic_writer import LOCK, claim, finish
from emo_toolkit.errors import EmoError
from emo_toolkit.synthetic.clips import FRAMES
from emo_toolkit.synthetic.pack import SHA256
from emo_toolkit.synthetic.plan import HELD_OUT, SPLITS
from train.drawing import Drawing, Stopped

MOST = 9_999_999  # file names have seven digits


def whole(low: int, high: int, step: int = 1) -> Callable[[str], int]:
    """The type of an option that takes low, low + step, ... up to high."""

    def read(text: str) -> int:
        value = int(text)
        if value not in range(low, high + 1, step):
            raise argparse.ArgumentTypeError(f"{value} is not {'even and ' if step == 2 else ''}in {low}..{high}")
        return value

    return read


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=whole(0, MOST), default=0, help="how many photos the set has in the end")
    parser.add_argument("--clips", type=whole(0, MOST), default=0, help="how many clips the set has in the end")
    parser.add_argument("--out", type=Path, required=True, help="a new folder, or one to go on with")
    parser.add_argument("--seed", type=whole(0, 2**63), default=0)
    parser.add_argument("--size", type=whole(32, 1024, 2), default=224, help="pixels, even (default: %(default)s)")
    parser.add_argument("--frames", type=whole(*FRAMES), default=16, help="frames a clip (default: %(default)s)")
    parser.add_argument("--factors", nargs="*", default=HELD_OUT, choices=HELD_OUT, help="what to hold out (all)")
    parser.add_argument("--workers", type=whole(1, 512), default=os.cpu_count(), help="processes (one a core)")
    return parser.parse_args()


def code_version() -> str:
    """Names the source text of everything that draws: a set must not be half of one generator, half of another."""
    sources = sorted(Path(synthetic.__path__[0]).glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]


def generate(arguments: argparse.Namespace) -> None:
    """Claims the folder, draws, and writes the manifest. Ends the program with one line when something stops it."""
    root, held_out = arguments.out, tuple(factor for factor in HELD_OUT if factor in arguments.factors)
    plan = {"seed": arguments.seed, "size": arguments.size, "frames": arguments.frames, "held_out": held_out}
    made_from = {"code": code_version(), "pack": SHA256, **plan}
    claim(root, made_from)
    going_on = f"What is drawn in {root} is kept; run the same line again to go on."
    try:
        writers = Drawing(root, workers=arguments.workers, **plan).run(
            {"image": arguments.images, "video": arguments.clips}
        )
        finish(root, made_from, writers)
    except Stopped as stop:
        print(f"stopped by {signal.Signals(stop.args[0]).name}. {going_on}", file=sys.stderr)
        sys.exit(128 + stop.args[0])
    except BrokenProcessPool:
        sys.exit(f"stopped: a worker process ended, perhaps for want of memory; try fewer --workers. {going_on}")
    except (OSError, EmoError) as error:
        sys.exit(f"stopped: {error}. {going_on}")
    for writer in writers:
        print(f"{writer.next} in {writer.folder}: {', '.join(f'{name} {writer.counts[name]}' for name in SPLITS)}")


def main() -> None:
    arguments = parse_arguments()
    try:
        arguments.out.mkdir(parents=True, exist_ok=True)
        with FileLock(arguments.out / LOCK, timeout=0):
            generate(arguments)
    except Timeout:
        sys.exit(f"another run is writing to {arguments.out}; wait for it, or choose another --out")
    except (OSError, EmoError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
