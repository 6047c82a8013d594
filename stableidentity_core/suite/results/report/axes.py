"""Axes of small SVG plots."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .html import Markup, element, joined, scrolling

COLOURS = 8  # classes c0 to c7 of the style sheet
SMALLEST = 0.75  # size at which letters can still be read
SHAPES = ("circle", "square", "diamond", "triangle")


@dataclass(frozen=True)
class Axes:
    """A frame in pixels, and the values at its edges."""

    left: float
    top: float
    width: float
    height: float
    x: tuple[float, float]
    y: tuple[float, float]

    def at(self, x: float, y: float) -> tuple[float, float]:
        return (
            self.left + self.width * (x - self.x[0]) / (self.x[1] - self.x[0]),
            self.top + self.height * (self.y[1] - y) / (self.y[1] - self.y[0]),
        )

    def drawn(self, x_title: str, y_title: str) -> Markup:
        """Frame, grid, numbers and titles."""
        right, bottom = self.left + self.width, self.top + self.height
        parts = [element("rect", x=self.left, y=self.top, width=self.width, height=self.height, class_="frame")]
        for value in ticks(*self.x):
            px, _py = self.at(value, 0)
            parts.append(element("line", x1=_n(px), x2=_n(px), y1=self.top, y2=bottom, class_="grid"))
            parts.append(text(px, bottom + 18, number(value), "middle"))
        for value in ticks(*self.y):
            _px, py = self.at(0, value)
            parts.append(element("line", x1=self.left, x2=right, y1=_n(py), y2=_n(py), class_="grid"))
            parts.append(text(self.left - 8, py + 4, number(value), "end"))
        parts.append(text(self.left + self.width / 2, bottom + 40, x_title, "middle", "title"))
        parts.append(text(self.left, self.top - 12, y_title, "start", "title"))
        return joined(parts)


def text(x: float, y: float, said: str, anchor: str, class_: str | None = None) -> Markup:
    return element("text", said, x=_n(x), y=_n(y), text_anchor=anchor, class_=class_)


def span(values: Sequence[float], room: float = 0.08) -> tuple[float, float]:
    """Edges of an axis with room around the values; values that are all the same are given some room too."""
    low, high = min(values), max(values)
    extra = room * (high - low) or 0.05 * abs(high) or 0.5
    return low - extra, high + extra


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers between two values."""
    rough = (high - low) / about
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= rough * 0.999)
    return [at * step for at in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def number(value: float) -> str:
    return f"{value:.6g}".replace("-", "−") if abs(value) > 1e-9 else "0"


def marker(x: float, y: float, which: int, size: float = 5, title: str | None = None) -> Markup:
    """A point of the method of this number: its colour, and after all colours another shape."""
    class_ = f"c{which % COLOURS}"
    shape = SHAPES[which // COLOURS % len(SHAPES)]
    inner = [element("title", title)] if title else []
    if shape == "circle":
        return element("circle", *inner, cx=_n(x), cy=_n(y), r=_n(size), class_=class_)
    corners = {
        "square": [(-1, -1), (1, -1), (1, 1), (-1, 1)],
        "diamond": [(0, -1.4), (1.4, 0), (0, 1.4), (-1.4, 0)],
        "triangle": [(0, -1.3), (1.2, 1), (-1.2, 1)],
    }[shape]
    points = " ".join(f"{_n(x + size * dx)},{_n(y + size * dy)}" for dx, dy in corners)
    return element("polygon", *inner, points=points, class_=class_)


def line(points: Sequence[tuple[float, float]], class_: str) -> Markup:
    return element("polyline", points=" ".join(f"{_n(x)},{_n(y)}" for x, y in points), class_=class_)


def plot(width: float, height: float, label: str, caption: str, *parts: Markup, above: Markup | None = None) -> Markup:
    """A figure that shrinks with the page, and scrolls once its letters would be too small.

    Args:
        label: what a screen reader says.
        above: what stands over it, such as a legend.
    """
    size = {
        "viewBox": f"0 0 {_n(width)} {_n(height)}",
        "style": f"max-width:{_n(width)}px;--least:{_n(SMALLEST * width)}px",
    }
    drawn = scrolling(element("svg", *parts, role="img", aria_label=label, **size), label)
    return element("figure", above, drawn, element("figcaption", caption), class_="plot")


def _n(value: float) -> str:
    """To a tenth of a pixel, so that the last bits of a computation do not show."""
    return f"{round(value, 1) + 0.0:g}"
