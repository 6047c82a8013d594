"""Antialiased drawing with two layers: colours, and the face part that each pixel shows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from ..core import FacePart

SUPERSAMPLING = 3
Colour = tuple[int, int, int]
Points = np.ndarray  # [N, 2] in 0..1, x to the right and y down


def mix(a: Colour, b: Colour, share: float) -> Colour:
    """Linear interpolation between two colours; `share` 0 is a, 1 is b."""
    return tuple(round(x + (y - x) * share) for x, y in zip(a, b, strict=True))  # type: ignore[return-value]


def darker(colour: Colour, share: float) -> Colour:
    return mix(colour, (20, 12, 24), share)


def lighter(colour: Colour, share: float) -> Colour:
    return mix(colour, (255, 250, 240), share)


class Canvas:
    """A square picture being drawn; all lengths are fractions of its side."""

    def __init__(self, size: int):
        self.size = size
        self.side = size * SUPERSAMPLING
        self.image = Image.new("RGB", (self.side, self.side))
        self.parts = Image.new("L", (self.side, self.side), int(FacePart.BACKGROUND))
        self._image = ImageDraw.Draw(self.image)
        self._parts = ImageDraw.Draw(self.parts)

    def polygon(self, points: Points, colour: Colour, part: FacePart | None = None) -> None:
        """Fill an outline; `part` None leaves the map of parts as it is."""
        corners = [tuple(point) for point in (points * self.side).tolist()]
        self._image.polygon(corners, fill=colour)
        if part is not None:
            self._parts.polygon(corners, fill=int(part))

    def ellipse(self, x: float, y: float, rx: float, ry: float, colour: Colour, part: FacePart | None = None) -> None:
        box = [value * self.side for value in (x - rx, y - ry, x + rx, y + ry)]
        self._image.ellipse(box, fill=colour)
        if part is not None:
            self._parts.ellipse(box, fill=int(part))

    def rectangle(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        self._image.rectangle([value * self.side for value in (left, top, right, bottom)], fill=colour)

    def line(self, points: Points, width: float, colour: Colour, part: FacePart | None = None) -> None:
        """A stroke with round ends."""
        thick = max(1, round(width * self.side))
        path = [tuple(point) for point in (points * self.side).tolist()]
        for draw, fill in ((self._image, colour), (self._parts, None if part is None else int(part))):
            if fill is None:
                continue
            draw.line(path, fill=fill, width=thick, joint="curve")
            for x, y in (path[0], path[-1]):
                draw.ellipse([x - thick / 2, y - thick / 2, x + thick / 2, y + thick / 2], fill=fill)

    def gradient(self, stops: Sequence[tuple[float, Colour]]) -> None:
        """Fill everything with colours that change from top to bottom."""
        heights = [height for height, _ in stops]
        rows = np.linspace(0, 1, self.side)
        column = np.stack([np.interp(rows, heights, [colour[c] for _, colour in stops]) for c in range(3)], axis=-1)
        column = np.ascontiguousarray(column.round().astype(np.uint8)[:, None])
        self.image.paste(Image.fromarray(column).resize((self.side, self.side), Image.Resampling.NEAREST))

    def glow(self, x: float, y: float, rx: float, ry: float, colour: Colour, strength: float, inside: Points) -> None:
        """A soft spot of colour, clipped to an outline."""
        small = self.side // 4
        spot = Image.new("L", (small, small))
        ImageDraw.Draw(spot).ellipse(
            [value * small for value in (x - rx, y - ry, x + rx, y + ry)], fill=round(255 * strength)
        )
        spot = spot.filter(ImageFilter.GaussianBlur(min(rx, ry) * small * 0.6)).resize((self.side, self.side))
        fence = Image.new("L", (self.side, self.side))
        ImageDraw.Draw(fence).polygon([tuple(point) for point in (inside * self.side).tolist()], fill=255)
        mask = Image.composite(spot, Image.new("L", spot.size), fence)
        self.image.paste(colour, mask=mask)

    def finish(self) -> tuple[np.ndarray, np.ndarray]:
        """Colours [S, S, 3] uint8, and parts [3 S, 3 S] uint8 as FacePart."""
        small = self.image.resize((self.size, self.size), Image.Resampling.BOX)
        return np.asarray(small), np.asarray(self.parts)


def smooth(points: Sequence[tuple[float, float]], steps: int = 8, closed: bool = True) -> Points:
    """A Catmull-Rom curve through points."""
    knots = np.asarray(points, dtype=float)
    if closed:
        around = np.concatenate([knots[-1:], knots, knots[:2]])
    else:
        around = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
    a, b, c, d = around[:-3], around[1:-2], around[2:-1], around[3:]
    t = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    a, b, c, d = (knot[:, None] for knot in (a, b, c, d))
    curve = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    curve = curve.reshape(-1, 2)
    return curve if closed else np.concatenate([curve, knots[-1:]])
