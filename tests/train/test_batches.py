"""The order of rows and the mixture of a run: every row as often as asked, the same again after a restart."""

import json
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from emo_toolkit.checkpoints import load
from emo_toolkit.data import PriorCache
from emo_toolkit.errors import EmoError
from emo_toolkit.labels import LABELS
from train.arguments import LoraArguments, SourceArguments
from train.batches import RowOrder, mixed_row, row_weights
from train.extract_priors import cache_key
from train.mixture import attributes_of, build_table, labels_of, lengths_of

FERPLUS = LABELS["ferplus"]


@pytest.fixture
def stored(cache: Path, tiny: Path) -> PriorCache:
    return PriorCache(cache, key=cache_key(load(str(tiny))))


@pytest.fixture
def source(ferplus: Path, instructions: Path) -> SourceArguments:
    return SourceArguments("ferplus", str(ferplus), instructions=(str(instructions),))


@pytest.fixture
def table(source, stored):
    return build_table("ferplus", source, "train", stored, FERPLUS)[0]


def test_an_epoch_has_every_row_once():
    order = RowOrder(21, 4, seed=3)
    rows = np.concatenate([order[step] for step in range(5)])
    assert len(set(rows.tolist())) == 20 and order.steps_per_epoch == 5
    assert not np.array_equal(rows, np.concatenate([order[step] for step in range(5, 10)]))
    again = RowOrder(21, 4, seed=3)
    assert np.array_equal(again[7], order[7])  # a step can be asked for alone
    assert not np.array_equal(RowOrder(21, 4, seed=4)[0], order[0])


def test_weights_say_how_often_a_row_comes():
    weights = np.array([1, 2, 3, 0, 4.0])
    order = RowOrder(5, 5, seed=0, weights=weights)
    seen = Counter(row for step in range(400) for row in order[step].tolist())
    assert seen[3] == 0
    shares = np.array([seen[row] for row in range(5)]) / 2000
    assert shares == pytest.approx(weights / 10, abs=0.02)


def test_batches_of_like_length():
    lengths = np.random.default_rng(0).integers(10, 100, 640)
    alone, grouped = RowOrder(640, 8, seed=0), RowOrder(640, 8, seed=0, lengths=lengths)
    spread = [np.mean([np.ptp(lengths[order[step]]) for step in range(80)]) for order in (alone, grouped)]
    assert spread[1] < spread[0] / 5
    assert sorted(np.concatenate([grouped[step] for step in range(80)])) == list(range(640))
    first = [lengths[grouped[step]].mean() for step in range(80)]
    assert first != sorted(first)  # short ones do not all come first


def test_too_few_rows():
    with pytest.raises(ValueError, match="3 rows do not fill one batch of 4"):
        RowOrder(3, 4, seed=0)


def test_a_table_has_category_and_free_rows(table):
    assert len(table) == 32 and set(table["source"]) == {"ferplus"}
    free = table.filter(lambda row: bool(row["question"]))
    category = table.filter(lambda row: not row["question"])
    assert len(free) == len(category) == 16
    assert all(answer == label for answer, label in zip(category["answer"], category["label"], strict=True))
    assert all("rater" in answer.lower() for answer in free["answer"])
    assert category[0]["options"] == list(FERPLUS) and free[0]["options"] == []
    assert category[0]["votes"] == pytest.approx([0.8, 0.2] + [0.0] * 6)
    assert attributes_of(table[0]).age is not None and attributes_of(table[0]).race is None


def test_shares_of_free_questions_and_of_classes(table):
    free = np.array([bool(question) for question in table["question"]])
    weights = row_weights(table, {"ferplus": 1.0}, balance=0.0, free_share=0.2)
    assert weights[free].sum() / weights.sum() == pytest.approx(0.2)
    rare = table.select([*range(16), *[0] * 30])  # one class far ahead of the others
    labels = np.array(rare["label"])
    for balance, equal in ((1.0, True), (0.0, False)):
        weights = row_weights(rare, {"ferplus": 1.0}, balance=balance)
        shares = [weights[labels == label].sum() / weights.sum() for label in set(rare["label"])]
        assert bool(np.ptp(shares) < 1e-9) == equal


def test_rows_of_stage_2_are_mixed_as_asked(table, stored):
    values = LoraArguments(attributes_share=0.3, clip_share=0.1, clip_frames=3)
    rows = [mixed_row(table[0], stored, values, random.Random(seed)) for seed in range(400)]
    told = [row.instruction.prompt.attributes.age is not None for row in rows]
    shares = np.mean([told, [len(row.priors.found) == 3 for row in rows]], axis=1)
    assert shares == pytest.approx([0.3, 0.1], abs=0.06)
    clip = next(row for row in rows if len(row.priors.found) == 3)
    assert clip.instruction.prompt.kind == "video" and clip.vision_features.shape == (3, 17, 32)
    assert (clip.priors.landmarks[0] == clip.priors.landmarks[2]).all()


def test_labels_of_several_sets_are_joined():
    labels = labels_of([SourceArguments("rafdb"), SourceArguments("mafw")])
    assert labels[:7] == LABELS["rafdb"] and set(labels) == set(LABELS["mafw"]) and len(labels) == 11
    with pytest.raises(EmoError, match="unknown data set 'faces'"):
        labels_of([SourceArguments("faces")])


@pytest.mark.parametrize(
    ("turns", "answers"), [(0, ["one", "two", "three"]), (2, ["one", "two"]), (9, ["one", "two", "three"])]
)
def test_only_the_first_turns_of_a_conversation(source, stored, instructions, tmp_path, turns, answers):
    row = json.loads(instructions.read_text())[0]
    said = [
        ("human", "<image>\nWhat?"),
        ("gpt", "one"),
        ("human", "And?"),
        ("gpt", "two"),
        ("human", "So?"),
        ("gpt", "three"),
    ]
    row["conversations"] = [{"from": who, "value": words} for who, words in said]
    path = tmp_path / "long.json"
    path.write_text(json.dumps([row]))
    read = SourceArguments("ferplus", source.root, category=False, instructions=(str(path),), turns=turns)
    assert build_table("ferplus", read, "train", stored, FERPLUS)[0]["answer"] == answers


def test_parquet_and_json_give_the_same_rows(source, stored, table, tmp_path, instructions):
    from datasets import load_dataset

    path = tmp_path / "raters.parquet"
    load_dataset("json", data_files=str(instructions), split="train").to_parquet(path)
    again = SourceArguments("ferplus", source.root, instructions=(str(path),))
    assert build_table("ferplus", again, "train", stored, FERPLUS)[0].to_list() == table.to_list()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no json", "cannot be read as rows of LLaVA json"),
        (json.dumps([{"id": "stranger", "image": "a.png", "conversations": []}]), "says nothing about"),
    ],
)
def test_an_instruction_file_that_does_not_fit(source, stored, tmp_path, text, message):
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(EmoError, match=message):
        build_table(
            "ferplus", SourceArguments("ferplus", source.root, instructions=(str(path),)), "train", stored, FERPLUS
        )


def test_lengths_count_frames_and_words(table):
    lengths = lengths_of(table, 4)
    assert lengths_of(table, 14) == [length + 10 for length in lengths]
    assert max(lengths) > min(lengths)
