"""Turntables of several heads side by side, each under its name, as in Figure 8 of the paper (arXiv 2401.15975)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from PIL import Image, ImageDraw, ImageFont

from .splat import Splat
from .turntable import Turntable, to_pictures, turn

LINE, GAP = 24, 4  # pixels


def turntable_frames(splat: Splat, turntable: Turntable) -> list[Image.Image]:
    """The pictures of one head."""
    return to_pictures(torch.cat([pictures for pictures, _coverage in turn(splat, turntable)]))


def side_by_side(heads: Mapping[str, Splat], turntable: Turntable) -> list[Image.Image]:
    """The pictures of several heads in a row, with their names above."""
    columns = {name: turntable_frames(splat, turntable) for name, splat in heads.items()}
    return [_row({name: frames[number] for name, frames in columns.items()}) for number in range(turntable.frames)]


def _row(pictures: Mapping[str, Image.Image]) -> Image.Image:
    side = next(iter(pictures.values())).width
    row = Image.new("RGB", (len(pictures) * (side + GAP) - GAP, LINE + side), "white")
    draw, font = ImageDraw.Draw(row), ImageFont.load_default(size=14)
    for number, (name, picture) in enumerate(pictures.items()):
        left = number * (side + GAP)
        draw.text((left + side / 2, LINE / 2), name, fill="black", font=font, anchor="mm")
        row.paste(picture, (left, LINE))
    return row
