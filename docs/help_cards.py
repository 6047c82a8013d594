"""Cards: pictures for the help panel, which is 220 to 300 pixels wide, drawn twice as large for sharp screens."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

WIDTH, GAP, EDGE = 540, 12, 16
PAPER, INK, GREY, ACCENT = (250, 249, 246), (28, 30, 34), (104, 108, 116), (196, 62, 52)
FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
SMALL, MEDIUM = 23, 27  # pixels; about half of that in the panel


def picture(pixels: Tensor) -> Image.Image:  # [3, H, W] in 0..1
    array = (pixels.detach().clamp(0, 1) * 255).round().byte().movedim(0, -1).cpu().numpy()
    return Image.fromarray(np.ascontiguousarray(array))


def part(one: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    """A part of a picture; the edges are fractions of its sides."""
    wide, tall = one.size
    return one.crop((round(left * wide), round(top * tall), round(right * wide), round(bottom * tall)))


class Card:
    """Rows from top to bottom; the height follows from them."""

    def __init__(self) -> None:
        self.rows: list[Image.Image] = []

    def text(self, text: str, size: int = MEDIUM, bold: bool = False, colour: tuple[int, int, int] = INK) -> Card:
        font = _font(size, bold)
        left, top, right, bottom = _size(text, font)
        if right - left > WIDTH - 2 * EDGE:
            raise ValueError(
                f"{text!r} is {right - left} pixels wide, needed at most {WIDTH - 2 * EDGE}. Break the line."
            )
        row = Image.new("RGB", (WIDTH, bottom - top + GAP), PAPER)
        ImageDraw.Draw(row).multiline_text((EDGE, GAP // 2 - top), text, colour, font, spacing=6)
        self.rows.append(row)
        return self

    def pictures(self, pictures: Sequence[Image.Image], captions: Sequence[str] = ()) -> Card:
        """A row of pictures that fills the width, each with a caption of at most two lines below."""
        wide = (WIDTH - 2 * EDGE - GAP * (len(pictures) - 1)) // len(pictures)
        scaled = [_as_wide(one, wide) for one in pictures]
        tall = max(one.height for one in scaled)
        lines = max((caption.count("\n") + 1 for caption in captions), default=0)
        row = Image.new("RGB", (WIDTH, tall + lines * (SMALL + 7) + GAP), PAPER)
        pen, font = ImageDraw.Draw(row), _font(SMALL)
        for number, one in enumerate(scaled):
            left = EDGE + number * (wide + GAP)
            row.paste(one, (left, 0))
            if captions:
                pen.multiline_text((left + wide / 2, tall + 3), captions[number], GREY, font, "ma", 4, "center")
        self.rows.append(row)
        return self

    def beside(self, one: Image.Image, text: str, share: float = 0.4) -> Card:
        """A picture with text to its right, both centred in height."""
        scaled = _as_wide(one, round((WIDTH - 2 * EDGE) * share))
        row = Image.new("RGB", (WIDTH, scaled.height + GAP), PAPER)
        row.paste(scaled, (EDGE, 0))
        place = (EDGE + scaled.width + 22, scaled.height / 2)
        ImageDraw.Draw(row).multiline_text(place, text, INK, _font(MEDIUM), "lm", 8)
        self.rows.append(row)
        return self

    def save(self, path: Path) -> None:
        card = Image.new("RGB", (WIDTH, sum(row.height for row in self.rows) + 2 * EDGE - GAP), PAPER)
        top = EDGE
        for row in self.rows:
            card.paste(row, (0, top))
            top += row.height
        path.parent.mkdir(parents=True, exist_ok=True)
        card.save(path, "JPEG", quality=86, optimize=True, progressive=True)


def _as_wide(one: Image.Image, wide: int) -> Image.Image:
    return one.convert("RGB").resize((wide, round(one.height * wide / one.width)), Image.Resampling.LANCZOS)


def _font(size: int, bold: bool = False) -> Any:
    return ImageFont.truetype(str(FONTS / ("DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf")), size)


def _size(text: str, font: Any) -> tuple[int, int, int, int]:
    blank = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    left, top, right, bottom = blank.multiline_textbbox((0, 0), text, font, spacing=6)
    return int(left), int(top), int(right), int(bottom)
