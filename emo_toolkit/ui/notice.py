"""The purpose notice above every view: what this is for, what the law says, what is kept."""

import gradio as gr

DISCLAIMER = "Independent reconstruction of EMO-LLaMA: perceived expression, not felt emotion"
PURPOSE = (
    "For learning and research. **Not for assessing people at work or in education**: EU law prohibits that. "
    "{files} {race}"
)
UPLOADS = "Uploads are deleted within 20 minutes and used for nothing else."
EXAMPLES_ONLY = "**Set up for a classroom**: examples and drawn faces only, no upload and no camera."
NEVER = "Race is never inferred."
RESEARCH = "**Research mode, on this machine only**: race words may be estimated."
MORE = "What it reads, what is kept, what the law says"
DETAILS = """
**What it reads.** Which expression most people would call a picture of a face. A face does not tell what somebody
feels: people scowl when they concentrate and smile when they are sad
([Barrett et al., 2019](https://doi.org/10.1177/1529100619832930)). Below a likelihood of 50 % the answer is *unsure*.

**Whose face.** Your own, one of somebody who agreed, or one of the examples. People who are shown must be told that an
expression is read.

**What is kept.** Nothing. The file, its crops and the answer are deleted within 20 minutes of your last click; no
picture, question, answer or address goes into a log, and nothing is used for training. Age and gender are estimated
only when you ask for it. {race}

**What the law says.** In the EU, inferring emotions of people at work or in education is prohibited, except for
medical or safety reasons (AI Act, Art. 5(1)(f)), and so is deducing race from biometric data (Art. 5(1)(g)). Other
uses are high-risk (Annex III), and people who are exposed to one must be told (Art. 50(3)). This is no legal advice.
"""


def purpose_notice(*, research: bool, classroom: bool) -> None:
    """Before any upload or camera; the details fold out."""
    race = RESEARCH if research else NEVER
    gr.Markdown(DISCLAIMER, elem_id="disclaimer")
    gr.Markdown(PURPOSE.format(race=race, files=EXAMPLES_ONLY if classroom else UPLOADS), elem_id="purpose")
    with gr.Accordion(MORE, open=False, elem_id="law"):
        gr.Markdown(DETAILS.format(race=race))
