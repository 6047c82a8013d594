"""Results on disk, one file per run, and the tables made of them."""

from __future__ import annotations

import hashlib
import json
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mini_world.weights import FILE

Row = dict[str, Any]
COLUMNS = {
    "face_similarity": "face similarity",
    "rank_1": "rank-1 of 200",
    "prompt_accuracy": "prompt accuracy",
    "trusted_face_diversity": "trusted face diversity",
}
COMPARED = ("face_similarity", "prompt_accuracy")
REFERENCES = ("true", "vae", "named", "others")


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
    return _mean_and_error(_per_person(rows, key))


def difference(rows: Sequence[Row], base: Sequence[Row], key: str) -> tuple[float, float]:
    """Mean over people of their distance from themselves in another setting, over the seeds both have, and its
    standard error: what people have in common, which most of a mean's error is, drops out."""
    seeds = {row["seed"] for row in rows} & {row["seed"] for row in base}
    ours, theirs = (_per_person([row for row in group if row["seed"] in seeds], key) for group in (rows, base))
    return _mean_and_error([one - other for one, other in zip(ours, theirs, strict=True)])


def _per_person(rows: Sequence[Row], key: str) -> list[float]:
    return [statistics.fmean(values) for values in zip(*(row["per_person"][key] for row in rows), strict=True)]


def _mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return statistics.fmean(values), error


def markdown(rows: Sequence[Row], order: Sequence[str], base: str = "paper") -> str:
    """One line per setting: means with standard errors over people, similarity and prompts against the base setting
    person by person, range of word values, number of seeds."""
    groups = grouped(rows)
    against = [f"{COLUMNS[key]} against {base}" for key in COMPARED]
    heads = ["setting", *COLUMNS.values(), *against, "values", "computed in", "seeds"]
    if base not in groups:
        print(f"No rows of {base!r} yet, so nothing is held against it")
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for name in [*(name for name in order if name in groups)]:
        group = groups[name]
        cells = ["{:.3f} ± {:.3f}".format(*with_error(group, key)) for key in COLUMNS]
        comparable = base in groups and name not in (*REFERENCES, base)
        cells += [
            "{:+.3f} ± {:.3f}".format(*difference(group, groups[base], key)) if comparable else "" for key in COMPARED
        ]
        low = min(row["value_range"][0] for row in group)
        high = max(row["value_range"][1] for row in group)
        types = " and ".join(sorted({row.get("computed_in", "bf16") for row in group}))  # older rows do not say it
        cells += [f"{low:.2f} .. {high:.2f}", types, str(len(group))]
        lines.append(f"| {group[0]['title']} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def write_tables(folder: Path, rows: Sequence[Row], base: str = "paper") -> None:
    """table.md and, with matplotlib, a plot of similarity and prompt accuracy."""
    order = list(dict.fromkeys([*REFERENCES, *(row["setting"] for row in rows)]))
    (folder / "table.md").write_text(markdown(rows, order, base), "utf-8")
    _plot(folder / "similarity_and_prompts.png", grouped(rows))


def _plot(path: Path, groups: dict[str, list[Row]]) -> None:
    """Similarity and prompt accuracy with standard errors, a line per setting, the best likeness above."""
    from matplotlib.figure import Figure

    shown = [group for name, group in groups.items() if name != "others"]  # far below all
    shown.sort(key=lambda group: with_error(group, COMPARED[0])[0])
    figure = Figure(figsize=(10, 1.5 + 0.32 * len(shown)), layout="constrained")
    panels = figure.subplots(1, len(COMPARED), sharey=True)
    for axes, key in zip(panels, COMPARED, strict=True):
        values, errors = zip(*(with_error(group, key) for group in shown), strict=True)
        axes.errorbar(values, range(len(shown)), xerr=errors, fmt="o", capsize=2)
        axes.set(xlabel=COLUMNS[key])
        axes.grid(alpha=0.3)
    panels[0].set_yticks(range(len(shown)), [group[0]["title"] for group in shown])
    figure.suptitle("Mini world: drawn people, standard errors over people")
    figure.savefig(path, dpi=110)
