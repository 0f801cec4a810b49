"""Samples -> what is wrong with their rows and files, found before a run is paid for; and the counts to expect."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

from ..errors import MediaError
from ..labels import LABELS
from ..media import load_media
from ..schema import EmoSample
from ..workers import fresh_processes, obey_parent

FILES_A_TURN = 16  # that a process gets at once
EACH_500 = (500,) * 8

# What each set's makers and its readers in print count: samples of each class in the order of LABELS, or all together.
# The drawn sets and manifests have none.
PUBLISHED: dict[tuple[str, str, int | None], tuple[int, ...]] = {
    ("rafdb", "train", None): (1290, 281, 717, 4772, 1982, 705, 2524),
    ("rafdb", "test", None): (329, 74, 160, 1185, 478, 162, 680),
    # of label.csv; fer2013new.csv has other votes here and there, and 28,559 for training
    ("ferplus", "train", None): (10377, 7537, 3583, 3559, 2476, 195, 659, 170),
    ("ferplus", "valid", None): (1341, 899, 461, 419, 326, 34, 72, 27),
    ("ferplus", "test", None): (1274, 929, 450, 449, 322, 21, 98, 30),
    ("affectnet", "train", None): (74874, 134415, 25459, 14090, 6378, 3803, 24882, 3750),
    ("affectnet7", "train", None): (74874, 134415, 25459, 14090, 6378, 3803, 24882),
    ("affectnet", "valid", None): EACH_500,
    ("affectnet7", "valid", None): EACH_500[:-1],
    ("dfew", "train", 1): (1956, 1515, 2135, 1738, 1175, 116, 721),
    ("dfew", "test", 1): (489, 379, 534, 435, 294, 29, 181),
    ("dfew", "train", 2): (9356,),
    ("dfew", "test", 2): (2341,),
    ("dfew", "train", 3): (9357,),
    ("dfew", "test", 3): (2340,),
    ("dfew", "train", 4): (9358,),
    ("dfew", "test", 4): (2339,),
    ("dfew", "train", 5): (9361,),
    ("dfew", "test", 5): (2336,),
    ("ferv39k", "train", None): (5906, 1833, 1680, 5854, 7790, 5523, 2502),
    ("ferv39k", "test", None): (1487, 467, 431, 1473, 1958, 1393, 638),
    ("mafw", "train", 1): (1112, 511, 500, 993, 910, 1176, 857, 188, 732, 209, 145),
    ("mafw", "test", 1): (1839,),
    ("mafw", "train", 2): (7335,),
    ("mafw", "test", 2): (1837,),
    ("mafw", "train", 3): (7339,),
    ("mafw", "test", 3): (1833,),
    ("mafw", "train", 4): (7340,),
    ("mafw", "test", 4): (1832,),
    ("mafw", "train", 5): (7341,),
    ("mafw", "test", 5): (1831,),
}


class Problem(NamedTuple):
    """What is wrong with one sample, in one word or two and in a sentence."""

    kind: str  # "missing", "empty", "unreadable", "wrong kind", "no label" or "duplicate id"
    id: str
    path: str
    row: str
    text: str


def check_samples(samples: Sequence[EmoSample], *, workers: int = 1) -> list[Problem]:
    """All that is wrong with samples: what `check_rows` and `check_files` find."""
    return [*check_rows(samples), *filter(None, check_files(samples, workers=workers))]


def check_rows(samples: Iterable[EmoSample]) -> list[Problem]:
    """Labels that are none of their set's, and ids that occur again; opens no file."""
    found, first = [], {}
    for sample in samples:
        if sample.label not in LABELS[sample.dataset]:
            text = f"'{sample.label}' is none of {', '.join(LABELS[sample.dataset])}"
            found.append(_problem("no label", sample, text))
        other = first.setdefault(sample.id, sample)
        if other is not sample:
            found.append(_problem("duplicate id", sample, f"also in {other.split}: {other.row or other.path}"))
    return found


def check_files(samples: Sequence[EmoSample], *, workers: int = 1) -> Iterator[Problem | None]:
    """Reads every sample's file as training does; gives, in order, one problem or None for each sample.

    Args:
        samples: what to read.
        workers: processes; 1 means this one. With more, a script needs `if __name__ == "__main__":`.

    Raises:
        BrokenProcessPool: a decoder took its whole process down, or the memory did not suffice.
    """
    if workers == 1 or not samples:
        yield from map(check_file, samples)
        return
    with ProcessPoolExecutor(workers, mp_context=fresh_processes(__name__), initializer=obey_parent) as pool:
        yield from pool.map(check_file, samples, chunksize=FILES_A_TURN)


def check_file(sample: EmoSample) -> Problem | None:
    """What is wrong with one sample's file."""
    path = Path(sample.path)
    try:
        if not path.exists():
            return _problem("missing", sample, "does not exist")
        if not (any(path.iterdir()) if path.is_dir() else path.stat().st_size):
            return _problem("empty", sample, "has nothing in it")
        kind = load_media(path).kind
    except (MediaError, OSError) as error:
        return _problem("unreadable", sample, str(error))
    return None if kind == sample.kind else _problem("wrong kind", sample, f"is no {sample.kind} but {kind}")


def _problem(kind: str, sample: EmoSample, text: str) -> Problem:
    return Problem(kind, sample.id, sample.path, sample.row, text)
