"""The peak of some training steps against the estimate that decides what a card can train."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from unittest.mock import patch

import torch
from speed_clock import take
from speed_measures import memory_of_steps

from helpers.memory_rows import HALF, ROWS, SIDES
from stableidentity_core.backends import Compute
from stableidentity_core.backends.compute import Precision
from stableidentity_core.backends.protocol import DiffusionBackend
from stableidentity_core.train import TrainConfig

from .job import Row, Setting
from .models import SHORT_SIDE, bytes_of, diffusers_backend, host_module, host_trio, made_run

TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
NAMES = {"sd21": "SD2.1", "sdxl": "SDXL"}
MARGIN = 1.1  # more than the estimate and this share of it is what a card is chosen by (nodes/host/memory.py: SPARE)
GB = 10**9


def measure(setting: Setting, rows: Sequence[tuple[str, str, bool]]) -> Iterator[Row]:
    """A row for each base, type that is computed in, and low memory; weights are in fp16."""
    for base, dtype, low_memory in rows:
        side = SHORT_SIDE if setting.short else SIDES[base]
        what = f"{NAMES[base]} at {side} in {dtype}{', low memory' if low_memory else ''}"
        if dtype == "fp32" and setting.host is None:
            yield Row(what=what, reason="with weights in fp16, diffusers does not compute in fp32; there is no ComfyUI")
            continue
        config = TrainConfig(resolution=side, steps=10**6, cached_views=1, low_memory=low_memory)
        take_row = _through_diffusers if setting.host is None else _through_host
        figures = take_row(setting, base, dtype, config)
        yield _row(setting, what, base, dtype, low_memory, figures)


def _through_host(setting: Setting, base: str, dtype: str, config: TrainConfig) -> dict[str, Any]:
    adapter = host_module(setting, "nodes.host.backend")
    wanted, compute = TYPES[dtype], Compute(low_memory=config.low_memory)
    trio = host_trio(setting, base)
    with (
        patch.object(adapter, "compute_dtype", lambda _model, _compute: wanted),  # whatever pays on this device
        adapter.comfy_backend(*trio, resolution=config.resolution, compute=compute) as backend,
    ):
        own, recomputes = backend.networks.own, backend.recomputes
        need = host_module(setting, "nodes.host.memory").training_memory(
            own.unet,
            own.text.clip.cond_stage_model,
            own.text.family.activations,
            dtype=wanted,
            resolution=config.resolution,
            batch_size=1,
            low_memory=recomputes,
        )
        networks = lambda: [patcher.model for patcher in backend.networks.now.patchers]  # noqa: E731
        figures = _steps(setting, backend, config, networks)
    estimate = {"estimate_weights": need.weights, "estimate_beside": need.beside, "estimate": need.total}
    return {**figures, **estimate, "through": "ComfyUI", "recomputes": recomputes}


def _through_diffusers(setting: Setting, base: str, dtype: str, config: TrainConfig) -> dict[str, Any]:
    precision: Precision = "bf16" if dtype == "bf16" else "fp16"
    backend = diffusers_backend(setting, base, HALF)
    networks = lambda: [backend._cast_unet or backend.unet, *(text.model for text in backend.texts.values())]  # noqa: E731
    figures = _steps(setting, backend, config.with_settings(precision=precision), networks)
    return {**figures, "through": "diffusers", "recomputes": config.low_memory}


def _steps(setting: Setting, backend: DiffusionBackend, config: TrainConfig, networks: Any) -> dict[str, Any]:
    """Bytes and seconds of steps after the first ones, which allocate what later ones use again."""
    device, first, count = backend.device, *((1, 1) if setting.short else (2, 10))
    with made_run(setting, backend, config) as run:
        steps = iter(run)
        take(steps, first, device)
        seconds = take(steps, count, device)
        found = memory_of_steps(lambda: next(steps), device)
        weights = bytes_of(*networks())
    beside = found["peak"] - found["before"]
    # What else lies there, the VAE above all, is not part of the estimate.
    return {
        "seconds_per_step": seconds,
        "weights": weights,
        "beside": beside,
        "training": weights + beside,
        "others": found["before"] - weights,
        "peak": found["peak"],
    }


def _row(setting: Setting, what: str, base: str, dtype: str, low_memory: bool, figures: dict[str, Any]) -> Row:
    limits = [row.goal for row in ROWS if row[:4] == (base, HALF, TYPES[dtype], low_memory)]
    measured = f"{figures['training'] / GB:.2f} GB, {figures['beside'] / GB:.2f} beside the weights"
    if "estimate" in figures:
        figures["of_the_estimate"] = figures["training"] / figures["estimate"]
        measured += (
            f"; estimate {figures['estimate'] / GB:.2f}, {figures['estimate_beside'] / GB:.2f} beside: measured "
            f"{figures['of_the_estimate']:.2f} of it"
        )
    else:
        measured += "; through diffusers, without an estimate, as there is no ComfyUI"
    measured += f"; {1e3 * figures['seconds_per_step']:.0f} ms a step, whole peak {figures['peak'] / GB:.2f} GB"
    if figures["recomputes"] and not low_memory:
        measured += "; low memory by itself, as there is too little for more"
    goals = [f"at most {limit:g} GB" for limit in limits]
    met = all(figures["training"] <= limit * GB for limit in limits)
    if "of_the_estimate" in figures:
        goals.append(f"at most {MARGIN:g} of the estimate")
        met = met and figures["of_the_estimate"] <= MARGIN
    return Row(
        what=what,
        measured=measured,
        figures=figures,
        goal=", ".join(goals),
        met=None if setting.short or not goals else met,
    )
