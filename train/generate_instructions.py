"""Writes instruction data: questions and answers about the samples of a data set, as LLaVA JSON.

    python train/generate_instructions.py --dataset ferplus --root /data/FERPlus --writer category raters --out fp.json
    python train/generate_instructions.py --dataset synthetic --root /data/drawn --writer action_units --out drawn.json
    python train/generate_instructions.py --dataset mafw --root /data/MAFW --fold 1 --writer category gemini \\
        --model NAME --prices IN OUT --max-cost 20 --out mafw1.json

Writers, any of them together:
  category      FERID's category question, word for word, with the label as answer; every set
  raters        free questions answered from the votes of human raters; ferplus
  action_units  what a drawn face shows, from its exact truth; synthetic, synthetic_clips
  gemini        one or two turns about a photo or the centre frame of a clip, by a Gemini model that is told the label
                and, where the set has one, the description (mafw, manifest)

gemini needs `pip install google-genai` and a key in GEMINI_API_KEY, and costs money: an estimate comes first, and it
asks before it goes on (or takes --yes). It sends pictures to Google: the data set's licence must allow that. Prices
change; they are yours to give: https://ai.google.dev/gemini-api/docs/pricing. Every answer is kept in OUT.journal as
it comes, so that the same line goes on after Ctrl-C, a kill or the cost limit and asks nothing twice. What was refused
or unusable is listed at the end, and stays so; to ask again, with other words or another model, choose another --out.

The list is read by LLaMA-VID's loader (image_folder and video_folder are --root), by `datasets.load_dataset("json",
data_files=OUT)`, and by emo_toolkit.data.load_instructions.
"""

import argparse
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock, Timeout

from emo_toolkit.data import DATASETS, load_samples
from emo_toolkit.errors import EmoError
from emo_toolkit.schema import EmoSample
from train.asking import Asking, Budget, Stopped, estimate
from train.gemini import Gemini, Pacer
from train.instruction_writer import CATEGORY, GEMINI, WRITERS, check_writers, choose, rows, write_rows
from train.journal import Journal
from train.teacher import VERSION

NEEDED = ("model", "prices", "max_cost")  # by gemini


def number(kind: type, least: float) -> Callable[[str], float]:
    """The type of an option that takes numbers from `least` on."""

    def read(text: str) -> float:
        if not least <= (value := kind(text)) < float("inf"):
            raise argparse.ArgumentTypeError(f"{text} is not at least {least:g}")
        return value

    return read


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", required=True, choices=sorted(DATASETS))
    parser.add_argument("--root", type=Path, required=True, help="folder of the data set, or a manifest")
    parser.add_argument("--split", default="train", help="default: %(default)s")
    parser.add_argument("--fold", type=int, help="of a set with folds")
    parser.add_argument("--writer", nargs="+", default=[CATEGORY], choices=WRITERS, help="default: category")
    parser.add_argument("--out", type=Path, required=True, help="the JSON file")
    parser.add_argument(
        "--limit", type=number(int, 1), help="only so many samples, drawn at random; a higher one adds to them"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the words of the offline writers (default: 0)")
    paid = parser.add_argument_group("gemini")
    paid.add_argument("--model", help="its name in the service; ai.google.dev/gemini-api/docs/models lists them")
    paid.add_argument(
        "--prices", type=number(float, 0), nargs=2, metavar=("IN", "OUT"), help="USD per million tokens; 0 0: free"
    )
    paid.add_argument("--max-cost", type=number(float, 0), help="USD that all runs over this --out may spend together")
    paid.add_argument(
        "--per-minute", type=number(float, 0.1), default=60, help="requests (default: 60); your tier has a limit"
    )
    paid.add_argument("--in-flight", type=number(int, 1), default=8, help="requests at a time (default: %(default)s)")
    paid.add_argument("--timeout", type=number(float, 1), default=60, help="s for one request (default: %(default)s)")
    paid.add_argument(
        "--max-output-tokens", type=number(int, 1), default=4096, help="answer and thoughts (default: 4096)"
    )
    paid.add_argument("--yes", action="store_true", help="do not ask before spending")
    arguments = parser.parse_args()
    if GEMINI in arguments.writer and (missing := [name for name in NEEDED if getattr(arguments, name) is None]):
        parser.error(f"--writer gemini needs --{', --'.join(missing).replace('_', '-')}")
    return arguments


def ask(arguments: argparse.Namespace, samples: list[EmoSample]) -> tuple[Journal, bool]:
    """Asks Gemini about those without an answer; False when the cost limit ended that."""
    made_from = {name: getattr(arguments, name) for name in ("dataset", "split", "fold", "model")}
    journal = Journal(beside(arguments.out, ".journal"), made_from | {"prompt": VERSION})
    budget = Budget(*arguments.prices, arguments.max_cost, arguments.max_output_tokens)
    left = [sample for sample in samples if not journal.answered(sample.id)]
    if not left:
        return journal, True
    print("\n".join(estimate(left, budget, spent=budget.cost(*journal.tokens), per_minute=arguments.per_minute)))
    print(f"pictures are sent to {arguments.model}: see that the licence of {arguments.dataset} allows it", flush=True)
    if not arguments.yes:
        print("Go on? [y/N]", flush=True)
        if not sys.stdin.isatty() or sys.stdin.readline().strip().lower() not in ("y", "yes"):
            sys.exit("nothing was asked; to go on add --yes, or answer y at a terminal")
    stop = threading.Event()
    limits = {"timeout": arguments.timeout, "max_output_tokens": arguments.max_output_tokens}
    gemini = Gemini(arguments.model, Pacer(arguments.per_minute, stop), **limits)
    return journal, Asking(gemini.ask, journal, budget, stop, in_flight=arguments.in_flight).run(left)


def beside(path: Path, ending: str) -> Path:
    """A file with a longer name."""
    return path.with_name(path.name + ending)


def generate(arguments: argparse.Namespace) -> None:
    """Asks where a teacher is wanted, then writes the list. Ends the program with a line at the cost limit."""
    loaded = load_samples(arguments.dataset, arguments.root, arguments.split, fold=arguments.fold)
    samples, mixed = choose(loaded, arguments.limit)
    check_writers(arguments.writer, samples)
    journal, complete = ask(arguments, mixed) if GEMINI in arguments.writer else (None, True)
    root = arguments.root if arguments.root.is_dir() else arguments.root.parent
    counts = write_rows(arguments.out, rows(samples, arguments.writer, journal, root=root, seed=arguments.seed))
    if journal:
        print("\n".join(journal.report([sample.id for sample in samples])))
    print(f"{arguments.out}: {', '.join(f'{writer} {count:,}' for writer, count in counts.items()) or 'no row'}")
    if not complete:
        sys.exit(f"stopped at the cost limit of ${arguments.max_cost:g}; the same line with a higher one goes on")


def main() -> None:
    arguments = parse_arguments()
    try:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(beside(arguments.out, ".lock"), timeout=0):
            generate(arguments)
    except Timeout:
        sys.exit(f"another run is writing {arguments.out}; wait for it, or choose another --out")
    except Stopped as stop:
        print(f"stopped by {signal.Signals(stop.args[0]).name}; the same line goes on where it was", file=sys.stderr)
        sys.exit(128 + stop.args[0])
    except KeyboardInterrupt:  # before or after the asking
        sys.exit(128 + signal.SIGINT)
    except (OSError, EmoError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
