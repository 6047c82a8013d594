"""The table, as JSON and as Markdown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from stableidentity_core.files.atomic import write_atomically

from .job import Done

HEAD = ["| part | what | measured | goal | goal met |", "|---|---|---|---|---|"]
SHORTENED = (
    "Shortened, with tiny networks and few steps: this says that the measurement works, and its figures say nothing "
    "about full size. Goals are not applied."
)


def write_report(folder: Path, about: dict[str, Any], done: Sequence[Done]) -> None:
    """`gpu.json` and `gpu.md` in the folder, whole, in place of those of an earlier run."""
    found = {"about": about, "jobs": [asdict(one) for one in done]}
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "gpu.json", (json.dumps(found, indent=1) + "\n").encode())
    write_atomically(folder / "gpu.md", markdown(found).encode())


def markdown(found: dict[str, Any]) -> str:
    """The table of what a JSON file holds."""
    about = found["about"]
    short = about.get("short")
    head = ["# Tried without a GPU", "", SHORTENED] if short else ["# Measured on a GPU"]
    facts = [f"- {name}: {_cell(str(value))}" for name, value in about.items() if name != "short" and value != ""]
    rows = [line for job in found["jobs"] for line in _lines(job)]
    return "\n".join([*head, "", *facts, "", *HEAD, *rows]) + "\n"


def _lines(job: dict[str, Any]) -> list[str]:
    lines = []
    for row in job["rows"]:
        measured = row["measured"] or f"**failed**: {row['reason']}"
        lines.append(_line(job["part"], row["what"], measured, row["goal"], _met(row["met"])))
    if job["state"] != "measured":
        lines.append(_line(job["part"], job["what"], f"**{job['state']}**: {job['reason']}", "", ""))
    return lines


def _line(*cells: str) -> str:
    return "| " + " | ".join(map(_cell, cells)) + " |"


def _met(met: bool | None) -> str:
    return "" if met is None else "yes" if met else "**no**"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
