"""Sheets of pictures for the notebooks."""

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

GAP, LINE = 6, 18  # pixels between pictures, and of a line of words
INK, PAPER = (60, 60, 66), (255, 255, 255)


def contact_sheet(pictures: Sequence[Image.Image], words: Sequence[str] = (), *, columns: int = 7) -> Image.Image:
    """Pictures of one size as a grid on white, with words under each.

    Args:
        pictures: one or more.
        words: as many as pictures, or none; "\\n" begins a new line.
        columns: pictures side by side.
    """
    width, height = pictures[0].size
    columns = min(columns, len(pictures))
    band = LINE * max((text.count("\n") + 1 for text in words), default=0)
    step, rows = (width + GAP, height + band + GAP), -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * step[0] + GAP, rows * step[1] + GAP), PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=13)
    for place, picture in enumerate(pictures):
        x, y = GAP + place % columns * step[0], GAP + place // columns * step[1]
        sheet.paste(picture, (x, y))
        if words:
            at = (x + width / 2, y + height + 1)
            pen.multiline_text(at, words[place], INK, font, anchor="ma", align="center", spacing=2)
    return sheet
