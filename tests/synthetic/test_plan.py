"""The plan of a drawn set: balanced, nobody in two splits, each factor held out, and the same at any length."""

from collections import Counter

import numpy as np
import pytest

from emo_toolkit.labels import LABELS
from emo_toolkit.synthetic.plan import HELD_OUT, KINDS, PER_IDENTITY, SHARES, SPLITS, plan_item

PLAN = [plan_item(7, "image", number) for number in range(8000)]


def test_each_split_has_its_share_at_any_length():
    assert sum(SHARES) == pytest.approx(1) and len(SHARES) == len(SPLITS)
    for count in (400, 1000, 8000):
        found = Counter(item.split for item in PLAN[:count])
        for split, share in zip(SPLITS, SHARES, strict=True):
            assert abs(found[split] - share * count) <= 16, split  # two groups of eight


def test_labels_are_balanced_in_every_split():
    for split in SPLITS:
        found = Counter(item.label for item in PLAN if item.split == split)
        assert set(found) == set(LABELS["synthetic"]) and len(set(found.values())) == 1


def test_labels_come_in_another_order_for_each_pair_of_persons():
    orders = {tuple(item.label for item in PLAN[first : first + 8]) for first in range(0, 8000, 8)}
    assert len(orders) > 900
    first_persons = Counter(item.label for item in PLAN if item.number % 8 < 4)
    assert min(first_persons.values()) > 420  # of 500: no label belongs to one person of the pair


def test_a_person_is_in_one_split_and_shows_four_expressions():
    splits = {}
    for item in PLAN:
        splits.setdefault(item.identity, []).append(item.split)
    assert all(len(found) == PER_IDENTITY and len(set(found)) == 1 for found in splits.values())


def test_seeds_and_persons_differ_between_items_kinds_and_sets():
    plans = [[plan_item(seed, kind, number) for number in range(400)] for kind in KINDS for seed in (0, 7)]
    items = [item for plan in plans for item in plan]
    assert len({item.seed for item in items}) == len(items)
    assert len({item.identity for item in items}) == len(items) / PER_IDENTITY
    assert max(item.seed for item in items) < 2**48


def test_a_factor_is_what_its_split_is_named_after():
    for item in PLAN:
        assert item.factor == (item.split if item.split in HELD_OUT else "ordinary")


def test_factors_that_are_not_held_out_go_to_train():
    kept = [plan_item(7, "image", number, held_out=("compound",)) for number in range(2000)]
    for old, new in zip(PLAN, kept, strict=False):
        assert (new.seed, new.identity, new.label) == (old.seed, old.identity, old.label)
        assert new.split == ("train" if old.split in set(HELD_OUT) - {"compound"} else old.split)
    assert {item.factor for item in kept} == {"ordinary", "compound"}


def test_items_far_out():
    item = plan_item(2**63, "video", 9_999_999)
    assert item == plan_item(2**63, "video", 9_999_999) and item.split in SPLITS
    assert np.ptp([plan_item(0, "image", n).seed % 97 for n in range(50)]) > 60
