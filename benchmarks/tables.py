"""Results of a benchmark in one JSON file, and the tables and plots made of them."""

from __future__ import annotations

import hashlib
import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mini_world.weights import FILE
from stableidentity_core.files.atomic import write_atomically

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


@dataclass(frozen=True, eq=False)
class Part:
    """Rows that were measured under the same conditions, such as the number of people."""

    conditions: Row
    rows: dict[str, Row] = field(default_factory=dict)  # by name

    @property
    def title(self) -> str:
        """The conditions in words; of weights, which have a hash, the beginning."""
        return ", ".join(_in_words(key, value) for key, value in self.conditions.items())


def _in_words(condition: str, value: Any) -> str:
    match condition:
        case "people":
            return f"{value} people"
        case "weights":
            return f"weights {value[:8]}"
        case _:
            return f"{condition.replace('_', ' ')} {value}"


class Results:
    """Rows kept in a JSON file; those of other weights, numbers of people and so on stand there too, but do not count.

    The file is written whole after each row, so that an interrupted run can be resumed.
    """

    def __init__(self, path: Path, conditions: Row):
        self.path = path
        self.conditions = conditions

    def has(self, name: str) -> bool:
        return name in self._own(self.parts()).rows

    def rows(self) -> list[Row]:
        return list(self._own(self.parts()).rows.values())

    def measure(self, name: str, work: Callable[[], Row]) -> None:
        """Do the work, keep its row and print its figures, unless the row is there."""
        if not self.has(name):
            row = work()
            self.put(name, row)
            print(_line(row), flush=True)

    def put(self, name: str, row: Row) -> None:
        """Write a row, in place of an earlier one of this name and these conditions."""
        parts = self.parts()  # read anew: another process may have written rows of its own
        own = self._own(parts)
        own.rows[name] = row
        write_atomically(self.path, _text([*parts, *([] if own in parts else [own])]).encode())

    def parts(self) -> list[Part]:
        """All rows there are, by their conditions."""
        if not self.path.exists():
            return []
        return [Part(**part) for part in json.loads(self.path.read_text("utf-8"))]

    def _own(self, parts: Sequence[Part]) -> Part:
        return next((part for part in parts if part.conditions == self.conditions), Part(self.conditions))


def _text(parts: Sequence[Part]) -> str:
    """JSON with a row on each line, so that a version control shows which rows are new."""
    return "[\n" + ",\n".join(_part_text(part) for part in parts) + "\n]\n"


def _part_text(part: Part) -> str:
    rows = ",\n".join(f"{json.dumps(name)}: {json.dumps(row)}" for name, row in part.rows.items())
    return f'{{"conditions": {json.dumps(part.conditions)}, "rows": {{\n{rows}\n}}}}'


def _line(row: Row) -> str:
    figures = ", ".join(f"{title} {row[key]:.3f}" for key, title in COLUMNS.items())
    return f"{row['title']}, seed {row['seed']}: {figures}"


def grouped(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Rows by setting, the references first."""
    groups: dict[str, list[Row]] = {name: [] for name in REFERENCES}
    for row in rows:
        groups.setdefault(row["setting"], []).append(row)
    return {name: group for name, group in groups.items() if group}


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


def markdown(rows: Sequence[Row], base: str = "paper") -> str:
    """One line per setting: means with standard errors over people, similarity and prompts against the base setting
    person by person, range of word values, number of seeds."""
    groups = grouped(rows)
    against = [f"{COLUMNS[key]} against {groups[base][0]['title'] if base in groups else base}" for key in COMPARED]
    heads = ["setting", *COLUMNS.values(), *against, "values", "computed in", "seeds"]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for name, group in groups.items():
        cells = ["{:.3f} ± {:.3f}".format(*with_error(group, key)) for key in COLUMNS]
        seeds = [{row["seed"] for row in one} for one in (group, groups.get(base, []))]
        comparable = seeds[0] & seeds[1] and name not in (*REFERENCES, base)
        cells += [
            "{:+.3f} ± {:.3f}".format(*difference(group, groups[base], key)) if comparable else "" for key in COMPARED
        ]
        low = min(row["value_range"][0] for row in group)
        high = max(row["value_range"][1] for row in group)
        types = " and ".join(sorted({row["computed_in"] for row in group}))
        cells += [f"{low:.2f} .. {high:.2f}", types, str(len(group))]
        lines.append(f"| {group[0]['title']} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def write_sections(path: Path, parts: Sequence[Part], table: Callable[[Part], str]) -> None:
    """A Markdown file beside the results, with a section for each set of conditions."""
    text = "\n".join(f"## {part.title}\n\n{table(part)}" for part in parts)
    write_atomically(path.with_suffix(".md"), text.encode())


def write_tables(results: Results, base: str = "paper", beside: Sequence[Part] = ()) -> None:
    """Tables and, with matplotlib, a plot of similarity and prompt accuracy, beside the results.

    Args:
        beside: rows of another benchmark, shown above those of the same conditions.
    """
    parts = [_joined(part, beside) for part in results.parts()]
    write_sections(results.path, parts, lambda part: markdown(list(part.rows.values()), base))
    _plot(results.path.with_suffix(".png"), parts)


def _joined(part: Part, beside: Sequence[Part]) -> Part:
    others = {name: row for other in beside if other.conditions == part.conditions for name, row in other.rows.items()}
    return Part(part.conditions, others | part.rows)


def parts_of(path: Path, settings: Sequence[str]) -> list[Part]:
    """The rows of these settings in another benchmark's results."""
    return [
        Part(part.conditions, {name: row for name, row in part.rows.items() if row["setting"] in settings})
        for part in Results(path, {}).parts()
    ]


def _plot(path: Path, parts: Sequence[Part]) -> None:
    """Similarity and prompt accuracy with standard errors, a line per setting, the most similar above."""
    from matplotlib.figure import Figure

    shown = [
        sorted(
            (group for name, group in grouped(list(part.rows.values())).items() if name != "others"),  # far below all
            key=lambda group: with_error(group, COMPARED[0])[0],
        )
        for part in parts
    ]
    heights = [1.2 + 0.32 * len(groups) for groups in shown]
    figure = Figure(figsize=(10, 0.3 + sum(heights)), layout="constrained")
    panels = figure.subplots(len(parts), len(COMPARED), sharey="row", squeeze=False, height_ratios=heights)
    for part, groups, row in zip(parts, shown, panels, strict=True):
        for axes, key in zip(row, COMPARED, strict=True):
            values, errors = zip(*(with_error(group, key) for group in groups), strict=True)
            axes.errorbar(values, range(len(groups)), xerr=errors, fmt="o", capsize=2)
            axes.set(xlabel=COLUMNS[key])
            axes.locator_params(axis="x", nbins=5)  # more do not fit beside each other
            axes.grid(alpha=0.3)
        row[0].set_yticks(range(len(groups)), [group[0]["title"] for group in groups])
        row[0].set_title(part.title, loc="left", fontsize=9)
    figure.suptitle("Mini world: drawn people, standard errors over people")
    figure.savefig(path, dpi=110)
