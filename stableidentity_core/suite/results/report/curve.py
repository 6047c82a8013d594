"""Curves over a setting in which methods of one table differ, such as alpha (Fig. 11 of the paper)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from ....errors import StableIdentityError
from ...methods import method_of
from ..found import Found, titles_of
from ..tables import groups_of
from .axes import Axes, line, marker, plot, span
from .columns import prompt_score
from .html import Markup, element, joined, section

FEWEST = 3  # methods that make a curve
WIDTH, HEIGHT, GAP = 1000, 340, 90

Curve = tuple[str, list[tuple[float, Found]]]  # the setting, and methods by its value


def curves(found: Sequence[Found]) -> Markup | None:
    """A plot for each setting; None where no three methods differ in one number alone."""
    plots = [plot for members in groups_of(found).values() for curve in find_curves(members) if (plot := _plot(*curve))]
    if not plots:
        return None
    lead = "Methods that differ in one setting alone, with the intervals of the means over people."
    return section("curves", "Curves", element("p", lead), plots)


def find_curves(found: Sequence[Found]) -> list[Curve]:
    """Sets of methods with equal settings but for one number."""
    settings = [(each, _settings(each)) for each in found]
    curves: dict[tuple[str, str], dict[float, Found]] = {}
    for each, own in settings:
        for name, value in own.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                rest = json.dumps({other: own[other] for other in own if other != name}, sort_keys=True, default=str)
                curves.setdefault((name, rest), {}).setdefault(float(value), each)
    return [(name, sorted(by_value.items())) for (name, _), by_value in curves.items() if len(by_value) >= FEWEST]


def _settings(each: Found) -> Mapping[str, Any]:
    """All of them, those with their defaults too."""
    try:
        return dict(method_of(each.spec).depends_on()) if each.spec.kind != "added" else {}
    except StableIdentityError:  # of another version of the pack
        return {}


def _plot(setting: str, methods: Sequence[tuple[float, Found]]) -> Markup | None:
    titles = titles_of([each for _, each in methods])
    metrics = [name for name in ("face_similarity", prompt_score(titles)) if name in titles]
    width = (WIDTH - GAP * 2) / 2
    panels = [
        _panel(
            Axes(56 + at * (width + GAP), 36, width, HEIGHT - 90, (0, 1), (0, 1)),
            setting,
            metric,
            titles[metric],
            methods,
        )
        for at, metric in enumerate(metrics)
        if metric
    ]
    if not any(panels):
        return None
    label = (
        f"{' and '.join(titles[metric] for metric in metrics if metric)} over {setting}; the values are in the tables."
    )
    caption = f"Over {setting}: {', '.join(f'{each.spec.name} ({value:g})' for value, each in methods)}."
    return plot(WIDTH, HEIGHT, label, caption, *panels)


def _panel(frame: Axes, setting: str, metric: str, title: str, methods: Sequence[tuple[float, Found]]) -> Markup:
    known = [(value, one) for value, each in methods if not math.isnan((one := each.interval(metric)).mean)]
    if not known:
        return Markup("")
    edges = [edge for _, one in known for edge in (one.mean, one.low, one.high) if not math.isnan(edge)]
    x = span([value for value, _ in known])
    axes = Axes(frame.left, frame.top, frame.width, frame.height, x, span(edges))
    whiskers = [
        line([axes.at(value, one.low), axes.at(value, one.high)], "l0 thin")
        for value, one in known
        if not math.isnan(one.low)
    ]
    points = [marker(*axes.at(value, one.mean), 0, 4.5, f"{value:g}: {one.text()}") for value, one in known]
    path = line([axes.at(value, one.mean) for value, one in known], "l0")
    return joined(axes.drawn(setting, title), whiskers, path, points)
