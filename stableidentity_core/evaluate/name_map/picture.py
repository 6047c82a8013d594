"""The picture of a name space: two maps, and the table of values below."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...optional import optional_import
from ...text.names import NameSpace
from .labels import Label, place_labels
from .points import POSITIONS, Panel, lay_out
from .ranges import COLUMNS, FOOTNOTE, Range, range_rows

DPI = 96
WIDTH, MARGIN, GUTTER = 1344, 44, 56  # pixels, as all below
HEAD, MAP, BELOW_MAP, ROW, FOOT = 124, 560, 72, 30, 36
COLUMN, BETWEEN = 112, 48  # width of a column; more room between first and last word
INK, SOFT, FAINT, NAMES = "#22272e", "#6b7480", "#d5dae0", "#9fb0c3"
# Okabe and Ito's colours, which colour-blind people can tell apart, then darker ones.
COLOURS = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#7b3fa0", "#8c564b", "#222222")
MARKERS = ("o", "s", "^", "D", "P", "X")


def space_map(names: NameSpace, people: Mapping[str, Tensor], method: str) -> Tensor:
    """Map and table as a picture [H, W, 3] in 0..1; the height depends on the number of people only.

    Args:
        people: {label: words [2, D]}.
        method: see `points.lay_out`, also for what is raised.
    """
    agg, figures = _matplotlib("backends.backend_agg"), _matplotlib("figure")
    panels = lay_out(names, list(people.values()), method)
    rows = range_rows(names, people)
    height = HEAD + MAP + BELOW_MAP + ROW * (len(rows) + 2) + FOOT
    figure = figures.Figure(figsize=(WIDTH / DPI, height / DPI), dpi=DPI, facecolor="white")
    canvas = agg.FigureCanvasAgg(figure)
    _title(figure, height, names, len(people), method)
    for number, panel in enumerate(panels):
        _draw_panel(figure, height, number, panel, list(people))
    _draw_table(figure, height, rows)
    canvas.draw()
    return torch.from_numpy(np.asarray(canvas.buffer_rgba())[..., :3].astype(np.float32) / 255)


def style_of(person: int) -> tuple[str, str]:
    """Colour and marker of the person of this number, different for the first 48."""
    return COLOURS[person % len(COLOURS)], MARKERS[person // len(COLOURS) % len(MARKERS)]


def _matplotlib(part: str) -> Any:
    return optional_import(f"matplotlib.{part}", feature="the map of identities", install="pip install matplotlib")


def _title(figure: Any, height: int, names: NameSpace, people: int, method: str) -> None:
    who = {0: "nobody else", 1: "one person"}.get(people, f"{people} people")
    subtitle = f"{method} of {len(names.names):,} celebrity names and {who} in {names.space}, width {names.width}"
    left = MARGIN / WIDTH
    figure.text(left, 1 - 36 / height, "Names and people", fontsize=18, fontweight="bold", color=INK, va="center")
    figure.text(left, 1 - 66 / height, subtitle, fontsize=11, color=SOFT, va="center")


def _draw_panel(figure: Any, height: int, number: int, panel: Panel, labels: list[str]) -> None:
    width = (WIDTH - 2 * MARGIN - GUTTER) / len(POSITIONS)
    left = MARGIN + number * (width + GUTTER)
    axes = figure.add_axes((left / WIDTH, 1 - (HEAD + MAP) / height, width / WIDTH, MAP / height))
    axes.scatter(*panel.names.T.numpy(), s=11, color=NAMES, alpha=0.7, linewidths=0, zorder=2)
    for person, (x, y) in enumerate(panel.people.tolist()):
        colour, marker = style_of(person)
        axes.scatter(x, y, s=100, color=colour, marker=marker, edgecolors="white", linewidths=1.3, zorder=5)
    axes.set_title(panel.position, fontsize=12, fontweight="bold", color=INK, loc="left", pad=8)
    axes.set_xlabel(panel.axes[0], fontsize=9, color=SOFT, labelpad=8)
    axes.set_ylabel(panel.axes[1], fontsize=9, color=SOFT, labelpad=8)
    axes.set(xticks=[], yticks=[])
    axes.margins(0.08)
    for spine in axes.spines.values():
        spine.set_color(FAINT)
    _label(axes, panel, labels)


def _label(axes: Any, panel: Panel, labels: list[str]) -> None:
    """People in their colours, and in grey the names that they are nearest to."""
    points = [(x, y) for x, y in panel.people.tolist()]
    written = [
        Label(text=text, at=point, colour=style_of(person)[0], size=11, weight="bold")
        for person, (text, point) in enumerate(zip(labels, points, strict=True))
    ]
    for row in dict.fromkeys(panel.nearest):
        x, y = panel.names[row].tolist()
        axes.scatter(x, y, s=18, color=SOFT, linewidths=0, zorder=3)
        written.append(Label(text=panel.words[row], at=(x, y), colour=SOFT, size=9))
    halo = [_matplotlib("patheffects").withStroke(linewidth=3, foreground="white", alpha=0.85)]
    place_labels(axes, written, points, halo)


def _draw_table(figure: Any, height: int, rows: Mapping[str, list[Range]]) -> None:
    top, right = HEAD + MAP + BELOW_MAP, WIDTH - MARGIN - 8
    count = len(POSITIONS) * len(COLUMNS)
    edges = [right - COLUMN * (count - 1 - i) - BETWEEN * (i < len(COLUMNS)) for i in range(count)]

    def write(x: float, y: float, text: str, align: str = "right", **style: Any) -> None:
        figure.text(x / WIDTH, 1 - y / height, text, ha=align, va="center", **{"fontsize": 10.5, "color": INK, **style})

    def rule(y: float, left: float = MARGIN, end: float = WIDTH - MARGIN) -> None:
        line = _matplotlib("lines").Line2D([left / WIDTH, end / WIDTH], [1 - y / height] * 2, color=FAINT, linewidth=1)
        figure.add_artist(line)

    for place, position in enumerate(POSITIONS):
        first, last = edges[len(COLUMNS) * place] - COLUMN / 2, edges[len(COLUMNS) * (place + 1) - 1]
        write((first + last) / 2, top, position, align="center", fontweight="bold")
        rule(top + ROW / 2, first, last)
    for column, edge in enumerate(edges):
        write(edge, top + ROW, COLUMNS[column % len(COLUMNS)], color=SOFT)
    for number, (label, ranges) in enumerate(rows.items()):
        y = top + ROW * (number + 2)
        rule(y - ROW / 2)
        colour = style_of(number - 1)[0] if number else INK
        write(MARGIN + 8, y, label, align="left", color=colour, fontweight="bold" if number else "normal")
        for edge, cell in zip(edges, (cell for one in ranges for cell in one.cells()), strict=True):
            write(edge, y, cell)
    rule(top + ROW * (len(rows) + 1.5))
    write(MARGIN + 8, top + ROW * (len(rows) + 2) + 2, FOOTNOTE, align="left", fontsize=9, color=SOFT)
