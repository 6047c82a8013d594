"""`python -m campaign`: the pack is treated badly for some minutes, and one table says what came of it.

Needs the repository's root and its folder tests on PYTHONPATH; `python3 tasks.py campaign` sees to that.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import diffusers.utils.logging
import transformers.utils.logging

from campaign import cancels, fields, inputs, kills, races, server_kills, server_races, soak
from campaign.generated import CATEGORIES
from campaign.outcome import Row, exit_code, faults_text, plain, written
from campaign.plan import Plan

# Part: its share of the time, and what it runs one after the other with their shares.
PARTS: Mapping[str, tuple[float, Mapping[Callable[[Plan], list[Row]], float]]] = {
    "inputs": (0.35, {inputs.run: 0.8, fields.run: 0.2}),
    "kills": (0.25, {kills.run: 0.75, server_kills.run: 0.25}),
    "races": (0.1, {races.run: 0.6, server_races.run: 0.4}),
    "cancels": (0.1, {cancels.run: 1.0}),
    "soak": (0.2, {soak.run: 1.0}),
}
MINUTES = 30.0


def options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tasks.py campaign", description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--minutes", type=float, default=MINUTES, help="for all parts together (default: %(default)g)")
    add("--only", choices=PARTS, help="one part alone, with all the time")
    add("--seed", type=int, default=0, help="the same seed makes the same inputs and moments (default: 0)")
    add("--goal", type=int, help="how much to try, in the part's own unit (default: that of each part)")
    add("--out", type=Path, help="write the table there too: .json, .md, or plain text")
    add("--category", choices=CATEGORIES, help="of the part `inputs` alone")
    add("--case", type=int, help="one input of that category alone, with its traceback; its files are kept")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    asked = options(arguments)
    for library in (diffusers, transformers):
        library.utils.logging.disable_progress_bar()
    if asked.case is not None:
        return one_case(asked)
    text = os.environ.get("COMFYUI_PATH", "none")
    host = None if text.lower() == "none" else Path(text)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="campaign-") as folder:
        rows = run(asked, Path(folder), host)
    print(f"\n{plain(rows)}\n\n{faults_text(rows)}".rstrip())
    if asked.out:
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        asked.out.write_text(written(rows, asked.out.name), "utf-8")
        print(f"Written to {asked.out}")
    print(f"Seed {asked.seed}, {(time.monotonic() - started) / 60:.1f} minutes")
    if host is None:
        print("NO COMFYUI: THE PARTS THAT NEED A SERVER WERE NOT RUN; COMFYUI_PATH NAMES ONE")
    return exit_code(rows)


def run(asked: argparse.Namespace, folder: Path, host: Path | None) -> list[Row]:
    """All parts or the one that is asked for; time that one leaves goes to those after it."""
    names = [asked.only] if asked.only else [*PARTS] if asked.category is None else ["inputs"]
    ends = time.monotonic() + 60 * asked.minutes
    steps = [(name, step, PARTS[name][0] * share) for name in names for step, share in PARTS[name][1].items()]
    if asked.category:
        steps = [(name, step, share) for name, step, share in steps if step is inputs.run]
    rows = []
    for number, (name, step, share) in enumerate(steps):
        seconds = max(0.0, ends - time.monotonic()) * share / sum(later[2] for later in steps[number:])
        print(f"{name}: {step.__module__.rpartition('.')[2]}, {seconds:.0f} s at most", flush=True)
        place = folder / f"{number}"
        place.mkdir()
        plan = Plan(place, seed=asked.seed, seconds=seconds, goal=asked.goal, host=host)
        if asked.category:
            rows += inputs.run(plan, {asked.category: CATEGORIES[asked.category]})
        else:
            rows += step(plan)
    return rows


def one_case(asked: argparse.Namespace) -> int:
    """One generated input in this process."""
    if not asked.category:
        raise SystemExit("--case needs --category, such as: --category triggers --case 7")
    folder = Path(tempfile.mkdtemp(prefix="campaign-"))
    verdict = inputs.case_of(CATEGORIES[asked.category], folder, asked.category, asked.seed, asked.case)
    print(f"{verdict.kind}: {verdict.label}\n{verdict.message}\n{verdict.trace}\nIts files: {folder / 'case'}")
    return int(bool(verdict.trace))


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
