"""The page of `app.py`: one module a view, all on one `Desk`. Nothing else imports gradio."""

from .desk import Desk, Subject
from .notice import DISCLAIMER
from .page import TITLE, build_page
from .theme import LAUNCH, LIMITS

__all__ = ["DISCLAIMER", "LAUNCH", "LIMITS", "TITLE", "Desk", "Subject", "build_page"]
