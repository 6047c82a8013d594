"""Likeness against obedience to the prompt: what a method wins in one, it often loses in the other."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..bootstrap import Interval
from ..found import Found, titles_of
from .axes import COLOURS, Axes, line, marker, plot, span, text
from .columns import prompt_score
from .html import Markup, joined

WIDTH, HEIGHT = 640, 420
LETTER, HIGH = 7.6, 16  # room of a letter, in pixels
DISTANCES = (-4, 18, -20, 34, -36, 50, -52)  # from a point down to the foot of its name
Box = tuple[float, float, float, float]  # left, top, right, bottom


def tradeoff(found: Sequence[Found]) -> Markup | None:
    """A plot of all methods of a table; None with fewer than two of which both values are known."""
    titles = titles_of(found)
    prompt = prompt_score(titles)
    if prompt is None or "face_similarity" not in titles:
        return None
    points = [(each.spec.name, each.interval(prompt), each.interval("face_similarity")) for each in found]
    points = [one for one in points if not math.isnan(one[1].mean + one[2].mean)]
    if len(points) < 2:
        return None
    axes = Axes(56, 36, WIDTH - 76, HEIGHT - 90, _span([x for _, x, _ in points]), _span([y for _, _, y in points]))
    drawn = [_point(axes, number, *one) for number, one in enumerate(points)]
    labels = _labels(axes, [(name, *axes.at(x.mean, y.mean)) for name, x, y in points])
    names = ", ".join(name for name, _, _ in points)
    return plot(
        WIDTH,
        HEIGHT,
        f"Face similarity against {titles[prompt]} of {names}; the values are in the table.",
        "Likeness and prompts. Up and to the right is better; the lines are the intervals.",
        axes.drawn(titles[prompt], titles["face_similarity"]),
        *drawn,
        *labels,
    )


def _span(values: Sequence[Interval]) -> tuple[float, float]:
    return span([edge for one in values for edge in (one.mean, one.low, one.high) if not math.isnan(edge)], 0.12)


def _point(axes: Axes, which: int, name: str, x: Interval, y: Interval) -> Markup:
    px, py = axes.at(x.mean, y.mean)
    lines = []
    if not math.isnan(x.low + y.low):
        lines = [
            line([axes.at(x.low, y.mean), axes.at(x.high, y.mean)], f"l{which % COLOURS} thin"),
            line([axes.at(x.mean, y.low), axes.at(x.mean, y.high)], f"l{which % COLOURS} thin"),
        ]
    title = f"{name}: {y.mean:.3f} and {x.mean:.3f}"
    return joined(lines, marker(px, py, which, 5, title))


def _labels(axes: Axes, points: Sequence[tuple[str, float, float]]) -> list[Markup]:
    """Each name beside its point, at the first place where it covers no point and no other name."""
    taken = [(x - 6, y - 6, x + 6, y + 6) for _, x, y in points]
    placed = []
    for which, (name, x, y) in enumerate(points):
        boxes = [_box(name, x, y + dy, side) for dy in DISTANCES for side in (1, -1)]
        inside = [box for box in boxes if axes.left <= box[0] and box[2] <= axes.left + axes.width] or boxes
        box = next((box for box in inside if not any(_overlap(box, other) for other in taken)), inside[0])
        taken.append(box)
        placed.append(text(box[0], box[3] - 4, name, "start", f"c{which % COLOURS} name"))
    return placed


def _box(name: str, x: float, y: float, side: int) -> Box:
    width = LETTER * len(name)
    left = x + 9 if side > 0 else x - 9 - width
    return left, y - HIGH, left + width, y


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
