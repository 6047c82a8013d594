"""The words of all people among those of the names (Fig. 7 and Table 3 of the paper)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ....errors import StableIdentityError
from ....evaluate.name_map.points import Panel, lay_out
from ....evaluate.name_map.ranges import COLUMNS, FOOTNOTE, range_rows_of_sets
from ....identity import load_identity
from ....text.names import WORDS, NameSpace
from ...folder import Folder
from ...world import read_names
from ..found import Found
from .axes import Axes, marker, plot, span, text
from .html import Markup, element, joined, section, table
from .legend import legend

SIDE, GAP = 480, 40
Words = Mapping[str, Mapping[str, Tensor]]  # {method: {person: [2, D]}}


def name_map(folder: Folder, found: Sequence[Found]) -> Markup | None:
    """Maps of all text spaces; None where the folder has no names or no words of anybody."""
    parts = []
    for names in read_names(folder):
        words = _words(folder, found, names)
        if any(words.values()):
            parts.append(_map(names, words))
    if not parts:
        return None
    lead = (
        "Each grey point is the first or the last word of a celebrity's name, each coloured point a word of a person. "
        "The plane is that in which the names differ most; distances across it do not show."
    )
    return section("map", "Words among the names", element("p", lead), parts)


def _words(folder: Folder, found: Sequence[Found], names: NameSpace) -> Words:
    return {
        each.spec.name: {
            person: words
            for person in each.people
            if (words := _read(folder, each.spec.name, person, names)) is not None
        }
        for each in found
    }


def _read(folder: Folder, method: str, person: str, names: NameSpace) -> Tensor | None:
    path = folder.learned(method, person)
    try:
        words = load_identity(path).words.get(names.space) if path.is_file() else None
    except StableIdentityError:  # a method that learns something else, or a damaged file
        return None
    fits = words is not None and tuple(words.shape) == (WORDS, names.width) and bool(words.isfinite().all())
    return words if fits else None


def _map(names: NameSpace, words: Words) -> Markup:
    shown = [(method, person) for method, people in words.items() for person in people]
    panels = lay_out(names, [words[method][person] for method, person in shown], "PCA")
    methods = list(words)
    drawn = [_panel(at, panel, shown, methods) for at, panel in enumerate(panels)]
    label = f"First and last words of {len(names.names)} names and of the people by {', '.join(methods)}."
    caption = f"{names.space}: {len(names.names):,} names of two words, width {names.width}."
    keys = legend([(at, method) for at, method in enumerate(methods) if words[method]])
    figure = plot(2 * SIDE + GAP + 20, SIDE + 76, label, caption, *drawn, above=keys)
    return joined(figure, _ranges(names, words))


def _panel(at: int, panel: Panel, shown: Sequence[tuple[str, str]], methods: Sequence[str]) -> Markup:
    points = torch.cat([panel.names, panel.people])
    x, y = (span(points[:, axis].tolist(), 0.04) for axis in (0, 1))
    axes = Axes(10 + at * (SIDE + GAP), 34, SIDE, SIDE, x, y)
    frame = element("rect", x=axes.left, y=axes.top, width=SIDE, height=SIDE, class_="frame")
    title = text(axes.left, axes.top - 12, f"{panel.position}", "start", "title")
    shares = text(axes.left, axes.top + SIDE + 20, f"across: {panel.axes[0]}; up: {panel.axes[1]}", "start")
    names = [_name(axes, point, word) for point, word in zip(panel.names.tolist(), panel.words, strict=True)]
    people: dict[str, list[Markup]] = {}
    for (method, person), point, nearest in zip(shown, panel.people.tolist(), panel.nearest, strict=True):
        told = f"{person}, {method}; nearest name: {panel.words[nearest]}"
        people.setdefault(method, []).append(marker(*axes.at(*point), methods.index(method), 4, told))
    groups = [element("g", marks, class_=f"series s{methods.index(method)}") for method, marks in people.items()]
    return joined(frame, title, shares, element("g", names), groups)


def _name(axes: Axes, point: Sequence[float], word: str) -> Markup:
    x, y = axes.at(*point)
    return element("circle", element("title", word), cx=f"{x:.1f}", cy=f"{y:.1f}", r="2", class_="celebrity")


def _ranges(names: NameSpace, words: Words) -> Markup:
    sets = {method: torch.stack(list(people.values())) for method, people in words.items() if people}
    rows = range_rows_of_sets(names, sets)
    head = ["", *(f"{place} word: {name}" for place in ("first", "last") for name in COLUMNS)]
    lines = [
        [label, *(cell.replace("-", "−") for one in ranges for cell in one.cells())] for label, ranges in rows.items()
    ]
    caption = f"Smallest and largest values of words, {names.space}"
    return joined(table(head, lines, caption=caption), element("p", FOOTNOTE, class_="notes"))
