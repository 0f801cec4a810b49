"""Scores, reports and explanations -> plotly figures, for app, notebooks and reports. Nothing else imports plotly."""

from .scores import KEYS, class_bars, confusion_matrix, fold_dots, group_forest, label_bars
from .style import COLOURS, to_html

__all__ = ["COLOURS", "KEYS", "class_bars", "confusion_matrix", "fold_dots", "group_forest", "label_bars", "to_html"]
