"""The comparison as a folder: report.html, its tables, the photos and the pictures."""

from __future__ import annotations

from pathlib import Path

from ... import __version__
from ...files.atomic import write_atomically
from ..folder import Folder
from ..results.report.chooser import chooser
from ..results.report.extremes import extremes
from ..results.report.html import Markup, element, joined, section
from ..results.report.page import NAME, document
from ..results.report.pictures import Pictures
from ..results.report.remarks import limits, missing
from ..results.report.tables import results
from ..results.tables import write_tables
from ..spec import MethodSpec, Sampling, Suite, as_sentence
from ..work import png
from .comparison import Comparison

TITLES = {
    "missing": "Missing",
    "results": "Results",
    "extremes": "Best and worst",
    "people": "People",
    "setup": "What was measured",
    "limits": "Limits",
}


def write_comparison(comparison: Comparison, root: Path, title: str) -> Path:
    """Write everything into a folder; gives the path of report.html, which shows the pictures that lie beside it.

    Raises:
        StableIdentityError: something cannot be written.
    """
    folder, suite = Folder(root), _suite(comparison, title)
    for method, scores in comparison.rows:
        person = comparison.names[scores.face]
        write_atomically(folder.photo(person), png(scores.photo, {"person": person}))
        for number, (picture, prompt) in enumerate(zip(scores.pictures, scores.prompts, strict=True)):
            about = {"prompt": prompt, "method": method, "person": person}
            write_atomically(folder.picture(method, person, number, 1), png(picture.float() / 255, about))
    write_tables(folder, suite, comparison.found())
    write_atomically(root / NAME, page(comparison, folder, suite).encode())
    return root / NAME


def page(comparison: Comparison, folder: Folder, suite: Suite) -> str:
    """The whole page; the pictures must lie in the folder."""
    found, people, pictures = comparison.found(), comparison.people, Pictures(folder)
    sections = {
        "missing": missing(suite, found, people, {}),
        "results": results(found, people),
        "extremes": extremes(folder, suite, found, pictures),
        "people": chooser(folder, suite, found, people, pictures),
        "setup": _setup(comparison),
        "limits": limits(suite, found, people),
    }
    shown = {name: content for name, content in sections.items() if content}
    links = [element("a", TITLES[name], href=f"#{name}") for name in shown]
    counts = " · ".join(
        f"{count:,} {one if count == 1 else many}"
        for count, one, many in (
            (len(people), "person", "people"),
            (len(found), "method", "methods"),
            (sum(len(scores.prompts) for _, scores in comparison.rows), "picture", "pictures"),
        )
    )
    skip = element("a", "Skip to the results", href="#results", class_="skip")
    header = element("header", element("h1", suite.title), element("p", counts, class_="counts"))
    footer = element("footer", element("p", f"Written by StableIdentity {__version__}."))
    main = element("main", list(shown.values()))
    return document(suite.title, joined(skip, header, element("nav", links, aria_label="Sections"), main, footer))


def _suite(comparison: Comparison, title: str) -> Suite:
    """Each picture as a prompt of its own, since a prompt may have any number of pictures."""
    first = comparison.first
    return Suite(
        title=title,
        world="mini world" if first.drawn else "photos",
        prompts=first.prompts,
        methods=tuple(MethodSpec(name=name, kind="pictures") for name in comparison.methods),
        people=len(comparison.people),
        sampling=Sampling(size=first.pictures.shape[-1], seeds=(1,)),
    )


def _setup(comparison: Comparison) -> Markup:
    first = comparison.first
    notes = dict.fromkeys(note for _, scores in comparison.rows for note in scores.notes)
    facts = [("Measured by", ", ".join(first.networks)), *(("Note", note) for note in notes)]
    prompts = [element("li", as_sentence(prompt, "…")) for prompt in first.prompts]
    return section(
        "setup",
        TITLES["setup"],
        element("dl", [joined(element("dt", name), element("dd", text)) for name, text in facts]),
        element("details", element("summary", f"{len(prompts)} prompts, … is the person"), element("ol", prompts)),
    )
