"""The ComfyUI adapter beside the core's own, on the mini world, in this process and without a server."""

from __future__ import annotations

import os
import statistics
from pathlib import Path
from typing import Any

import torch
from speed_clock import profile, take
from speed_loops import config_of, ours, places_of_ours
from speed_models import SpeedWorld

from mini_world.weights import load_weights
from stableidentity_core.train import TrainingRun


def compare_host(world: SpeedWorld, rounds: int, block: int) -> dict[str, Any]:
    """Seconds and profile of a step by both adapters, by turns.

    The host's loop reports to a consumer as the node does, with a preview each ten steps.
    """
    from helpers.pack import pack_module

    comfyui = Path(os.environ["COMFYUI_PATH"])
    mini_world = pack_module("nodes.host.mini_world", comfyui)
    adapter = pack_module("nodes.host.backend", comfyui)
    progress = pack_module("nodes.host.progress", comfyui)
    with torch.inference_mode():
        trio = mini_world.mini_world(load_weights())
    core = ours(world, config_of(world, "ours"))
    times: dict[str, list[float]] = {"core": [], "host": []}
    with adapter.comfy_backend(*trio, resolution=world.resolution) as backend:
        hosted = TrainingRun(backend, core.faces, ours(world, core.config).projector, core.config)
        with core.computing(), hosted.computing():
            on_step = progress.TrainingProgress(backend.model, hosted.config.steps, 10)
            both = {"core": iter(core), "host": (on_step((report,)) for report in hosted)}
            for steps in both.values():
                take(steps, 3, backend.device)
            for _ in range(rounds):
                for name, steps in both.items():
                    times[name].append(take(steps, block, backend.device))
            profiles = {
                name: profile(both[name], places_of_ours(run), backend.device, max(block * rounds // 2, 1))
                for name, run in (("core", core), ("host", hosted))
            }
    return {
        "seconds_per_step": {name: statistics.median(values) for name, values in times.items()},
        "all_blocks": times,
        "profile_ms": profiles,
    }
