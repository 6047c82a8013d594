"""The tables of MODELS.md, generated from the table of weights.

`python -m stableidentity_core.weights.page MODELS.md` updates the page.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..errors import StableIdentityError
from ..files.atomic import write_atomically
from .table import WEIGHTS
from .weight import Weight

HASHES = "hashes"
_BLOCK = re.compile(r"(<!-- weights: (\w+) -->\n).*?(<!-- end of weights -->)", re.DOTALL)


def updated(page: str) -> str:
    """The page with each block `<!-- weights: SECTION -->` ... `<!-- end of weights -->` regenerated.

    Raises:
        StableIdentityError: the page and the table have different sections.
    """
    sections = {weight.section for weight in WEIGHTS.values()} | {HASHES}
    found = [match[2] for match in _BLOCK.finditer(page)]
    if sorted(found) != sorted(sections):
        raise StableIdentityError(f"The page has the blocks {found}, needed each of {sorted(sections)} once.")
    return _BLOCK.sub(lambda match: f"{match[1]}{block(match[2])}{match[3]}", page)


def block(section: str) -> str:
    """One section as a markdown table."""
    if section == HASHES:
        rows = ((f"`{w.name}`", f"`{w.sha256}`", w.hash_from or "–") for w in WEIGHTS.values() if w.sha256)
        return _table(("Name", "sha256", "Published by"), rows)
    columns = ("Name", "What", "File in `models/`", "Source", "Bytes", "Licence as tagged", "Note")
    return _table(columns, (_row(weight) for weight in WEIGHTS.values() if weight.section == section))


def _row(weight: Weight) -> tuple[str, ...]:
    size = f"{weight.bytes:,}" if weight.bytes is not None else f"about {weight.about}" if weight.about else "–"
    source = weight.source + (f", revision `{weight.revision}`" if weight.revision else "")
    file = f"`{weight.folder}/{weight.file}`"
    return f"`{weight.name}`", weight.purpose, file, source, size, weight.licence, weight.note


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return (
        "".join("| " + " | ".join(cells) + " |\n" for cells in lines)
        .replace("| --- |", "|---|")
        .replace(" --- |", "---|")
    )


def main(arguments: Sequence[str]) -> None:
    for path in map(Path, arguments):
        write_atomically(path, updated(path.read_text("utf-8")).encode())


if __name__ == "__main__":
    main(sys.argv[1:])
