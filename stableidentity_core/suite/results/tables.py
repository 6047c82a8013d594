"""Tables of an evaluation, as markdown and CSV."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterable, Sequence

from ...files.atomic import write_atomically
from ..add import added_methods
from ..folder import Folder, sha256_of
from ..spec import Suite
from ..work import rows_of
from .found import Found, people_of, titles_of

DIGITS = {"fid": 1}
FIRST = ("face_similarity", "rank_1", "clip_t", "prompt_accuracy", "clip_i", "face_diversity", "trusted_face_diversity")


def columns_of(found: Sequence[Found]) -> dict[str, str]:
    """{metric: title} in the order in which tables show them."""
    titles = titles_of(found)
    return {
        name: titles[name]
        for name in [*(name for name in FIRST if name in titles), *(name for name in titles if name not in FIRST)]
    }


def groups_of(found: Sequence[Found]) -> dict[str, list[Found]]:
    """The methods of each table."""
    groups: dict[str, list[Found]] = {}
    for each in found:
        groups.setdefault(each.spec.group, []).append(each)
    return groups


def markdown(found: Sequence[Found], people: int) -> str:
    """One line a method: means over people with 95 % intervals. A method with fewer people says so."""
    columns = columns_of(found)
    notes: dict[str, int] = {}
    lines = ["| method | people | " + " | ".join(columns.values()) + " |", "|" + "---|" * (len(columns) + 2)]
    for each in found:
        count = f"{len(each.people)}" if len(each.people) == people else f"**{len(each.people)} of {people}**"
        cells = [_cell(each, name, notes) for name in columns]
        lines.append(f"| {each.spec.name} | {count} | " + " | ".join(cells) + " |")
    foot = [f"\n{number}) {note}" for note, number in notes.items()]
    return "\n".join(lines) + "\n" + "".join(foot) + "\n" * bool(foot)


def _cell(each: Found, metric: str, notes: dict[str, int]) -> str:
    text, note = each.interval(metric).text(DIGITS.get(metric, 3)), each.note(metric)
    return f"{text} {notes.setdefault(note, len(notes) + 1)})" if text and note else text


def write_tables(folder: Folder, suite: Suite, found: Sequence[Found]) -> None:
    """NAME.md and NAME.csv of each group of methods, pictures.csv and pairs.csv.gz."""
    people = people_of(found)
    for group, members in groups_of(found).items():
        write_atomically(folder.root / f"table-{group}.md", markdown(members, len(people)).encode())
        write_atomically(folder.root / f"table-{group}.csv", _csv(_table_rows(members)))
    write_atomically(folder.root / "people.csv", _csv(_people_rows(found)))
    write_atomically(folder.root / "pictures.csv", _csv(_picture_rows(folder, suite, found)))
    write_atomically(folder.root / "pairs.csv.gz", gzip.compress(_csv(_pair_rows(suite, found)), mtime=0))


def _table_rows(found: Sequence[Found]) -> Iterable[Sequence[object]]:
    yield "method", "people", "metric", "mean", "low", "high", "note"
    for each in found:
        for name in columns_of(found):
            one = each.interval(name)
            yield (
                each.spec.name,
                one.people,
                name,
                _number(one.mean),
                _number(one.low),
                _number(one.high),
                each.note(name),
            )


def _people_rows(found: Sequence[Found]) -> Iterable[Sequence[object]]:
    columns = columns_of(found)
    yield "method", "person", *columns
    for each in found:
        values = {name: each.values(name, each.people) for name in columns}
        for at, person in enumerate(each.people):
            yield each.spec.name, person, *(_number(values[name][at]) for name in columns)


def _picture_rows(folder: Folder, suite: Suite, found: Sequence[Found]) -> Iterable[Sequence[object]]:
    columns = [name for name in columns_of(found) if any(each.metrics.get(name, {}).get("pictures") for each in found)]
    bases = {
        spec.name: (spec.options.get("base", ""), spec.options.get("source", "")) for spec in added_methods(folder)
    }
    yield "method", "base", "source", "person", "prompt", "seed", "sha256", *columns
    for each in found:
        values = {name: each.pictures(name) for name in columns}
        for person in each.people:
            for at, (number, seed) in enumerate(rows_of(suite)):
                path = folder.picture(each.spec.name, person, number, seed)
                hashed = sha256_of(path) if path.is_file() else ""
                own = [_number(values[name][person][at]) if person in values[name] else "" for name in columns]
                yield (
                    each.spec.name,
                    *bases.get(each.spec.name, ("suite", "suite")),
                    person,
                    number + 1,
                    seed,
                    hashed,
                    *own,
                )


def _pair_rows(suite: Suite, found: Sequence[Found]) -> Iterable[Sequence[object]]:
    """Values of pairs of pictures of one person, for metrics that have them."""
    rows = rows_of(suite)
    yield "method", "person", "metric", "prompt_a", "seed_a", "prompt_b", "seed_b", "value"
    for each in found:
        for name, one in each.metrics.items():
            for person, values in zip(each.people, one.get("pairs") or [], strict=False):
                for (a, b), value in zip(_pairs(len(rows)), values, strict=True):
                    yield (
                        each.spec.name,
                        person,
                        name,
                        rows[a][0] + 1,
                        rows[a][1],
                        rows[b][0] + 1,
                        rows[b][1],
                        _number(value),
                    )


def _pairs(count: int) -> Iterable[tuple[int, int]]:
    return ((a, b) for a in range(count) for b in range(a + 1, count))


def _number(value: float | None) -> str:
    return "" if value is None or value != value else f"{value:.6f}"


def _csv(rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
