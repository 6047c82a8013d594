"""The contact sheet: the photo, and pictures from the learned words, a celebrity's name and untrained words."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from .look import Look, caption

TILE, GAP, MARGIN = 160, 8, 40
STRIP = 54  # height of the label above a row
HEAD = 132  # height of the prompts above the columns
NOTE = 250  # height of the text below the photo
PAPER, INK, GREY, ACCENT = (250, 249, 246), (28, 30, 34), (104, 108, 116), (196, 62, 52)


def contact_sheet(
    photo: Tensor,
    rows: Sequence[tuple[str, Tensor]],
    looks: Sequence[Look],
    title: str,
    notes: Sequence[str],
) -> bytes:
    """Draw the sheet as a PNG.

    Args:
        photo: [3, S, S] in 0..1, shown large at the left.
        rows: label and pictures [N, 3, S, S] in 0..1 of each row.
        looks: N looks, whose captions head the columns.
        title, notes: text above and below the photo.
    """
    height_rows = HEAD + len(rows) * (STRIP + TILE)
    side = height_rows - STRIP - NOTE
    left = MARGIN + side + MARGIN
    width = left + len(looks) * (TILE + GAP) - GAP + MARGIN
    page = Image.new("RGB", (width, MARGIN + height_rows + MARGIN), PAPER)
    pen = _Pen(ImageDraw.Draw(page))
    pen.text((MARGIN, MARGIN - 6), title, size=36, bold=True)
    page.paste(_image(photo, side), (MARGIN, MARGIN + STRIP))
    top = MARGIN + STRIP + side + 18
    for number, note in enumerate(notes):
        lines = textwrap.wrap(note, side // 13)
        pen.text((MARGIN, top), "\n".join(lines), size=22, colour=GREY if number else INK)
        top += 30 * len(lines)
    for column, look in enumerate(looks):
        pen.above(left + column * (TILE + GAP), MARGIN + HEAD, prompt_label(look))
    top = MARGIN + HEAD
    for number, (label, pictures) in enumerate(rows):
        pen.text((left, top + 14), label, size=25, bold=True, colour=INK if number else ACCENT)
        for column, picture in enumerate(pictures):
            page.paste(_image(picture, TILE), (left + column * (TILE + GAP), top + STRIP))
        top += STRIP + TILE
    buffer = io.BytesIO()
    page.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def prompt_label(look: Look) -> str:
    """A prompt without the words that most prompts share."""
    return caption(look, "{}").replace(" of {}", "").removeprefix("a photo ")


def _image(picture: Tensor, side: int) -> Image.Image:
    pixels = (picture.clamp(0, 1) * 255).round().byte().movedim(0, -1).cpu().numpy()
    return Image.fromarray(np.ascontiguousarray(pixels)).resize((side, side), Image.Resampling.BICUBIC)


class _Pen:
    """Writes text in DejaVu Sans, which comes with matplotlib."""

    def __init__(self, draw: ImageDraw.ImageDraw):
        self.draw = draw
        self.fonts: dict[tuple[int, bool], Any] = {}

    def font(self, size: int, bold: bool) -> Any:
        if (size, bold) not in self.fonts:
            import matplotlib

            name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
            path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name
            self.fonts[size, bold] = ImageFont.truetype(str(path), size)
        return self.fonts[size, bold]

    def text(
        self, place: tuple[int, int], text: str, size: int, bold: bool = False, colour: tuple[int, int, int] = INK
    ) -> None:
        self.draw.text(place, text, colour, self.font(size, bold), spacing=6)

    def above(self, left: int, bottom: int, text: str) -> None:
        """A column's prompt, centred and wrapped."""
        lines = "\n".join(textwrap.wrap(text, 14))
        place, font = (left + TILE / 2, bottom), self.font(20, False)
        self.draw.text(place, lines, INK, font, anchor="md", align="center", spacing=5)
