"""The controls of a drawn face: sliders of action units, person, pose and light, and the wish that they hold.

components, in the order of CODES and TRAITS -> their values -> FaceWish, and back.
"""

from collections.abc import Sequence
from typing import Any

import gradio as gr

from ..labels import GENDERS
from ..synthetic.action_units import ACTION_UNITS, split_code
from ..synthetic.specs import RENDERED_RACES
from ..synthetic.wishes import RANGES, FaceWish, make_wish

# The most used units of each half of the face first; the rest is folded away.
UPPER = ("AU1", "AU2", "AU4", "AU5", "AU6", "AU7", "AU43")
LOWER = ("AU9", "AU10", "AU12", "AU15", "AU17", "AU20", "AU23", "AU25", "AU26")
OTHERS = ("AU14", "AU16", "AU18", "AU21", "AU22", "AU24", "AU27", "AU28", "AU34", "AU38")
ONE_SIDED = ("L12", "R12", "L14", "R14")
CODES = (*UPPER, *LOWER, *OTHERS, *ONE_SIDED)
TRAITS = ("person", "age", "gender", "race", "yaw", "pitch", "roll", "light", "height", "brightness")


def wish_of(*settings: Any) -> FaceWish:
    """The wish that the components hold, in the order of CODES and TRAITS."""
    units = dict(zip(CODES, settings, strict=False))
    return make_wish(units, **dict(zip(TRAITS, settings[len(CODES) :], strict=True)))


def settings_of(wish: FaceWish) -> list[Any]:
    """The other way round."""
    units = dict(wish.units)
    return [*(units.get(code, 0) for code in CODES), *(getattr(wish, name) for name in TRAITS)]


def unit_name(code: str) -> str:
    """ "AU12 lip corner puller", or of one side "L12 lip corner puller, the person's left"."""
    base, side = split_code(code)
    return f"{code} {ACTION_UNITS[base].name.lower()}" + (f", the person's {side}" if side else "")


def unit_sliders(codes: Sequence[str]) -> list[gr.Slider]:
    """One slider an action unit, in two columns where there is room."""
    with gr.Row(elem_classes="units"):
        return [gr.Slider(0, 1, 0, step=0.05, label=unit_name(code), min_width=150) for code in codes]


def face_sliders() -> list[gr.components.Component]:
    """The components of CODES, in its order."""
    with gr.Accordion("Upper face: brows and eyes", open=True):
        upper = unit_sliders(UPPER)
    with gr.Accordion("Lower face: nose and mouth", open=True):
        lower = unit_sliders(LOWER)
    with gr.Accordion("Others, and one side alone", open=False):
        others = unit_sliders((*OTHERS, *ONE_SIDED))
    return [*upper, *lower, *others]


def person_and_scene() -> list[gr.components.Component]:
    """The components of TRAITS, in its order."""
    first = FaceWish()

    def slider(name: str, label: str, step: float = 1) -> gr.Slider:
        return gr.Slider(*RANGES[name], getattr(first, name), step=step, label=label, min_width=150)

    with gr.Accordion("Person: age, gender, race as drawn", open=False), gr.Row(elem_classes="units"):
        person = gr.Number(first.person, label="Person, number", precision=0, minimum=0, maximum=99_999, min_width=150)
        age = slider("age", "Age, years")
        gender = gr.Dropdown(list(GENDERS), value=first.gender, label="Gender", filterable=False, min_width=150)
        race = gr.Dropdown(list(RENDERED_RACES), value=first.race, label="Race word", filterable=False, min_width=150)
    with gr.Accordion("Pose and light", open=False), gr.Row(elem_classes="units"):
        scene = [
            slider("yaw", "Turn, left to right"),
            slider("pitch", "Nod, down to up"),
            slider("roll", "Tilt"),
            slider("light", "Light from left to right"),
            slider("height", "Light, how high"),
            slider("brightness", "Brightness", 0.05),
        ]
    return [person, age, gender, race, *scene]
