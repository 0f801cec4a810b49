"""The page: title, purpose, and one tab a view; every view works on the session's one subject."""

from collections.abc import Callable

import gradio as gr

from ..pipeline import EmoPipeline
from .desk import KEEP_SECONDS, Desk
from .recognise import EXAMPLE, recognise_view

TITLE = "EMO-LLaMA toolkit"
DISCLAIMER = "Independent reconstruction of EMO-LLaMA: perceived expression, not felt emotion"
PURPOSE = (
    "For learning and research. Not for assessing people at work or in education. "
    "Uploads are deleted within 20 minutes and used for nothing else. Race is never inferred."
)
View = Callable[[Desk, gr.State], None]
VIEWS: dict[str, tuple[str, View]] = {  # in the address (?view=...) -> its tab, and what lays it out
    "recognise": ("Recognise", recognise_view),
}


def build_page(pipeline: EmoPipeline, *, research: bool = False) -> gr.Blocks:
    """The page of one loaded checkpoint; `launch(**LAUNCH)` serves it."""
    gr.set_static_paths([EXAMPLE])
    desk = Desk(pipeline, research=research)
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(KEEP_SECONDS, KEEP_SECONDS)) as page:
        gr.Markdown(f"# {TITLE}")
        gr.Markdown(DISCLAIMER, elem_id="disclaimer")
        gr.Markdown(PURPOSE, elem_id="purpose")
        subject = gr.State(None, time_to_live=KEEP_SECONDS)
        with gr.Tabs() as views:
            for name, (title, view) in VIEWS.items():
                with gr.Tab(title, id=name) as tab:
                    view(desk, subject)
                tab.select(None, js=f"() => history.replaceState(null, '', '?view={name}')")
        page.load(asked_view, None, views, api_visibility="private")
    return page.queue(max_size=16)


def asked_view(request: gr.Request) -> gr.Tabs:
    """The view that the address asks for, or the first one."""
    name = request.query_params.get("view")
    return gr.Tabs(selected=name if name in VIEWS else next(iter(VIEWS)))
