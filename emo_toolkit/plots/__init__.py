"""Scores, reports and explanations -> plotly figures, for app, notebooks and reports. Nothing else imports plotly."""

from .effects import ablation_bars, effect_forest, effect_map, grid_map, twin_forest
from .exporting import export, export_pngs
from .faithfulness import faithfulness_curves, faithfulness_forest
from .maps import map_overlays, peak_of, region_bars, timeline, word_heat, word_regions, word_tokens
from .scores import KEYS, class_bars, confusion_matrix, fold_dots, group_forest, label_bars
from .style import COLOURS, to_html

__all__ = [
    "COLOURS",
    "KEYS",
    "ablation_bars",
    "class_bars",
    "confusion_matrix",
    "effect_forest",
    "effect_map",
    "export",
    "export_pngs",
    "faithfulness_curves",
    "faithfulness_forest",
    "fold_dots",
    "grid_map",
    "group_forest",
    "label_bars",
    "map_overlays",
    "peak_of",
    "region_bars",
    "timeline",
    "to_html",
    "twin_forest",
    "word_heat",
    "word_regions",
    "word_tokens",
]
