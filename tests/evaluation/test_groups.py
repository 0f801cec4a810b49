"""Every drawn face has its groups, bins meet without a hole, and race is never estimated."""

from dataclasses import replace

import numpy as np
import pytest
from drawn_truths import CALM, SMILE

from emo_toolkit.evaluation import estimated_groups, true_groups
from emo_toolkit.evaluation.groups import STRENGTH, YAW
from emo_toolkit.labels import AGE_GROUPS
from emo_toolkit.schema import FaceAttributes
from emo_toolkit.synthetic import FACTORS, sample_spec


def test_the_groups_of_a_face():
    truth = replace(SMILE, age=69.9, yaw=-31.0, intensity=0.35, race="Asian", factor="large_pose")
    assert true_groups(truth) == {
        **{"age": "60-69", "gender": "female", "race": "Asian"},
        **{"yaw": "30-45", "intensity": "30-60 %", "factor": "large_pose"},
    }


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        (
            "yaw",
            (0, -9.99, 10, 20, -30, 44.9, 45, 90),
            ("0-10", "0-10", "10-20", "20-30", *["30-45"] * 2, *["45+"] * 2),
        ),
        ("intensity", (0, 0.2, 0.3, 0.6, 0.8, 1.0), ("0-30 %", "0-30 %", "30-60 %", "60-80 %", *["80-100 %"] * 2)),
        ("age", (0, 2.9, 3, 29.99, 70, 104), ("0-2", "0-2", "3-9", "20-29", "70+", "70+")),
    ],
)
def test_where_bins_begin(name, values, expected):
    assert [true_groups(replace(SMILE, **{name: value}))[name] for value in values] == list(expected)


def test_a_face_without_movement_has_no_strength():
    assert true_groups(CALM)["intensity"] is None and true_groups(SMILE)["intensity"] == "80-100 %"


@pytest.mark.parametrize("factor", FACTORS)
def test_what_is_drawn_falls_into_the_groups(factor):
    for seed in range(20):
        spec = sample_spec(seed, factor=factor)
        angle = np.abs(spec.scene.yaw)
        truth = replace(SMILE, age=spec.identity.age, yaw=spec.scene.yaw, intensity=spec.expression.intensity)
        groups = true_groups(truth)
        assert groups["age"] in AGE_GROUPS and groups["yaw"] in YAW.values()
        assert groups["intensity"] in STRENGTH.values()
        assert (groups["yaw"] in ("30-45", "45+")) == (angle >= 30)


def test_race_is_never_estimated():
    given = FaceAttributes(age="20-29", gender="male", race="White", origin="estimated")
    assert estimated_groups(given) == {"age": "20-29", "gender": "male"}
    assert estimated_groups(FaceAttributes()) == {"age": None, "gender": None}
