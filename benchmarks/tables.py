"""Results on disk, one file per run, and the tables made of them."""

from __future__ import annotations

import hashlib
import json
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from stableidentity_core.demo.weights import FILE

Row = dict[str, Any]
COLUMNS = {
    "face_similarity": "face similarity",
    "rank_1": "rank-1 of 200",
    "prompt_accuracy": "prompt accuracy",
    "trusted_face_diversity": "trusted face diversity",
}


def weights_hash() -> str:
    """SHA-256 of the mini world that is measured; results of other weights do not mix."""
    return hashlib.sha256(FILE.read_bytes()).hexdigest()


class Results:
    """Rows kept in a folder as JSON; only those of the same weights and number of people count."""

    def __init__(self, folder: Path, conditions: Row):
        self.folder = folder
        self.conditions = conditions
        self._last: list[Row] = []

    def has(self, name: str) -> bool:
        return bool(self._read(name))

    def once(self, name: str, work: Callable[[], list[Row]]) -> None:
        """Do the work unless its result is there."""
        if not self.has(name):
            self._last = work()
            text = json.dumps({**self.conditions, "rows": self._last}, indent=1)
            (self.folder / f"{name}.json").write_text(text + "\n", "utf-8")

    def rows(self) -> list[Row]:
        return [row for path in sorted(self.folder.glob("*.json")) for row in self._read(path.stem)]

    def last_line(self) -> str:
        return "; ".join(
            f"{row['title']}, seed {row['seed']}: " + ", ".join(f"{COLUMNS[key]} {row[key]:.3f}" for key in COLUMNS)
            for row in self._last
        )

    def _read(self, name: str) -> list[Row]:
        path = self.folder / f"{name}.json"
        if not path.exists():
            return []
        content = json.loads(path.read_text("utf-8"))
        return content["rows"] if all(content.get(key) == value for key, value in self.conditions.items()) else []


def grouped(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Rows by setting."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row["setting"], []).append(row)
    return groups


def with_error(rows: Sequence[Row], key: str) -> tuple[float, float]:
    """Mean over people and seeds, and its standard error over people (each person's mean over the seeds)."""
    per_person = [statistics.fmean(values) for values in zip(*(row["per_person"][key] for row in rows), strict=True)]
    error = statistics.stdev(per_person) / len(per_person) ** 0.5 if len(per_person) > 1 else 0.0
    return statistics.fmean(per_person), error


def markdown(rows: Sequence[Row], order: Sequence[str]) -> str:
    """One line per setting: means with standard errors over people, number of seeds, range of word values."""
    groups = grouped(rows)
    lines = [
        "| setting | " + " | ".join(COLUMNS.values()) + " | values | seeds |",
        "|---|" + "---|" * (len(COLUMNS) + 2),
    ]
    for name in [*(name for name in order if name in groups)]:
        group = groups[name]
        cells = ["{:.3f} ± {:.3f}".format(*with_error(group, key)) for key in COLUMNS]
        low = min(row["value_range"][0] for row in group)
        high = max(row["value_range"][1] for row in group)
        lines.append(f"| {group[0]['title']} | " + " | ".join(cells) + f" | {low:.2f} .. {high:.2f} | {len(group)} |")
    return "\n".join(lines) + "\n"


def write_tables(folder: Path, rows: Sequence[Row]) -> None:
    """table.md and, with matplotlib, a plot of similarity against prompt accuracy."""
    order = list(dict.fromkeys(["true", "vae", "named", "others", *(row["setting"] for row in rows)]))
    (folder / "table.md").write_text(markdown(rows, order), "utf-8")
    _plot(folder / "similarity_and_prompts.png", grouped(rows))


def _plot(path: Path, groups: dict[str, list[Row]]) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 6), layout="constrained")
    axes = figure.add_subplot()
    for name, group in groups.items():
        if name == "others":
            continue
        (x, dx), (y, dy) = with_error(group, "prompt_accuracy"), with_error(group, "face_similarity")
        axes.errorbar(x, y, xerr=dx, yerr=dy, fmt="o", capsize=2)
        axes.annotate(group[0]["title"], (x, y), textcoords="offset points", xytext=(6, 4), fontsize=8)
    axes.set(xlabel="prompt accuracy", ylabel="face similarity", title="Mini world: drawn people, standard errors")
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110)
