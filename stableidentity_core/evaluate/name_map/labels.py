"""Labels beside points, so that they cover neither each other nor the points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Box = tuple[float, float, float, float]  # left, bottom, right, top in pixels
GAP = 10.0  # from the middle of a marker to its label
DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))
RINGS = (1.0, 2.0, 3.5, 5.5, 8.0, 11.0, 15.0, 20.0)
FAR = 12.0  # pixels between a point and a label that needs a line to it


@dataclass(frozen=True, kw_only=True)
class Label:
    """A text for a point, which is in the units of the axes."""

    text: str
    at: tuple[float, float]
    colour: str
    size: float
    weight: str = "normal"


def place_labels(axes: Any, labels: list[Label], obstacles: list[tuple[float, float]], halo: list[Any]) -> None:
    """Write the labels in their order, each at the nearest free place; with none free, to the right of its point.

    Args:
        obstacles: points that no label may lie on.
        halo: matplotlib's path effects around the letters.
    """
    axes.autoscale_view()  # which matplotlib puts off
    renderer = axes.figure.canvas.get_renderer()
    frame = axes.get_window_extent(renderer)
    inside: Box = (frame.x0, frame.y0, frame.x1, frame.y1)
    taken = [_around(axes.transData.transform(point), GAP - 2) for point in obstacles]
    for label in labels:
        text = axes.annotate(
            label.text,
            label.at,
            xytext=(0, 0),
            textcoords="offset pixels",
            fontsize=label.size,
            fontweight=label.weight,
            color=label.colour,
            ha="center",
            va="center",
            path_effects=halo,
            zorder=6,
        )
        extent = text.get_window_extent(renderer)
        offset, box = _free(axes.transData.transform(label.at), extent.width, extent.height, taken, inside)
        text.set_position(offset)
        if max(abs(offset[0]) - extent.width / 2, abs(offset[1]) - extent.height / 2) > FAR:
            _lead(axes, label, offset)
        taken.append(box)


def _free(point: Any, width: float, height: float, taken: list[Box], inside: Box) -> tuple[tuple[float, float], Box]:
    tried = []
    for ring in RINGS:
        for right, up in DIRECTIONS:
            offset = (right * (width / 2 + GAP * ring), up * (height / 2 + GAP * ring))
            x, y = point[0] + offset[0], point[1] + offset[1]
            box = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
            tried.append((offset, box))
            if _within(box, inside) and not any(_overlap(box, other) for other in taken):
                return offset, box
    return tried[0]


def _lead(axes: Any, label: Label, offset: tuple[float, float]) -> None:
    """A thin line from the point to a label that stands away from it."""
    line = {"arrowstyle": "-", "color": label.colour, "lw": 0.8, "alpha": 0.6, "shrinkA": 7, "shrinkB": 4}
    axes.annotate("", label.at, xytext=offset, textcoords="offset pixels", arrowprops=line, zorder=4)


def _around(point: Any, reach: float) -> Box:
    return point[0] - reach, point[1] - reach, point[0] + reach, point[1] + reach


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _within(box: Box, outer: Box) -> bool:
    return box[0] >= outer[0] and box[1] >= outer[1] and box[2] <= outer[2] and box[3] <= outer[3]
