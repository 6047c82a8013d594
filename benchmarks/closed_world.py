"""The mini world's tables, by the runner of `evaluate run`: a suite, once for each seed of training and pictures.

python benchmarks/closed_world.py parts|methods [--people N] [--seeds 0 1 2] [--base METHOD] [--work DIR]

What a suite compares is in `suites/NAME.toml`. Pictures and scores are kept in `--work`, a folder for each seed, and an
interrupted run goes on where it stopped. `results/NAME.csv` has each person with each seed, `results/NAME.md` means over
people with 95 % intervals. With several `--seeds`, a person's value is the mean over them.
"""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

from options import RESULTS
from tables import weights_hash

from stableidentity_core.backends.compute import has_matrix_units
from stableidentity_core.files.atomic import write_atomically
from stableidentity_core.suite.engines import Local
from stableidentity_core.suite.folder import Folder
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
}
COMPARED = ("face_similarity", "prompt_accuracy")
Key = tuple[str, str, int]  # method, person, seed


@dataclass(frozen=True)
class Measured:
    """Values of every person by every method with every seed, and the processor seconds of learning one."""

    values: dict[Key, dict[str, float | None]]
    seconds: dict[str, float]

    @property
    def methods(self) -> list[str]:
        return list(dict.fromkeys(method for method, _person, _seed in self.values))

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
    seconds: dict[str, list[float]] = {}
    for seed in seeds:
        for found in run(with_seed(suite, seed), work / f"seed-{seed}"):
            seconds.setdefault(found.spec.name, []).append(found.seconds.get("learn", 0.0))
            columns = {column: found.values(column, found.people) for column in COLUMNS}
            for at, person in enumerate(found.people):
                values[found.spec.name, person, seed] = {column: columns[column][at] for column in COLUMNS}
    return Measured(values, {name: fmean(each) for name, each in seconds.items()})


def markdown(measured: Measured, base: str) -> str:
    """One line a method: means over people, and against the base person by person, with 95 % intervals."""
    heads = ["method", *COLUMNS.values(), *(f"{COLUMNS[one]} against {base}" for one in COMPARED), "learning, s a person"]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for method in measured.methods:
        cells = [interval_of(measured.of(method, column)).text() for column in COLUMNS]
        cells += [
            "" if method == base else signed(measured.of(method, column), measured.of(base, column))
            for column in COMPARED
        ]
        cells.append(f"{measured.seconds[method]:.1f}" if measured.seconds[method] else "")
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def signed(values: Sequence[float | None], base: Sequence[float | None]) -> str:
    one = difference(values, base)
    return f"{one.mean:+.3f} [{one.low:+.3f}, {one.high:+.3f}]" if one.people > 1 else ""


def rows(measured: Measured) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["method", "person", "seed", *COLUMNS])
    for (method, person, seed), values in measured.values.items():
        writer.writerow([method, person, seed, *("" if one is None else f"{one:.6f}" for one in values.values())])
    return text.getvalue().encode()


def main() -> None:
    options = arguments()
    suite = read_suite(SUITES / f"{options.suite}.toml")
    suite = replace(suite, people=options.people or suite.people)
    measured = measure(suite, options.seeds, options.work / options.suite)
    seeds = ", ".join(map(str, options.seeds))
    conditions = f"{suite.people} people, seeds {seeds}, weights {weights_hash()[:8]}, "
    conditions += "bf16" if has_matrix_units() else "float32"
    text = f"{conditions}\n\n{markdown(measured, options.base or suite.methods[0].name)}"
    write_atomically(RESULTS / f"{options.suite}.md", text.encode())
    write_atomically(RESULTS / f"{options.suite}.csv", rows(measured))
    print(text)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suite", choices=sorted(path.stem for path in SUITES.glob("*.toml")))
    parser.add_argument("--people", type=int, help="(default: what the suite says)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="(default: %(default)s)")
    parser.add_argument("--base", help="what the others are compared with (default: the suite's first method)")
    parser.add_argument("--work", type=Path, default=Path("out/closed_world"), help="(default: %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
