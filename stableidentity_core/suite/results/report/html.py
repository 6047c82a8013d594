"""HTML from Python: texts are escaped, elements are not escaped twice."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any
from urllib.parse import quote

Part = str | None  # None is left out
VOID = {"br", "img", "input", "meta"}
DRAWN = {"circle", "line", "polygon", "polyline", "rect"}  # of SVG


class Markup(str):
    """Finished HTML or SVG; every other text is escaped."""


def element(tag: str, /, *parts: Part | Iterable[Part], **attributes: Any) -> Markup:
    """An element. `class_` is the attribute class, `aria_label` aria-label; None and False leave an attribute out."""
    given = {key: value for key, value in attributes.items() if value is not None and value is not False}
    written = "".join(_attribute(key, value) for key, value in given.items())
    inner = joined(*parts)
    if tag in VOID:
        return Markup(f"<{tag}{written}>")
    if tag in DRAWN and not inner:
        return Markup(f"<{tag}{written}/>")
    return Markup(f"<{tag}{written}>{inner}</{tag}>")


def joined(*parts: Part | Iterable[Part]) -> Markup:
    texts: list[str] = []
    for part in parts:
        if part is None:
            continue
        if isinstance(part, str):
            texts.append(part if isinstance(part, Markup) else escape(part))
        else:
            texts.append(joined(*part))
    return Markup("".join(texts))


def _attribute(name: str, value: Any) -> str:
    name = name.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escape(str(value))}"'


def section(anchor: str, title: str, *parts: Part | Iterable[Part]) -> Markup:
    heading = element("h2", title, id=f"{anchor}-title")
    return element("section", heading, *parts, id=anchor, aria_labelledby=f"{anchor}-title")


def table(
    head: Sequence[Part], rows: Iterable[Sequence[Part]], *, caption: str, number: bool = True, class_: str = ""
) -> Markup:
    """A table whose first column names its rows, in a box that scrolls where it is too wide.

    Args:
        number: whether the other columns are numbers.
    """
    heads = element("tr", (element("th", cell, scope="col") for cell in head))
    lines = (
        element("tr", element("th", first, scope="row"), (element("td", cell) for cell in rest))
        for first, *rest in rows
    )
    classes = " ".join(filter(None, ["figures" if number else "words", class_]))
    inner = element(
        "table", element("caption", caption), element("thead", heads), element("tbody", lines), class_=classes
    )
    return scrolling(inner, caption)


def scrolling(inner: Markup, label: str) -> Markup:
    """A box that the keyboard can scroll too."""
    return element("div", inner, class_="scroll", tabindex="0", role="region", aria_label=label)


def address(path: str) -> str:
    """A relative path, with `/`, as an address; never that of another host."""
    return "./" + quote(path)


def data(content: Any, name: str) -> Markup:
    """JSON for the page's script, which no text in it can end."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    text = text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return Markup(f'<script type="application/json" id="{name}">{text}</script>')
