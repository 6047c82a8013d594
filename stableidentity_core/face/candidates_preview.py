"""A preview of the photo with every detected face numbered and the chosen one highlighted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ..shapes import check_shape
from .detect import Candidate
from .photo import downscale

LONG_SIDE = 1024
CHOSEN, OTHER, INK = (255, 200, 0), (235, 235, 235), (0, 0, 0)


def draw_candidates(
    photo: Tensor, candidates: Sequence[Candidate], chosen: Candidate | None = None, long_side: int = LONG_SIDE
) -> Tensor:  # [3, h, w]
    """Draw the box, five landmarks and number of every face; a large photo is downscaled to `long_side`.

    Args:
        photo: [3, H, W] in 0..1.
        candidates: as returned by `detect_faces`; the first is number 1.
        chosen: the candidate to draw with a thick coloured box.
    """
    check_shape(photo, "3 h w", "The photo")
    height, width = photo.shape[1:]
    scale = min(1.0, long_side / max(height, width))
    shown, spanned = downscale(photo, max(1, round(height * scale)), max(1, round(width * scale)), averaged=1.3)
    pixels = shown.permute(1, 2, 0).mul(255).add_(0.5).clamp_(0, 255).to(torch.uint8).contiguous().numpy()
    image = Image.fromarray(pixels)
    draw = ImageDraw.Draw(image)
    # The chosen face is drawn last, on top.
    for number, candidate in sorted(enumerate(candidates, start=1), key=lambda pair: pair[1] is chosen):
        _draw_one(draw, candidate, number, candidate is chosen, spanned, max(image.size))
    return torch.from_numpy(np.divide(np.asarray(image), 255, dtype=np.float32)).permute(2, 0, 1)


def _draw_one(
    draw: ImageDraw.ImageDraw,
    candidate: Candidate,
    number: int,
    is_chosen: bool,
    spanned: tuple[float, float],
    long_side: int,
) -> None:
    color = CHOSEN if is_chosen else OTHER
    line = max(1, long_side // (170 if is_chosen else 500))
    left, top, right, bottom = (value / span for value, span in zip(candidate.box.tolist(), spanned * 2, strict=True))
    box = (min(left, right), min(top, bottom), max(left, right), max(top, bottom))
    draw.rectangle([box[0] - 1, box[1] - 1, box[2] + 1, box[3] + 1], outline=INK, width=line + 2)
    draw.rectangle(box, outline=color, width=line)
    dot = max(1.0, (right - left) / 40)
    for x, y in (candidate.landmarks / torch.tensor(spanned)).tolist():
        draw.ellipse([x - dot, y - dot, x + dot, y + dot], fill=color, outline=INK)
    _draw_number(draw, str(number), box, color, font_size=max(10, long_side // 32))


def _draw_number(
    draw: ImageDraw.ImageDraw, text: str, box: tuple[float, float, float, float], color: tuple, font_size: int
) -> None:
    font = ImageFont.load_default(font_size)
    x0, y0, x1, y1 = draw.textbbox((0, 0), text, font=font)
    width, height = x1 - x0 + font_size // 2, y1 - y0 + font_size // 2
    limit_x, limit_y = draw.im.size
    left = min(max(box[0], 0), limit_x - width)
    top = min(max(box[1], 0), limit_y - height)
    draw.rectangle([left, top, left + width, top + height], fill=color, outline=INK)
    draw.text((left + width / 2, top + height / 2), text, fill=INK, font=font, anchor="mm")
