"""What a campaign found: rows of one table, faults by their root causes, and the forms in which they are written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field

COLUMNS = ("part", "what", "tried", "refused", "accepted", "faults", "figures")


@dataclass
class Fault:
    """Something that must not happen; those of one root are one fault that happened several times."""

    kind: str  # "foreign exception", "half file", "left over", "hang", ...
    root: str  # what tells causes apart
    message: str
    reproduce: str = ""
    times: int = 1


@dataclass
class Row:
    part: str
    what: str
    tried: int = 0
    refused: int | None = None  # in the pack's own words
    accepted: int | None = None
    figures: str = ""
    missing: str = ""  # why it was not run
    faults: list[Fault] = field(default_factory=list)

    def blame(self, fault: Fault) -> Fault:
        """Add a fault, or count it once more."""
        known = next((one for one in self.faults if (one.kind, one.root) == (fault.kind, fault.root)), None)
        if known is None:
            self.faults.append(fault)
            return fault
        known.times += 1
        return known

    @property
    def happened(self) -> int:
        return sum(fault.times for fault in self.faults)

    @property
    def cells(self) -> tuple[str, ...]:
        counts = ("-" if count is None else f"{count:,}" for count in (self.refused, self.accepted))
        figures = f"NOT RUN: {self.missing}" if self.missing else self.figures
        return self.part, self.what, f"{self.tried:,}", *counts, f"{self.happened:,}", figures


def exit_code(rows: Iterable[Row]) -> int:
    """1 with any fault, else 0."""
    return int(any(row.faults for row in rows))


def plain(rows: Sequence[Row]) -> str:
    """The table for a terminal."""
    lines = [COLUMNS, *(row.cells for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(COLUMNS))]
    padded = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    return "\n".join(line.rstrip() for line in padded)


def markdown(rows: Sequence[Row]) -> str:
    lines = [COLUMNS, ("---",) * len(COLUMNS), *(row.cells for row in rows)]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


def faults_text(rows: Sequence[Row]) -> str:
    """Every fault with its count and how to see it again; empty without any."""
    return "\n".join(
        f"{row.part}, {row.what}: {fault.kind} ({fault.times} x) {fault.root}\n  {fault.message}\n  {fault.reproduce}"
        for row in rows
        for fault in row.faults
    )


def as_json(rows: Sequence[Row]) -> str:
    return json.dumps([asdict(row) for row in rows], indent=1, ensure_ascii=True) + "\n"


def written(rows: Sequence[Row], name: str) -> str:
    """The content of a file of that name: JSON, Markdown, or plain text."""
    if name.endswith(".json"):
        return as_json(rows)
    table = markdown(rows) if name.endswith(".md") else plain(rows)
    faults = faults_text(rows)
    return f"{table}\n" + (
        f"\n```\n{faults}\n```\n" if faults and name.endswith(".md") else f"\n{faults}\n" * bool(faults)
    )
