"""The plan of a made data set: (seed, kind, number) -> who is drawn, showing what, for which split. Numbers only.

Item i depends on nothing but the seed and i, so a set grows without a change to what it holds.
"""

from dataclasses import dataclass

import numpy as np

from ..labels import LABELS
from .sampler import FACTORS

HELD_OUT = FACTORS[1:]
SPLITS = ("train", "valid", "test", *HELD_OUT)
SHARES = (0.70, 0.09, 0.09, *[0.12 / len(HELD_OUT)] * len(HELD_OUT))  # of the items, in the order of SPLITS
PER_IDENTITY = 4  # items that show one person
KINDS = ("image", "video")
_GROUP = len(LABELS["synthetic"])  # items of one split that follow each other; each label occurs once
_GOLDEN = 0x9E3779B97F4A7C15  # 2 ** 64 over the golden ratio: its multiples spread evenly (Knuth, TAOCP 6.4)


@dataclass(frozen=True)
class Item:
    """One picture or clip to draw. `seed` and `identity` are what the sampler is given."""

    kind: str  # a word of KINDS
    number: int
    split: str
    factor: str
    identity: int
    label: str
    seed: int


def plan_item(seed: int, kind: str, number: int, *, held_out: tuple[str, ...] = HELD_OUT) -> Item:
    """What item `number` of a kind is.

    Eight items in a row are two persons with four expressions each, and every label once; all eight go to one split.
    So labels are balanced in each split and no person is in two of them. Pictures and clips show different persons.
    Splits are dealt by a Fibonacci hash of the group's number: at any length each split has its share of SHARES, to a
    group or two.

    Args:
        seed: of the whole set, 0 or more.
        kind: "image" or "video".
        number: 0 or more.
        held_out: factors that get a split of their own; the share of the others goes to "train".
    """
    group = number // _GROUP
    split = SPLITS[int(np.searchsorted(np.cumsum(SHARES[:-1]), group * _GOLDEN % 2**64 / 2**64, side="right"))]
    factor = split if split in held_out else "ordinary"
    if split in HELD_OUT and split not in held_out:
        split = "train"
    order = np.random.default_rng(_seed(seed, f"{kind} labels", group)).permutation(_GROUP)
    return Item(
        kind=kind,
        number=number,
        split=split,
        factor=factor,
        identity=_seed(seed, f"{kind} identity", number // PER_IDENTITY),
        label=LABELS["synthetic"][order[number % _GROUP]],
        seed=_seed(seed, kind, number),
    )


def _seed(seed: int, stream: str, number: int) -> int:
    """48 bits of chance for one purpose; they fit any JSON reader."""
    return int(np.random.SeedSequence([seed, number, *stream.encode()]).generate_state(1, np.uint64)[0] >> 16)
