"""The report of an evaluation: one HTML file that needs no server and no other host."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .... import __version__
from ....files.atomic import write_atomically
from ...failures import read_failures
from ...folder import Folder
from ...spec import Suite
from ...world import read_world
from ..found import Found, people_of
from .chooser import chooser
from .curve import curves
from .extremes import extremes
from .html import Markup, element, joined
from .name_map import name_map
from .pictures import Pictures
from .remarks import limits, missing
from .setup import setup, times
from .tables import results

NAME = "report.html"
TITLES = {
    "missing": "Missing",
    "results": "Results",
    "curves": "Curves",
    "extremes": "Best and worst",
    "people": "People",
    "map": "Map",
    "setup": "What was run",
    "times": "Times",
    "limits": "Limits",
}


def write_report(folder: Folder, suite: Suite, found: Sequence[Found]) -> Path:
    """Write the report into the folder of the evaluation; needs no model, and no file from elsewhere.

    Raises:
        StableIdentityError: it cannot be written.
    """
    path = folder.root / NAME
    write_atomically(path, page(folder, suite, found).encode())
    return path


def page(folder: Folder, suite: Suite, found: Sequence[Found]) -> str:
    """The whole page. Equal results give equal text, but for the section of times."""
    world, pictures = read_world(folder), Pictures(folder)
    people = list(dict.fromkeys([*world.people, *people_of(found)]))
    sections = {
        "missing": missing(suite, found, people, read_failures(folder)),
        "results": results(found, people),
        "curves": curves(found),
        "extremes": extremes(folder, suite, found, pictures),
        "people": chooser(folder, suite, found, people, pictures),
        "map": name_map(folder, found),
        "setup": setup(suite, world, found),
        "times": times(found),
        "limits": limits(suite, found, people),
    }
    shown = {name: content for name, content in sections.items() if content}
    links = [element("a", TITLES[name], href=f"#{name}") for name in shown]
    skip = element("a", "Skip to the results", href="#results", class_="skip")
    header = element("header", element("h1", suite.title), _lead(suite, found, people))
    footer = element("footer", element("p", f"Written by StableIdentity {__version__}."))
    return document(
        suite.title,
        joined(
            skip, header, element("nav", links, aria_label="Sections"), element("main", list(shown.values())), footer
        ),
    )


def _lead(suite: Suite, found: Sequence[Found], people: Sequence[str]) -> Markup:
    made = sum(len(each.people) for each in found) * suite.pictures
    counts = [
        _counted(len(people), "person", "people"),
        _counted(len(suite.prompts), "prompt", "prompts"),
        _counted(len(suite.sampling.seeds), "seed", "seeds"),
        _counted(len(found), "method", "methods"),
        _counted(made, "picture", "pictures"),
    ]
    note = element("p", suite.note) if suite.note else None
    return joined(note, element("p", " · ".join(counts), class_="counts"))


def _counted(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def document(title: str, body: Markup) -> str:
    """A page with the style and the script of reports."""
    style, script = (_read(name) for name in ("page.css", "page.js"))
    head = [
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        # Nothing from elsewhere, whatever is in the names.
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("title", title),
        element("style", Markup(style)),
    ]
    parts = joined(element("head", head), element("body", body, element("script", Markup(script))))
    return f"<!doctype html>\n{element('html', parts, lang='en')}\n"


POLICY = "default-src 'none'; img-src 'self' data: file:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def _read(name: str) -> str:
    return Path(__file__).with_name(name).read_text("utf-8")
