"""Answers against the truth -> reports with 95 % intervals: one run, its groups, its folds, two runs, explanations."""

from .comparisons import by_group, join_folds, paired_difference
from .explanations import QUESTION, score_explanations
from .groups import estimated_groups, true_groups
from .scores import evaluate, to_json

__all__ = [
    "QUESTION",
    "by_group",
    "estimated_groups",
    "evaluate",
    "join_folds",
    "paired_difference",
    "score_explanations",
    "to_json",
    "true_groups",
]
