"""The page: title, purpose, and one tab a view; every view works on the session's one subject."""

from collections.abc import Callable

import gradio as gr

from ..pipeline import EmoPipeline
from .desk import KEEP_SECONDS, Desk
from .effects import effects_view
from .forgetting import ForgetfulPage
from .gate import uploads_only
from .learn import learn_view
from .look_inside import look_inside_view
from .make_face import make_face_view
from .notice import purpose_notice
from .recognise import recognise_view

TITLE = "EMO-LLaMA toolkit"
# The first tab reports itself while the page opens, before the view that the address asks for is shown.
REMEMBER = "() => window.opened ? history.replaceState(null, '', '?view={name}') : window.opened = true"
View = Callable[[Desk, gr.State], None]
VIEWS: dict[str, tuple[str, View]] = {  # in the address (?view=...) -> its tab, and what lays it out
    "recognise": ("Recognise", recognise_view),
    "inside": ("Look inside", look_inside_view),
    "effects": ("Attributes", effects_view),
    "make": ("Make a face", make_face_view),
    "learn": ("Learn", learn_view),
}


def build_page(pipeline: EmoPipeline, *, research: bool = False, classroom: bool = False) -> gr.Blocks:
    """The page of one loaded checkpoint; `launch(**LAUNCH)` serves it."""
    desk = Desk(pipeline, research=research, classroom=classroom)
    with ForgetfulPage(title=TITLE, analytics_enabled=False, keep_seconds=KEEP_SECONDS) as page:
        gr.Markdown(f"# {TITLE}")
        purpose_notice(research=research, classroom=classroom)
        subject = gr.State(None, time_to_live=KEEP_SECONDS)
        with gr.Tabs(elem_id="views") as views:
            for name, (title, view) in VIEWS.items():
                with gr.Tab(title, id=name) as tab:
                    view(desk, subject)
                tab.select(None, js=REMEMBER.format(name=name))
        page.load(asked_view, None, views, api_visibility="private")
    uploads_only(page)
    return page.queue(max_size=16, api_open=False)  # nobody gets past it


def asked_view(request: gr.Request) -> gr.Tabs:
    """The view that the address asks for, or the first one."""
    name = request.query_params.get("view")
    return gr.Tabs(selected=name if name in VIEWS else next(iter(VIEWS)))
