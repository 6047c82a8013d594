"""The tables of the page: means with intervals, and differences from the first method of each table."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...spec import MethodSpec
from ..bootstrap import Interval, difference
from ..found import Found
from ..tables import DIGITS, columns_of, groups_of
from .columns import arrow, meaning
from .html import Markup, Part, element, joined, section, table
from .tradeoff import tradeoff


def results(found: Sequence[Found], people: Sequence[str]) -> Markup:
    groups = groups_of(found)
    parts = [_group(name, members, people, alone=len(groups) == 1) for name, members in groups.items()]
    lead = (
        "Each value is a mean over people, with its 95 % bootstrap interval below (people drawn anew 2,000 times). "
        "Arrows show which direction is better."
    )
    return section("results", "Results", element("p", lead), parts, _meanings(found))


def _group(name: str, found: Sequence[Found], people: Sequence[str], *, alone: bool) -> Markup:
    return joined(
        None if alone and name == "methods" else element("h3", name),
        _means(name, found, people),
        tradeoff(found),
        _differences(found, people) if len(found) > 1 else None,
    )


def method_name(each: Found) -> Markup:
    added = origin(each.spec)
    return joined(element("span", each.spec.name), " ", element("small", added, class_="added") if added else None)


def origin(spec: MethodSpec) -> str:
    """The base and the program of pictures that were made elsewhere; "" for those of the suite."""
    known = [str(spec.options.get(key, "")) for key in ("base", "source")]
    return ", ".join(filter(None, ["added", *known])) if spec.kind == "added" else ""


def _means(group: str, found: Sequence[Found], people: Sequence[str]) -> Markup:
    columns, notes = columns_of(found), dict[str, int]()
    head = ["Method", "People", *(f"{title}{arrow(metric)}" for metric, title in columns.items())]
    rows = [
        [method_name(each), _count(each, people), *(_mean(each, metric, notes) for metric in columns)] for each in found
    ]
    said = [element("li", f"{number}) {note}") for note, number in notes.items()]
    return joined(
        table(head, rows, caption=f"Means over people: {group}"), element("ul", said, class_="notes") if said else None
    )


def _count(each: Found, people: Sequence[str]) -> Part:
    if len(each.people) == len(people):
        return str(len(people))
    return element("strong", f"{len(each.people)} of {len(people)}")


def _mean(each: Found, metric: str, notes: dict[str, int]) -> Part:
    one, note = each.interval(metric), each.note(metric)
    if math.isnan(one.mean):
        return "–"
    mark = element("sup", f"{notes.setdefault(note, len(notes) + 1)})") if note else None
    return joined(_with_interval(one, DIGITS.get(metric, 3)), mark)


def _with_interval(one: Interval, digits: int, sign: str = "") -> Markup:
    mean, low, high = (number(value, digits, sign) for value in (one.mean, one.low, one.high))
    interval = None if math.isnan(one.low) else element("small", f"{low} to {high}")
    return joined(element("span", mean, class_="value"), interval)


def number(value: float, digits: int, sign: str = "") -> str:
    """With a real minus, and without one before zero."""
    return f"{round(value, digits) + 0.0:{sign}.{digits}f}".replace("-", "−")


def _differences(found: Sequence[Found], people: Sequence[str]) -> Markup | None:
    first, *others = found
    columns = {name: title for name, title in columns_of(found).items() if _by_person(first, name)}
    if not columns:
        return None
    head = ["Method", *(f"{title}{arrow(metric)}" for metric, title in columns.items())]
    rows = [[method_name(each), *(_difference(each, first, name, people) for name in columns)] for each in others]
    lead = (
        f"Difference from {first.spec.name}, person by person. It separates methods better than the intervals of their "
        "means, since people differ more than methods do. Bold: the interval excludes 0."
    )
    return joined(element("p", lead), table(head, rows, caption=f"Differences from {first.spec.name}"))


def _by_person(each: Found, metric: str) -> bool:
    return each.metrics.get(metric, {}).get("people") is not None


def _difference(each: Found, first: Found, metric: str, people: Sequence[str]) -> Part:
    one = difference(each.values(metric, people), first.values(metric, people))
    if math.isnan(one.mean):
        return "–"
    text = _with_interval(one, DIGITS.get(metric, 3), "+")
    return element("strong", text) if one.low > 0 or one.high < 0 else text


def _meanings(found: Sequence[Found]) -> Markup | None:
    known = [(title, told) for metric, title in columns_of(found).items() if (told := meaning(metric))]
    lines = [(element("dt", title), element("dd", f"{text}.")) for title, (_better, text) in known]
    if not lines:
        return None
    return element("details", element("summary", "What the columns mean"), element("dl", *lines), class_="meanings")
