"""The answer as text."""

from __future__ import annotations

from .groups import CELEBRITIES, NEW, SCRAMBLED
from .result import NamesKnown, verdict

WORTH_TELLING = 0.05  # difference between names
WHAT = {
    CELEBRITIES: "names of the list",
    NEW: "a first name and a last name of different people",
    SCRAMBLED: "the same letters in another order",
}


def report(known: NamesKnown, recogniser: str) -> str:
    """The verdict, a table of the groups, and the names that the model knows best and least."""
    rows = ["| Names | What they are | Separation (95 %) | Faces found |", "| --- | --- | --- | --- |"]
    for title, group in known.groups.items():
        rows.append(f"| {title} | {WHAT[title]} | {group.separation.text(2) or 'none'} | {group.faces:.0%} |")
    lines = [verdict(known), "", *rows, "", *_ends(known)]
    lines.append(
        "Separation: how often two pictures of one name are more alike than one of them and a picture of another name; "
        f"0.5 is chance, 1 is one person for each name. {len(known.groups[CELEBRITIES].names)} names a group."
    )
    lines.append(f"Recogniser: {recogniser}")
    return "\n".join(lines)


def _ends(known: NamesKnown) -> list[str]:
    group = known.groups[CELEBRITIES]
    told = [(value, name) for value, name in zip(group.same_first, group.names, strict=True) if value is not None]
    if len(told) < 2 or max(told)[0] - min(told)[0] < WORTH_TELLING:
        return []
    shown = [f"{name} {value:.2f}" for value, name in sorted(told, reverse=True)]
    return [f"Known best: {', '.join(shown[:3])}. Least: {', '.join(shown[-3:])}."]
