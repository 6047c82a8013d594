"""Which colour is which method; a click hides its points."""

from __future__ import annotations

from collections.abc import Sequence

from .axes import marker
from .html import Markup, element


def legend(methods: Sequence[tuple[int, str]]) -> Markup:
    """Switches for the groups `.series.sN` of the same figure, by number and name."""
    return element("div", [_switch(number, name) for number, name in methods], class_="legend")


def _switch(number: int, name: str) -> Markup:
    box = element("input", type="checkbox", checked=True, data_series=number)
    sign = element("svg", marker(8, 8, number, 5), viewBox="0 0 16 16", aria_hidden="true", class_="sign")
    return element("label", box, sign, name)
