"""What the benchmarks of people have in common on the command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tables import Results, weights_hash

RESULTS = Path(__file__).parent / "results"


def parser_of(description: str | None, name: str, *, people: int, seeds: Sequence[int] = ()) -> argparse.ArgumentParser:
    """Options for the number of people, how many are learned together, the seeds, and the file of results."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=people, help="(default: %(default)s)")
    parser.add_argument("--at-once", type=int, default=16, help="people in one training (default: %(default)s)")
    if seeds:
        parser.add_argument("--seeds", type=int, nargs="+", default=list(seeds), help="(default: %(default)s)")
    default = RESULTS / f"{name}.json"
    parser.add_argument("--out", type=Path, default=default, help=f"results (default: benchmarks/results/{name}.json)")
    return parser


def results_of(options: argparse.Namespace, **conditions: Any) -> Results:
    """Where rows of so many people, by this mini world, are kept."""
    return Results(options.out, {"people": options.people, "weights": weights_hash(), **conditions})
