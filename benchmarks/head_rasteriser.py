"""The rasteriser of heads in 3D: time and memory of a picture with its gradients, by Gaussians and size.

PYTHONPATH=.:benchmarks python benchmarks/head_rasteriser.py [--against FILE]

`--against` names a Python file with a function `render(means, quats, scales, opacities, colours, world_to_camera,
focal, size, background)` that gives the picture first, to compare with in the same run: ours and theirs in turn, since
figures of a busy machine only compare within minutes. Seconds are of the processor, on one thread. Writes
benchmarks/results/head_rasteriser.json and .md.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import multiprocessing
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stableidentity_core.head3d.cameras import cameras_around
from stableidentity_core.head3d.render import render

RESULTS = Path(__file__).parent / "results"
COUNTS, SIZES = (2_000, 10_000, 50_000), (128, 256, 512)
FOV, RADIUS, OPACITY = 0.49, 5.2, 0.1


def head(count: int) -> list[Tensor]:
    """A shell of faint Gaussians that just touch each other, as a head begins."""
    g = torch.Generator().manual_seed(0)
    directions = torch.nn.functional.normalize(torch.randn(count, 3, generator=g), dim=-1)
    means = directions * (0.8 + 0.2 * torch.rand(count, 1, generator=g)) * torch.tensor([0.62, 0.8, 0.62])
    size = 0.8 * math.sqrt(4 * math.pi * 0.5 / count)
    quats = torch.randn(count, 4, generator=g)
    return [
        means,
        quats,
        torch.full((count, 3), size),
        torch.full((count,), OPACITY),
        torch.rand(count, 3, generator=g),
    ]


def ours(values: list[Tensor], size: int) -> Tensor:
    one = torch.ones(1)
    cameras = cameras_around(0 * one, 0 * one, RADIUS * one, FOV * one)
    return render(*values, cameras, size).on(torch.ones(3))[0]


def theirs(path: Path) -> Callable[[list[Tensor], int], Tensor]:
    spec: Any = importlib.util.spec_from_file_location("other_rasteriser", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    camera = torch.eye(4)
    camera[2, 3] = RADIUS
    return lambda values, size: module.render(*values, camera, size / 2 / math.tan(FOV / 2), size, torch.ones(3))[0]


def measure(which: str, against: Path | None, count: int, size: int, answer: Any) -> None:
    """In a process of its own: seconds of processor time, and the memory's peak above what was there before."""
    torch.set_num_threads(1)
    draw = ours if which == "ours" or against is None else theirs(against)
    values = [value.requires_grad_() for value in head(count)]
    draw([value.detach() for value in values], 64)
    before, best = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, math.inf
    for _ in range(2):
        begun = time.process_time()
        draw(values, size).square().sum().backward()
        best = min(best, time.process_time() - begun)
    answer.put((best, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024))


def measured(which: str, against: Path | None, count: int, size: int) -> tuple[float, float]:
    context = multiprocessing.get_context("spawn")
    answer = context.Queue()
    process = context.Process(target=measure, args=(which, against, count, size, answer))
    process.start()
    found = answer.get()
    process.join()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--against", type=Path)
    options = parser.parse_args()
    rows = []
    for count in COUNTS:
        for size in SIZES:
            seconds, megabytes = measured("ours", None, count, size)
            row = {"gaussians": count, "size": size, "seconds": round(seconds, 3), "megabytes": round(megabytes)}
            if options.against:
                other = measured("theirs", options.against, count, size)
                row |= {"before_seconds": round(other[0], 3), "before_megabytes": round(other[1])}
                row["times_as_fast"] = round(other[0] / seconds, 1)
            rows.append(row)
            print(row, flush=True)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "head_rasteriser.json").write_text(json.dumps(rows, indent=1) + "\n", "utf-8")
    names = list(rows[0])
    lines = [names, ["---:"] * len(names), *([str(value) for value in row.values()] for row in rows)]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    (RESULTS / "head_rasteriser.md").write_text(table + "\n", "utf-8")


if __name__ == "__main__":
    main()
