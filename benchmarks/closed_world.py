"""The mini world's tables, by the runner of `evaluate run`: a suite, once for each seed of training and pictures.

python benchmarks/closed_world.py SUITE [--people N] [--seeds 0 1 2] [--seconds] [--work DIR]

What a suite compares is in `suites/NAME.toml`: the first method of each `group` with the others of it. Pictures and
scores are kept in `--work`, a folder for each seed; an interrupted run goes on where it stopped. `results/NAME.csv` has
each person with each seed, `results/NAME.md` means over people with 95 % intervals. With several `--seeds`, a person's
value is the mean over them. With `--seconds`, the first person is learned once more, alone, and the processor's seconds
stand in the table.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

from options import RESULTS
from tables import weights_hash

from stableidentity_core.backends.compute import has_matrix_units
from stableidentity_core.files.atomic import write_atomically
from stableidentity_core.files.json_text import parse_object
from stableidentity_core.identity import load_identity
from stableidentity_core.suite.engines import Local
from stableidentity_core.suite.engines.base import open_bench
from stableidentity_core.suite.folder import Folder
from stableidentity_core.suite.methods import method_of
from stableidentity_core.suite.read import read_suite
from stableidentity_core.suite.results.bootstrap import difference, interval_of
from stableidentity_core.suite.results.found import Found, find_results
from stableidentity_core.suite.runner import Progress, run_suite
from stableidentity_core.suite.spec import MethodSpec, Suite

SUITES = Path(__file__).parent / "suites"
COLUMNS = {
    "face_similarity": "face similarity",
    "rank_1": "rank-1",
    "prompt_accuracy": "prompt accuracy",
    "trusted_face_diversity": "trusted face diversity",
    "face_similarity_second_recogniser": "face similarity by the one who chooses",
    "kept_step": "step kept",
}
DIGITS = {"kept_step": 0}
COMPARED = ("face_similarity", "prompt_accuracy")
Key = tuple[str, str, int]  # method, person, seed


@dataclass(frozen=True)
class Measured:
    """Values of every person by every method with every seed."""

    values: dict[Key, dict[str, float | None]]

    @property
    def methods(self) -> list[str]:
        return list(dict.fromkeys(method for method, _person, _seed in self.values))

    @property
    def columns(self) -> dict[str, str]:
        """Those that anybody has a value of."""
        known = {column for values in self.values.values() for column, value in values.items() if value is not None}
        return {column: title for column, title in COLUMNS.items() if column in known}

    @property
    def people(self) -> list[str]:
        return list(dict.fromkeys(person for _method, person, _seed in self.values))

    def of(self, method: str, column: str) -> list[float | None]:
        """A value of each person, the mean over the seeds; None where a seed has none."""
        return [self._mean(method, person, column) for person in self.people]

    def _mean(self, method: str, person: str, column: str) -> float | None:
        found = [
            values.get(column) for (name, who, _seed), values in self.values.items() if (name, who) == (method, person)
        ]
        known = [value for value in found if value is not None]
        return fmean(known) if known and len(known) == len(found) else None


def with_seed(suite: Suite, seed: int) -> Suite:
    """Everybody learned and painted with this seed."""
    return replace(
        suite,
        sampling=replace(suite.sampling, seeds=(seed,)),
        methods=tuple(_with_seed(method, seed) for method in suite.methods),
    )


def _with_seed(method: MethodSpec, seed: int) -> MethodSpec:
    learns = method.kind in ("learn", "projector")
    return replace(method, options={**method.options, "seed": seed}) if learns else method


def run(suite: Suite, folder: Path) -> list[Found]:
    """All of a suite that is not done yet."""
    progress = Progress(
        done=lambda task: print(task, flush=True),
        failed=lambda task, reason, again: print(f"{task} failed: {reason}", flush=True),
    )
    with Local(suite, "cpu") as engine:
        run_suite(suite, Folder(folder), engine, progress=progress)
    return find_results(Folder(folder), suite)


def measure(suite: Suite, seeds: Sequence[int], work: Path) -> Measured:
    values: dict[Key, dict[str, float | None]] = {}
    for seed in seeds:
        folder = work / f"seed-{seed}"
        for found in run(with_seed(suite, seed), folder):
            columns = {column: found.values(column, found.people) for column in COLUMNS}
            for at, person in enumerate(found.people):
                own = {column: columns[column][at] for column in COLUMNS}
                own["kept_step"] = kept_step(Folder(folder).learned(found.spec.name, person))
                values[found.spec.name, person, seed] = own
    return Measured(values)


def kept_step(identity: Path) -> float | None:
    """None where no step was chosen."""
    step = load_identity(identity).header.get("kept_step") if identity.is_file() else None
    return None if step is None else float(step)


def seconds_alone(suite: Suite, work: Path) -> dict[str, float]:
    """The processor's seconds of learning the first person alone, by method; each is taken once."""
    notes = work / "seconds.json"
    known = parse_object(notes.read_text("utf-8"), str(notes)) if notes.is_file() else {}
    bench = open_bench(suite, "cpu")
    person = bench.people[0]
    for spec in suite.methods:
        method = method_of(spec)
        if method.learns and spec.name not in known:
            method.content(bench)  # what it needs is loaded before
            bench.face(person), bench.name_spaces
            before = time.process_time()
            method.learn(bench, [person])
            known[spec.name] = time.process_time() - before
            write_atomically(notes, (json.dumps(known, indent=1) + "\n").encode())
    return {name: float(value) for name, value in known.items()}


def markdown(suite: Suite, measured: Measured, seconds: Mapping[str, float]) -> str:
    """A table of each group: means over people, and against its first method person by person, with 95 % intervals."""
    groups: dict[str, list[str]] = {}
    for spec in suite.methods:
        if spec.name in measured.methods:
            groups.setdefault(spec.group, []).append(spec.name)
    return "\n".join(_table(methods, measured, seconds) for methods in groups.values())


def _table(methods: Sequence[str], measured: Measured, seconds: Mapping[str, float]) -> str:
    base, columns = methods[0], measured.columns
    heads = ["method", *columns.values(), *(f"{COLUMNS[one]} against {base}" for one in COMPARED)]
    heads += ["seconds a person"] * bool(seconds)
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for method in methods:
        cells = [interval_of(measured.of(method, column)).text(DIGITS.get(column, 3)) for column in columns]
        cells += [
            "" if method == base else signed(measured.of(method, column), measured.of(base, column))
            for column in COMPARED
        ]
        cells += [f"{seconds[method]:.1f}" if method in seconds else ""] * bool(seconds)
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def signed(values: Sequence[float | None], base: Sequence[float | None]) -> str:
    one = difference(values, base)
    return f"{one.mean:+.3f} [{one.low:+.3f}, {one.high:+.3f}]" if one.people > 1 else ""


def rows(measured: Measured) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = measured.columns
    writer.writerow(["method", "person", "seed", *columns])
    for (method, person, seed), values in measured.values.items():
        cells = [values.get(column) for column in columns]
        writer.writerow([method, person, seed, *("" if one is None else f"{one:.6f}" for one in cells)])
    return text.getvalue().encode()


def main() -> None:
    options = arguments()
    suite = read_suite(SUITES / f"{options.suite}.toml")
    suite = replace(suite, people=options.people or suite.people)
    measured = measure(suite, options.seeds, options.work / options.suite)
    seeds = ", ".join(map(str, options.seeds))
    conditions = f"{suite.people} people, seeds {seeds}, weights {weights_hash()[:8]}, "
    conditions += "bf16" if has_matrix_units() else "float32"
    seconds = seconds_alone(suite, options.work / options.suite) if options.seconds else {}
    text = f"{conditions}\n\n{markdown(suite, measured, seconds)}"
    write_atomically(RESULTS / f"{options.suite}.md", text.encode())
    write_atomically(RESULTS / f"{options.suite}.csv", rows(measured))
    print(text)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suite", choices=sorted(path.stem for path in SUITES.glob("*.toml")))
    parser.add_argument("--people", type=int, help="(default: what the suite says)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="(default: %(default)s)")
    parser.add_argument("--seconds", action="store_true", help="also time the first person alone")
    parser.add_argument("--work", type=Path, default=Path("out/closed_world"), help="(default: %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
