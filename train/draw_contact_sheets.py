"""Draws the contact sheets of the synthetic wing: expressions x people, the action units, twins, a clip, a random set.

    python train/draw_contact_sheets.py --out docs/synthetic

Needs no model and no data set; about a minute on two cores. Every sheet is a JPEG with its words on it.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from tqdm import tqdm

from emo_toolkit.synthetic import (
    Expression,
    FaceRenderer,
    FaceSpec,
    sample_identity,
    sample_scene,
    sample_spec,
    twin_grid,
)
from emo_toolkit.synthetic.action_units import ACTION_UNITS, PROTOTYPES
from emo_toolkit.synthetic.clips import sample_clip

MARGIN, BAND = 6, 24  # pixels between the pictures, and of a line of words
INK, PAPER = (60, 60, 66), (255, 255, 255)
EXPRESSIONS = ("neutral", "happiness", "surprise", "sadness", "fear", "anger", "disgust")
PEOPLE = (  # seed, age, gender, race
    (502, 28, "female", "White"),
    (524, 36, "male", "Asian"),
    (546, 8, "female", "Black"),
    (568, 67, "male", "Black"),
    (588, 58, "female", "Asian"),
    (604, 23, "male", "White"),
)


def main() -> None:
    """Draw every sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/synthetic"), help="folder for the sheets")
    parser.add_argument("--size", type=int, default=176, help="pixels of one face")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    renderer = FaceRenderer()
    for name, sheet in SHEETS.items():
        specs, columns, words = sheet()
        faces = [renderer.draw(spec, size=args.size).image for spec in tqdm(specs, desc=name, unit="face")]
        compose(faces, columns, words).save(args.out / f"{name}.jpg", quality=88)


def expressions() -> tuple[list[FaceSpec], int, list[str]]:
    """Seven expressions of six people."""
    specs = []
    for row, (seed, age, gender, race) in enumerate(PEOPLE):
        person, scene = sample_identity(seed, age=age, gender=gender, race=race), sample_scene(40 + row, frontal=True)
        for label in EXPRESSIONS:
            units = PROTOTYPES[label][row % len(PROTOTYPES[label])]
            specs.append(FaceSpec(person, Expression(label, dict(units)), scene, seed=row))
    return specs, len(EXPRESSIONS), list(EXPRESSIONS)


def action_units() -> tuple[list[FaceSpec], int, list[str]]:
    """Every action unit at its maximum on one face at rest."""
    person = replace(sample_identity(504, age=28, gender="female", race="White"), glasses=None, hair="hair/ponytail01")
    scene = replace(sample_scene(8, frontal=True), zoom=1.3)
    codes = [None, *ACTION_UNITS]
    specs = [FaceSpec(person, Expression("neutral", {code: 1.0} if code else {}), scene) for code in codes]
    words = [f"{code[2:]} {ACTION_UNITS[code].name.lower()}" if code else "at rest" for code in codes]
    return specs, 7, words


def twins() -> tuple[list[FaceSpec], int, list[str]]:
    """One smile on four ages, two genders and three races: nothing else differs."""
    spec = FaceSpec(
        sample_identity(700, age=25, gender="female", race="White"),
        Expression("happiness", {"AU6": 0.7, "AU12": 0.75, "AU25": 0.6}),
        sample_scene(14, frontal=True),
    )
    grid = twin_grid(spec)
    order = sorted(grid, key=lambda key: (key[0], key[1:]))
    return [grid[key] for key in order], 6, [f"{race} {gender}, {age:.0f}" for age, gender, race in order]


def clip() -> tuple[list[FaceSpec], int, list[str]]:
    """Sixteen frames of a surprise: rest, onset, apex, offset."""
    made = sample_clip(83, label="surprise")
    return list(made.frames), 8, [f"{time:.2f} s" for time in made.times]


def random_faces() -> tuple[list[FaceSpec], int, list[str]]:
    """Thirty-two of the ordinary set, as they come."""
    return [sample_spec(9000 + number) for number in range(32)], 8, []


def compose(faces: Sequence[Image.Image], columns: int, words: Sequence[str]) -> Image.Image:
    """A grid with a line of words above the columns (as many words as columns) or under each face."""
    size, rows = faces[0].width, -(-len(faces) // columns)
    on_top = len(words) == columns < len(faces)
    line = BAND if words and not on_top else 0
    top = BAND if on_top else 0
    sheet = Image.new("RGB", (columns * (size + MARGIN) + MARGIN, top + rows * (size + line + MARGIN) + MARGIN), PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=14)
    for number, face in enumerate(faces):
        x = MARGIN + number % columns * (size + MARGIN)
        y = MARGIN + top + number // columns * (size + line + MARGIN)
        sheet.paste(face, (x, y))
        if words and (number < columns or not on_top):
            pen.text(
                (x + size / 2, y - 2 if on_top else y + size + 2), words[number], INK, font, "md" if on_top else "ma"
            )
    return sheet


SHEETS = {
    "expressions": expressions,
    "action_units": action_units,
    "twins": twins,
    "clip": clip,
    "random": random_faces,
}

if __name__ == "__main__":
    main()
