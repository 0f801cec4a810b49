"""How the page looks, and how it is served."""

from pathlib import Path
from typing import Any

import gradio as gr

from ..photos import MediaLimits
from .gate import Gate

ASSETS = Path(__file__).parents[1] / "assets"
LIMITS = MediaLimits(max_bytes=100_000_000, max_seconds=120.0, max_decode_seconds=30.0)
THEME = gr.themes.Soft(
    primary_hue="indigo",
    neutral_hue="slate",
    font=["system-ui", "Segoe UI", "Roboto", "Helvetica Neue", "sans-serif"],
    font_mono=["ui-monospace", "SF Mono", "Consolas", "monospace"],
).set(
    color_accent="*primary_600",
    button_primary_background_fill="*primary_600",
    button_primary_background_fill_hover="*primary_700",
    button_primary_background_fill_dark="*primary_600",
    button_primary_background_fill_hover_dark="*primary_700",
    checkbox_label_background_fill_selected="*primary_600",
    block_label_text_color="*primary_700",
    body_background_fill="*neutral_50",
    block_background_fill="white",
    block_border_width="1px",
    block_border_width_dark="1px",
    block_border_color="*neutral_200",
    body_text_color_subdued="*neutral_600",
    body_text_color_subdued_dark="*neutral_300",
    input_placeholder_color="*neutral_500",
    input_placeholder_color_dark="*neutral_400",
    block_title_background_fill="none",
    block_title_background_fill_dark="none",
    block_title_padding="0",
    block_title_text_color="*body_text_color",
    block_title_text_color_dark="*body_text_color",
    link_text_color_dark="*primary_300",
    link_text_color_hover_dark="*primary_200",
    link_text_color_visited_dark="*primary_300",
    link_text_color_active_dark="*primary_300",
)
LAUNCH: dict[str, Any] = {
    "theme": THEME,
    "css_paths": ASSETS / "page.css",
    "max_file_size": LIMITS.max_bytes,
    "allowed_paths": [],
    "app_kwargs": {"middleware": [(Gate, (), {"max_upload": LIMITS.max_bytes})]},
    "enable_monitoring": False,
    "run_history": False,
    "footer_links": ["api"],
    "ssr_mode": False,
    "mcp_server": True,
    "state_session_capacity": 200,  # visits; the one that was idle longest is dropped first
}
