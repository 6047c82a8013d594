"""Training beside the published loop: steps per second, where the time goes, and peak memory, in one run.

python benchmarks/training_speed.py [--size mini|sd15|sd21|sdxl] [--device cpu|cuda] [--resolution N] [--rounds N]
                                    [--people 1 4 16] [--compare-host] [--out benchmarks/results/training_speed.json]

Both loops have the same weights and take turns, so that noise of the machine meets both. The published one computes
in float32 and prepares nothing ahead; ours draws from a pool of views and computes in bf16 where that is sooner. Full
sizes have random weights. Memory is measured in a process of its own for each variant; on a GPU also with the model
loaded in bf16, as people load it. `--people` adds several people in one training, `--compare-host` the ComfyUI adapter
on the mini world (COMFYUI_PATH set, PYTHONPATH=.:tests).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from options import RESULTS
from speed_clock import profile, take, wait
from speed_loops import (
    BF16_WEIGHTS,
    POOL,
    VARIANTS,
    config_of,
    networks,
    ours,
    places_of_ours,
    places_of_published,
    published,
)
from speed_measures import flops_of_step, kept_bytes, memory_of_steps, peak_flops
from speed_models import RESOLUTION, SpeedWorld, make_world

from stableidentity_core.backends.compute import has_matrix_units
from stableidentity_core.train import TrainConfig, train_together
from stableidentity_core.train.config import compute_settings

STEPS = TrainConfig().steps
VIEWS_OF_EACH = 4  # of several people; making them is not timed
# glibc otherwise keeps freed memory, which would then seem to be in use before the next step.
ENVIRONMENT = {"MALLOC_MMAP_THRESHOLD_": str(1 << 16), "MALLOC_TRIM_THRESHOLD_": "0"}


def compare(world: SpeedWorld, rounds: int, block: int, pool: int) -> dict[str, Any]:
    """Speed and profile of both, by turns."""
    one, run = published(world, config_of(world, "published")), ours(world, config_of(world, "ours", pool))
    device = run.backend.device
    times: dict[str, list[float]] = {"published": [], "ours": []}
    with run.computing():
        world.pipeline.unet.to(device)  # ours moves it away where it computes with a copy; the published loop needs it
        wait(device)
        started = time.perf_counter()
        assert run._pool is not None
        wait(device)
        prepared = time.perf_counter() - started
        both = {"published": iter(one), "ours": iter(run)}
        for steps in both.values():
            take(steps, 1 if block == 1 else 3, device)
        for _ in range(rounds):
            for name, steps in both.items():
                times[name].append(take(steps, block, device))
        profiles = {}
        for name, places in (("published", places_of_published(one)), ("ours", places_of_ours(run))):
            profiles[name] = profile(both[name], places, device, max(block * rounds // 2, 1))
        flops = flops_of_step(both["ours"])
    seconds = {name: statistics.median(values) for name, values in times.items()}
    figures = {
        "seconds_per_step": seconds,
        "all_blocks": times,
        "ratio": seconds["published"] / seconds["ours"],
        "pool_seconds": prepared,
        "ratio_of_450_steps_with_the_pool": STEPS * seconds["published"] / (STEPS * seconds["ours"] + prepared),
        "profile_ms": profiles,
        "tflop_per_step": flops / 1e12,
    }
    if device.type == "cuda":
        peak = peak_flops(device)
        figures |= {"peak_tflops": peak / 1e12, "share_of_the_limit": flops / seconds["ours"] / peak}
    return figures


def memory(world: SpeedWorld, variant: str) -> dict[str, float]:
    """Bytes of a few steps of one variant, beside what lies there when it starts."""
    config = config_of(world, variant, pool=1)  # each view is encoded alone then, as when they are many
    if variant in BF16_WEIGHTS:
        world.pipeline.to(dtype=torch.bfloat16)
    if variant == "published":
        one = published(world, config)
        return memory_of_steps(one.step, one.backend.device)
    run = ours(world, config)
    with run.computing():
        assert run._pool is not None
        steps = iter(run)
        measured = memory_of_steps(lambda: next(steps), run.backend.device)
        return {**measured, "kept_for_backward": kept_bytes(lambda: next(steps), *networks(run.backend))}


def several(world: SpeedWorld, counts: list[int], rounds: int, block: int) -> dict[str, float]:
    """Seconds of a step of so many people in one training."""
    config = config_of(world, "ours", VIEWS_OF_EACH)
    backend = world.backend()
    times: dict[int, list[float]] = {count: [] for count in counts}
    with backend.computing(compute_settings(config)):
        steps = {}
        for count in counts:
            runs = [ours(world, replace(config, seed=number), backend) for number in range(count)]
            steps[count] = train_together(runs)
            take(steps[count], 1, backend.device)
        for _ in range(rounds):
            for count in counts:
                times[count].append(take(steps[count], block, backend.device))
    return {str(count): statistics.median(seconds) for count, seconds in times.items()}


def memory_by_process(options: argparse.Namespace) -> dict[str, Any]:
    found = {}
    for variant in VARIANTS:
        if variant in BF16_WEIGHTS and options.device == "cpu":
            continue
        command = [sys.executable, __file__, "--size", options.size, "--device", options.device, "--memory-of", variant]
        command += ["--resolution", str(options.resolution)]
        done = subprocess.run(command, env={**os.environ, **ENVIRONMENT}, capture_output=True, text=True)
        line = done.stdout.strip().splitlines()[-1:] or done.stderr.strip().splitlines()[-1:]
        found[variant] = json.loads(line[0]) if done.returncode == 0 else {"failed": "".join(line)}
    return found


def conditions(options: argparse.Namespace) -> dict[str, Any]:
    import diffusers
    import transformers

    cuda = options.device == "cuda"
    return {
        "size": options.size,
        "resolution": options.resolution,
        "device": torch.cuda.get_device_name() if cuda else _processor(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "diffusers": diffusers.__version__,
        "transformers": transformers.__version__,
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = (line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor()) + (", AMX" if has_matrix_units() else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=list(RESOLUTION), default="mini")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--resolution", type=int, help="default: what the size was made for")
    parser.add_argument("--rounds", type=int, default=8, help="turns of each loop (default: %(default)s)")
    parser.add_argument("--block", type=int, default=10, help="steps of a turn (default: %(default)s)")
    parser.add_argument("--pool", type=int, default=POOL, help="views made ahead (default: %(default)s)")
    parser.add_argument(
        "--people", type=int, nargs="+", default=[], help="also so many in one training, such as 1 4 16"
    )
    parser.add_argument("--compare-host", action="store_true", help="the ComfyUI adapter too, on the mini world")
    parser.add_argument("--memory-of", choices=list(VARIANTS), help="measure this variant's memory in this process")
    parser.add_argument("--out", type=Path, default=RESULTS / "training_speed.json")
    options = parser.parse_args()
    options.resolution = options.resolution or RESOLUTION[options.size]
    world = replace(make_world(options.size, options.device), resolution=options.resolution)
    if options.memory_of:
        print(json.dumps(memory(world, options.memory_of)))
        return
    from speed_tables import write

    found = {"pool": options.pool, **compare(world, options.rounds, options.block, options.pool)}
    if options.people:
        counts = sorted({1, *options.people})
        found["people"] = several(world, counts, options.rounds, options.block)
    if options.compare_host:
        from host_speed import compare_host

        found["host"] = compare_host(world, options.rounds, options.block)
    del world  # the processes below need the room
    found["memory"] = memory_by_process(options)
    write(options.out, conditions(options), found)


if __name__ == "__main__":
    main()
