"""Time and memory of learning 1, 2, 4 and 8 people in one run, as a table.

python benchmarks/several_people.py [--people 1 2 4 8] [--steps 60] [--rounds 3] [--size sd21]

Times are the least of some rounds in one process, in which the numbers of people take turns; on a processor they are
its own seconds for this process, which other programs on the machine change little. Making projectors and the pool of
views is left out, as it is done once. Memory is the most that a process of its own holds while it trains, less what it
held before. `--size sd21` takes networks of Stable Diffusion 2.1's sizes with random weights at 512 pixels: hours on a
processor.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from learning import new_run
from options import RESULTS
from speed_measures import resident
from speed_models import random_pipeline
from tables import Part, Results, Row, weights_hash, write_sections
from torch import Tensor

from mini_world.outcome import photo_of
from mini_world.pipeline import mini_world_backend, mini_world_encoder
from mini_world.preset import TRAIN
from mini_world.weights import load_weights
from stableidentity_core.backends.diffusers_sd import DiffusersBackend
from stableidentity_core.backends.protocol import DiffusionBackend
from stableidentity_core.encode import encode_face
from stableidentity_core.face.portrait import Face
from stableidentity_core.text.names import NameSpace
from stableidentity_core.train import TrainConfig, TrainingRun, train_together
from stableidentity_core.train.session import name_spaces_of

FIRST_PERSON = 1001
MB = 1 << 20


@dataclass(frozen=True)
class Work:
    """The frozen model, the names and how to learn."""

    backend: DiffusionBackend
    names: list[NameSpace]
    faces: list[Face]
    config: TrainConfig

    def runs(self, people: int) -> list[TrainingRun]:
        """The first so many people, each with the same seed as alone; their views are made."""
        runs = [new_run(self.backend, self.names, face, self.config) for face in self.faces[:people]]
        for run in runs:
            _ = run.source
        return runs


def mini_world(people: int, steps: int) -> Work:
    """The demo's preset, in fp32."""
    return _work(mini_world_backend(load_weights()), people, replace(TRAIN, steps=steps))


def sd21(people: int, steps: int) -> Work:
    """Networks of SD2.1's sizes, on the GPU where there is one."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return _work(
        DiffusersBackend(random_pipeline("sd21").to(device)), people, replace(TRAIN, steps=steps, resolution=512)
    )


SIZES: dict[str, Callable[[int, int], Work]] = {"mini": mini_world, "sd21": sd21}


def _work(backend: DiffusionBackend, people: int, config: TrainConfig) -> Work:
    encoder = mini_world_encoder(load_weights())
    faces = [encode_face(encoder, photo_of(FIRST_PERSON + number)) for number in range(people)]
    return Work(backend, name_spaces_of(backend), faces, config)


def seconds(work: Work, people: int) -> tuple[float, Tensor]:
    """How long all steps take, and the first person's words."""
    runs = work.runs(people)
    clock = time.process_time if work.backend.device.type == "cpu" else time.perf_counter
    started = clock()
    for _ in train_together(runs):
        pass
    taken = clock() - started
    (words,) = runs[0].words().values()
    return taken, words


def peak(work: Work, people: int) -> int:
    """Bytes that some steps take beyond what was there before them."""
    if work.backend.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        seconds(work, people)
        return torch.cuda.max_memory_allocated() - before
    Path("/proc/self/clear_refs").write_text("5")
    before = resident("VmRSS")
    seconds(work, people)
    return resident("VmHWM") - before


def measured(options: argparse.Namespace) -> list[Row]:
    work = SIZES[options.size](max(options.people), options.steps)
    seconds(replace(work, config=replace(work.config, steps=2)), 1)  # the first steps of a process are slower
    best: dict[int, float] = {}
    words: dict[int, Tensor] = {}
    for _ in range(options.rounds):
        for people in options.people:
            taken, words[people] = seconds(work, people)
            best[people] = min(best.get(people, taken), taken)
    alone = min(options.people)
    return [
        {
            "people": people,
            "seconds": best[people],
            "seconds_per_person": best[people] / people,
            "of_single_runs": best[people] / people / (best[alone] / alone),
            "peak_bytes": _peak_elsewhere(options, people),
            "words_off": ((words[people] - words[alone]).norm() / words[alone].norm()).item(),
        }
        for people in options.people
    ]


def _peak_elsewhere(options: argparse.Namespace, people: int) -> int:
    command = [sys.executable, __file__, "--one", str(people), "--size", options.size]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{people} people: {done.stderr.strip().splitlines()[-1]}")
    return int(done.stdout.split()[-1])


def markdown(part: Part) -> str:
    heads = ["people in one run", "time", "for each person", "of single runs", "memory", "words off those alone"]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    lines += [
        f"| {row['people']} | {row['seconds']:.1f} s | {row['seconds_per_person']:.2f} s | {row['of_single_runs']:.2f} "
        f"| {row['peak_bytes'] / MB:.0f} MiB | {row['words_off']:.0e} |"
        for row in part.rows.values()
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", choices=list(SIZES), default="mini")
    parser.add_argument("--out", type=Path, default=RESULTS / "several_people.json")
    parser.add_argument("--one", type=int, help="print the memory of so many people in this very process")
    options = parser.parse_args()
    if options.one:
        print(peak(SIZES[options.size](options.one, 4), options.one))
        return
    about = {"size": options.size, "steps": options.steps, "threads": torch.get_num_threads()}
    results = Results(options.out, {**about, "torch": torch.__version__, "weights": weights_hash()})
    for row in measured(options):
        results.put(str(row["people"]), row)
    write_sections(options.out, results.parts(), markdown)
    print(options.out.with_suffix(".md").read_text("utf-8"), end="")


if __name__ == "__main__":
    main()
