"""The best, the median and the worst pictures of each method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from ...folder import Folder
from ...spec import Suite, as_sentence
from ...work import rows_of
from ..found import Found, titles_of
from ..tables import columns_of
from .html import Markup, element, joined, section
from .pictures import Pictures
from .tables import method_name, number

EACH = 2  # pictures of each kind at most
KINDS = ("Best", "Median", "Worst")


@dataclass(frozen=True)
class Chosen:
    """One picture: of a person, at a place among the person's pictures, with what it was chosen by."""

    value: float
    person: str
    row: int


def extremes(folder: Folder, suite: Suite, found: Sequence[Found], pictures: Pictures) -> Markup | None:
    """By face similarity, or by the first metric where there is none; None where nothing is measured of anybody."""
    metric = "face_similarity" if "face_similarity" in titles_of(found) else next(iter(columns_of(found)), None)
    picked = [(each, candidates(each, metric)) for each in found] if metric else []
    if not metric or not any(values for _, values in picked):
        return None
    single = any(each.pictures(metric) for each in found)
    lead = (
        f"By {titles_of(found)[metric]}, the photo on the left; at most one picture of each person."
        if single
        else f"The first pictures of people by their mean {titles_of(found)[metric]}, the photo on the left."
    )
    parts = [_method(folder, suite, each, values, pictures) for each, values in picked if values]
    return section("extremes", "Best, median and worst pictures", element("p", lead), parts)


def candidates(each: Found, metric: str) -> list[Chosen]:
    """All pictures with a value, the best first; the first picture of each person where only people have values."""
    found = [
        Chosen(value, person, row)
        for person, values in each.pictures(metric).items()
        for row, value in enumerate(values)
        if value is not None
    ]
    if not found:
        values = each.values(metric, each.people)
        found = [Chosen(one, person, 0) for person, one in zip(each.people, values, strict=True) if one is not None]
    return sorted(found, key=lambda one: (-one.value, one.person, one.row))


def picked(values: Sequence[Chosen]) -> list[list[Chosen]]:
    """Best, median and worst; no picture stands in two of them, so that of few some are empty."""
    each, middle = max(1, min(EACH, len(values) // 3)), len(values) // 2
    from_middle = [values[at] for at in sorted(range(len(values)), key=lambda at: abs(at - middle))]
    best = _different_people(values, each)
    worst = _different_people([one for one in values[::-1] if one not in best], each)
    median = _different_people([one for one in from_middle if one not in best and one not in worst], each)
    return [best, median, worst]


def _different_people(order: Sequence[Chosen], most: int) -> list[Chosen]:
    first: dict[str, Chosen] = {}
    for one in order:
        first.setdefault(one.person, one)
        if len(first) == most:
            break
    return list(first.values())


def _method(folder: Folder, suite: Suite, each: Found, values: Sequence[Chosen], pictures: Pictures) -> Markup:
    groups = [
        element("div", element("h4", kind), [_pair(folder, suite, each, one, pictures) for one in chosen])
        for kind, chosen in zip(KINDS, picked(values), strict=True)
        if chosen
    ]
    return joined(element("h3", method_name(each)), element("div", groups, class_="extremes"))


def _pair(folder: Folder, suite: Suite, each: Found, one: Chosen, pictures: Pictures) -> Markup:
    at, seed = rows_of(suite)[one.row]
    prompt = as_sentence(suite.prompts[at], "…")
    about = f"{one.person} by {each.spec.name}: {prompt}"
    photo = pictures.shown(folder.photo(one.person), f"Photo of {one.person}")
    made = pictures.shown(folder.picture(each.spec.name, one.person, at, seed), about)
    link = element("a", one.person, href=f"#person={quote(one.person, safe='')}")
    said = element("figcaption", element("b", number(one.value, 3)), " ", link, element("br"), prompt)
    return element("figure", element("div", photo, made, class_="pair"), said)
