"""Training speed beside the published loop, with the machinery of training_speed.py."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from learning import new_run
from speed_clock import wait
from speed_loops import POOL, config_of
from speed_models import SpeedWorld, make_world
from training_speed import STEPS, compare

from .job import Row, Setting

SECONDS_GOAL, RATIO_GOAL = 8.0, 10.0
H200 = "H200"
PATIENCE = 120.0  # seconds of a whole training; of a longer one only single steps are measured


def measure(setting: Setting) -> Iterator[Row]:
    """SD2.1 at 512 pixels, batch 1; in short the mini world."""
    world = make_world("mini" if setting.short else "sd21", setting.device)
    rounds, block, pool = (1, 1, 1) if setting.short else (3, 10, POOL)
    found = compare(world, rounds, block, pool)
    ours, published = (found["seconds_per_step"][name] for name in ("ours", "published"))
    device = f"{world.backend().device}"
    yield Row(
        what="published loop, float32",
        measured=f"{1e3 * published:.1f} ms a step: {STEPS} steps in {STEPS * published:.1f} s",
        figures={"seconds_per_step": published, "profile_ms": found["profile_ms"]["published"], "on": device},
    )
    yield _speed_of_ours(found)
    whole = STEPS * ours + found["pool_seconds"]
    yield Row(
        what=f"{STEPS} steps against the published loop",
        measured=f"{found['ratio']:.2f} times as fast step by step, "
        f"{found['ratio_of_450_steps_with_the_pool']:.2f} with the views made ahead",
        figures={name: found[name] for name in ("ratio", "ratio_of_450_steps_with_the_pool")},
        goal=f"at least {RATIO_GOAL:g} times as fast, in the same run",
        met=None if setting.short else found["ratio_of_450_steps_with_the_pool"] >= RATIO_GOAL,
    )
    yield _whole_training(setting, world, whole, pool)


def _speed_of_ours(found: dict[str, Any]) -> Row:
    ours = found["seconds_per_step"]["ours"]
    kept = ("pool_seconds", "tflop_per_step", "share_of_the_limit", "peak_tflops", "all_blocks")
    figures = {name: found[name] for name in kept if name in found}
    measured = f"{1e3 * ours:.1f} ms a step, {found['tflop_per_step']:.3g} TFLOP each"
    if "share_of_the_limit" in found:
        measured += f", {found['share_of_the_limit']:.0%} of what a bf16 product reaches"
    profile = found["profile_ms"]["ours"]
    return Row(what="ours", measured=measured, figures={"seconds_per_step": ours, "profile_ms": profile, **figures})


def _whole_training(setting: Setting, world: SpeedWorld, expected: float, pool: int) -> Row:
    """Really all steps, where that does not take too long."""
    goal = f"at most {SECONDS_GOAL:g} s on an {H200}"
    steps = 3 if setting.short else STEPS
    if expected > PATIENCE and not setting.short:
        measured = f"{expected:.0f} s, from single steps"
        return Row(what=f"{STEPS} steps, ours", measured=measured, figures={"expected": expected}, goal=goal)
    seconds = _seconds(world, steps, pool)
    return Row(
        what=f"{steps} steps, ours",
        measured=f"{seconds:.1f} s, of which the views made ahead are a part",
        figures={"seconds": seconds, "expected_of_450": expected},
        goal=goal,
        met=seconds <= SECONDS_GOAL if _is_h200(setting) else None,
    )


def _seconds(world: SpeedWorld, steps: int, pool: int) -> float:
    config = replace(config_of(world, "ours", pool), steps=steps)
    run = new_run(world.backend(), world.name_spaces, world.face, config)
    with run.computing():
        wait(run.backend.device)
        started = time.perf_counter()
        for _report in run:
            pass
        wait(run.backend.device)
    return time.perf_counter() - started


def _is_h200(setting: Setting) -> bool:
    import torch

    return setting.device == "cuda" and H200 in torch.cuda.get_device_name()
