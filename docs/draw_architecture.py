#!/usr/bin/env python3
"""Draws docs/architecture.svg from the imports: python3 docs/draw_architecture.py

A test fails while the picture in the repository is not the one that this script draws. Standard library only.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from itertools import combinations, pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "architecture.svg"
CORE = "stableidentity_core"
BASE = ("console", "files")  # that every package may use, beside the core's single modules
# The programs that use the core's packages, each with its colour.
DOORS = {"nodes": "#2f6f73", "nodes/host": "#7a9e3d", "mini_world": "#c98a1b", "cli": "#b3402e"}

Graph = dict[str, set[str]]  # package -> packages it uses

WIDTH, MARGIN, BOX, TALL, GAP, LANE = 1000, 30, 150, 56, 64, 40
TEXT, LINE, FILL, STROKE = "#33291d", "#8a6d45", "#f4f1ea", "#8a6d45"


def imported_names(path: Path, root: Path = ROOT) -> Iterator[str]:
    """Absolute dotted names of all imports in a file, also of those within functions; relative ones from `root`."""
    package = list(path.relative_to(root).parent.parts)
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            base = [*base, *(node.module.split(".") if node.module else [])]
            yield from (".".join([*base, alias.name]) for alias in node.names)


def package_of(name: str) -> str | None:
    """The package of a module: a package of the core, or a program; None for the base and for other packages."""
    top, *parts = name.split(".")
    if top == CORE and parts:
        package = (ROOT / CORE / parts[0] / "__init__.py").is_file()
        return parts[0] if package and parts[0] not in BASE else None
    if top == "nodes":
        return "nodes/host" if parts[:1] == ["host"] else "nodes"
    return top if top == "mini_world" else None


def read_packages() -> Graph:
    """All packages, each with those that it imports directly."""
    packages: Graph = defaultdict(set)
    for top in (CORE, "nodes", "mini_world"):
        for path in sorted((ROOT / top).rglob("*.py")):
            package = package_of(".".join(path.relative_to(ROOT).with_suffix("").parts))
            if package:
                packages[package] |= {used for name in imported_names(path) if (used := package_of(name))} - {package}
    return dict(packages)


def base_modules() -> list[str]:
    single = {path.stem for path in (ROOT / CORE).glob("*.py") if not path.stem.startswith("_")}
    return sorted(single | set(BASE))


def ranks_of(packages: Mapping[str, set[str]]) -> dict[str, int]:
    """0 for packages that use no other; each package lies above all that it uses."""

    def rank(package: str) -> int:
        return 1 + max((rank(used) for used in packages[package]), default=-1)

    return {package: rank(package) for package in packages}


def without_implied(packages: Mapping[str, set[str]]) -> Graph:
    """Without the arrows that follow from two others or more."""

    def reach(package: str) -> set[str]:
        return packages[package].union(*(reach(used) for used in packages[package]))

    return {
        package: {one for one in used if not any(one in reach(o) for o in used)} for package, used in packages.items()
    }


def layers(arrows: Graph, ranks: Mapping[str, int]) -> tuple[list[list[str]], list[list[str]]]:
    """Rows of packages, lowest first, and each arrow's stations, with a lane "a>b@1" in each row that it passes."""
    rows: list[list[str]] = [[] for _ in range(max(ranks.values()) + 1)]
    for package in sorted(ranks):
        rows[ranks[package]].append(package)
    paths = []
    for upper, lower in sorted((a, b) for a, used in arrows.items() for b in used):
        passed = [(rank, f"{upper}>{lower}@{rank}") for rank in range(ranks[upper] - 1, ranks[lower], -1)]
        for rank, lane in passed:
            rows[rank].append(lane)
        paths.append([upper, *(lane for _rank, lane in passed), lower])
    return _untangled(rows, paths), paths


def _untangled(rows: list[list[str]], paths: list[list[str]]) -> list[list[str]]:
    """Rows in an order with short arrows, and so with few crossings: stations change places while that helps."""

    def length() -> float:
        x = {name: middle for row in rows for name, middle in spread(row).items()}
        return sum(abs(x[one] - x[other]) for path in paths for one, other in pairwise(path))

    shortest, before = length(), float("inf")
    while shortest < before:
        before = shortest
        for row in rows:
            for one, other in combinations(range(len(row)), 2):
                row[one], row[other] = row[other], row[one]
                if length() < shortest - 0.01:
                    shortest = length()
                else:
                    row[one], row[other] = row[other], row[one]
    return rows


def spread(row: Iterable[str]) -> dict[str, float]:
    """Middles of boxes and lanes over the picture's width."""
    widths = {name: LANE if "@" in name else BOX for name in row}
    space = (WIDTH - 2 * MARGIN - sum(widths.values())) / len(widths)
    found, left = {}, float(MARGIN)
    for name, width in widths.items():
        found[name] = left + (width + space) / 2
        left += width + space
    return found


def box(x: float, y: float, name: str, colour: str = STROKE, chips: Iterable[str] = ()) -> str:
    text = y + (TALL / 2 + 6 if not chips else 26)
    parts = [
        f'<rect x="{x - BOX / 2:.1f}" y="{y:.1f}" width="{BOX}" height="{TALL}" rx="6" fill="{FILL}" '
        f'stroke="{colour}" stroke-width="2"/>',
        f'<text x="{x:.1f}" y="{text:.1f}" font-weight="bold">{escape(name)}</text>',
    ]
    chips = list(chips)
    for number, chip in enumerate(chips):
        left = x + (number - len(chips) / 2) * 26 + 3
        parts.append(f'<rect x="{left:.1f}" y="{y + 37:.1f}" width="20" height="10" rx="3" fill="{chip}"/>')
    return "\n".join(parts)


def arrow(points: list[tuple[float, float]]) -> str:
    """A smooth way down through points."""
    (x, y), *others = points
    steps = [f"M{x:.1f} {y:.1f}"]
    for to_x, to_y in others:
        half = (to_y - y) / 2
        steps.append(f"C{x:.1f} {y + half:.1f} {to_x:.1f} {to_y - half:.1f} {to_x:.1f} {to_y:.1f}")
        x, y = to_x, to_y
    return f'<path d="{" ".join(steps)}" fill="none" stroke="{LINE}" stroke-width="2" marker-end="url(#head)"/>'


def draw() -> str:
    """The picture as SVG: the programs, below them the core's packages in rows, at the bottom what all may use."""
    all_packages = read_packages()
    inner = all_packages.keys() - DOORS.keys()
    packages = {package: used & inner for package, used in all_packages.items() if package in inner}
    rows, paths = layers(without_implied(packages), ranks_of(packages))
    top = 150
    place = {}
    for number, row in enumerate(reversed(rows)):
        place |= {name: (x, top + 44 + number * (TALL + GAP)) for name, x in spread(row).items()}
    bottom = top + 44 + len(rows) * (TALL + GAP) - GAP + 24
    parts = [_doors(all_packages)]
    parts.append(_frame(top, bottom - top, f"{CORE}: a package uses the packages that its arrows lead to, and theirs"))
    for path in paths:
        (x, y), *_ = ends = [place[name] for name in path]
        lanes = [(lane_x, end) for lane_x, lane_y in ends[1:-1] for end in (lane_y, lane_y + TALL)]
        parts.append(arrow([(x, y + TALL), *lanes, (ends[-1][0], ends[-1][1] - 3)]))
    for package in sorted(packages):
        chips = [colour for door, colour in DOORS.items() if package in all_packages[door]]
        parts.append(box(*place[package], package, chips=chips))
    parts.append(_frame(bottom + 20, 62, "what every package may use"))
    parts.append(f'<text x="{WIDTH / 2}" y="{bottom + 66}">{escape(" · ".join(base_modules()))}</text>')
    return _svg(bottom + 20 + 62 + 20, parts)


def _doors(packages: Graph) -> str:
    """The programs in a row, with arcs to those further to the right that they use."""
    x = {door: MARGIN + (number + 0.5) * (WIDTH - 2 * MARGIN) / len(DOORS) for number, door in enumerate(DOORS)}
    y, parts = 50.0, []
    for door in DOORS:
        for used in sorted(packages[door] & DOORS.keys()):
            near = abs(list(DOORS).index(used) - list(DOORS).index(door)) == 1
            if near:
                way = f"M{x[door] + BOX / 2:.1f} {y + TALL / 2:.1f} L{x[used] - BOX / 2 - 3:.1f} {y + TALL / 2:.1f}"
            else:
                way = f"M{x[door]:.1f} {y:.1f} C{x[door]:.1f} 10 {x[used]:.1f} 10 {x[used]:.1f} {y - 3:.1f}"
            parts.append(f'<path d="{way}" fill="none" stroke="{LINE}" stroke-width="2" marker-end="url(#head)"/>')
        parts.append(box(x[door], y, door, DOORS[door], [DOORS[door]]))
    note = "a package has the colours of the programs that use it directly"
    return "\n".join([*parts, f'<text x="{WIDTH / 2}" y="{y + TALL + 24:.1f}" font-style="italic">{note}</text>'])


def _frame(y: float, height: float, title: str) -> str:
    return (
        f'<rect x="10" y="{y:.1f}" width="{WIDTH - 20}" height="{height:.1f}" rx="8" fill="none" stroke="#cdbfa8"/>\n'
        f'<text x="{MARGIN - 6}" y="{y + 22:.1f}" text-anchor="start" font-style="italic">{escape(title)}</text>'
    )


def _svg(height: float, parts: Iterable[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" '
        f'height="{height:.0f}" font-family="sans-serif" font-size="15" fill="{TEXT}" text-anchor="middle">\n'
        "<title>The packages and what they import</title>\n"
        f'<rect width="{WIDTH}" height="{height:.0f}" fill="#ffffff"/>\n'
        '<marker id="head" markerWidth="6" markerHeight="6" refX="5" refY="3" orient="auto">'
        f'<path d="M0 0 L6 3 L0 6 z" fill="{LINE}"/></marker>'
    )
    return "\n".join([head, *parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8", newline="\n")
