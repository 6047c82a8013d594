"""What the page's script shows: the pictures and values of a chosen person, or of a chosen prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...folder import Folder
from ...spec import Suite, as_sentence
from ...work import rows_of
from ..found import Found
from ..tables import DIGITS, columns_of
from .html import Markup, data, element, section
from .pictures import SMALL, Pictures
from .tables import origin

INSIDE = 1500  # pictures at most


def chooser(folder: Folder, suite: Suite, found: Sequence[Found], people: Sequence[str], pictures: Pictures) -> Markup:
    """The section that the script fills, and what it is filled with."""
    inside = people_inside(suite, found, people)
    form = element(
        "form",
        _choice("Person", "person", [("", "Everybody"), *((person, person) for person in people)]),
        _choice("Prompt", "prompt", [("", "All prompts"), *_prompts(suite)]),
        element("button", "Previous", type="button", id="previous"),
        element("button", "Next", type="button", id="next"),
        class_="chooser",
    )
    off = element(
        "noscript", element("p", "To choose people and prompts, the browser must run scripts. Values: people.csv.")
    )
    lead = (
        f"{_where(len(inside), len(people))} A click opens a picture in full size, from the folder methods beside it."
    )
    content = data(_content(folder, suite, found, people, inside, pictures), "content")
    filled = element("div", id="chosen")
    return section("people", "People and prompts", element("p", lead), off, form, filled, content)


def people_inside(suite: Suite, found: Sequence[Found], people: Sequence[str]) -> list[str]:
    """The first people, whose pictures are part of the file."""
    return list(people[: INSIDE // max(1, suite.pictures * len(found))])


def _where(inside: int, people: int) -> str:
    if inside >= people:
        return "Small copies of all pictures are part of this file."
    of = f"of the first {inside} of {people} people" if inside else "of no person"
    return (
        f"Small copies of the pictures {of} are part of this file; the others are read from "
        "their files, so keep this file where it is."
    )


def _prompts(suite: Suite) -> list[tuple[str, str]]:
    return [(str(number), as_sentence(prompt, "…")) for number, prompt in enumerate(suite.prompts)]


def _choice(title: str, name: str, options: Sequence[tuple[str, str]]) -> Markup:
    listed = [element("option", text, value=value) for value, text in options]
    return element("label", title, element("select", listed, id=name, name=name))


def _content(
    folder: Folder,
    suite: Suite,
    found: Sequence[Found],
    people: Sequence[str],
    inside: Sequence[str],
    pictures: Pictures,
) -> dict[str, Any]:
    columns = columns_of(found)
    return {
        "people": [
            {
                "name": person,
                "photo": pictures.inside(folder.photo(person), SMALL),
                "whole": pictures.beside(folder.photo(person)),
            }
            for person in people
        ],
        "rows": [{"prompt": number, "seed": seed} for number, seed in rows_of(suite)],
        "prompts": [as_sentence(prompt, "…") for prompt in suite.prompts],
        "seeds": len(suite.sampling.seeds),
        "metrics": [{"title": title, "digits": DIGITS.get(name, 3)} for name, title in columns.items()],
        "methods": [_method(folder, suite, each, people, inside, pictures, list(columns)) for each in found],
    }


def _method(
    folder: Folder,
    suite: Suite,
    each: Found,
    people: Sequence[str],
    inside: Sequence[str],
    pictures: Pictures,
    metrics: Sequence[str],
) -> dict[str, Any]:
    name, known = each.spec.name, set(each.people)
    single = {metric: each.pictures(metric) for metric in metrics}
    return {
        "name": name,
        "added": origin(each.spec),
        "measured": [person in known for person in people],
        "values": [_rounded(each.values(metric, people)) for metric in metrics],
        "single": [
            [_rounded(single[metric].get(person) or []) for person in people] if single[metric] else None
            for metric in metrics
        ],
        "folders": [pictures.beside(folder.pictures(name, person)) for person in people],
        "inside": [
            [pictures.inside(folder.picture(name, person, *row), SMALL) for row in rows_of(suite)]
            if person in known
            else []
            for person in inside
        ],
    }


def _rounded(values: Sequence[float | None]) -> list[float | None]:
    return [None if value is None or value != value else round(value, 4) for value in values]
