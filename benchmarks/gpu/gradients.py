"""How far the direction of a gradient in 16 bits is from that in float32, in networks of full size."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch

from stableidentity_core.backends import Compute
from stableidentity_core.backends.compute import Precision
from stableidentity_core.train.exact_arithmetic import exact_arithmetic
from stableidentity_core.train.gradient_check import LATENT_SIDE, GradientProbe

from .job import Row, Setting
from .models import diffusers_backend, host_module, host_trio

GOAL = 0.999
SIDES = (LATENT_SIDE, 64)  # of the check before a training, and of one at 512 pixels
PRECISIONS: tuple[Precision, ...] = ("bf16", "fp16")


def measure(setting: Setting) -> Iterator[Row]:
    """SD2.1 in ComfyUI's adapter with fp16 weights, or without it in diffusers' with fp32 weights."""
    with _backend(setting) as (backend, exactly):
        for side in SIDES[:1] if setting.short else SIDES:
            probe = GradientProbe(backend, side)
            with exact_arithmetic(), exactly():
                exact = probe.direction().double().cpu()
            for precision in PRECISIONS:
                yield _row(setting, backend, probe, exact, side, precision)


def _row(
    setting: Setting, backend: Any, probe: GradientProbe, exact: torch.Tensor, side: int, precision: Precision
) -> Row:
    what = f"{precision} at {side * backend.latents.factor} pixels"
    goal, met = f"cosine above {GOAL}", None
    try:
        with backend.computing(Compute(precision=precision)):
            rough = probe.direction().double().cpu()
    except Exception as error:  # a device without this type; the other one is measured all the same
        return Row(what=what, reason=f"{type(error).__name__}: {error}", goal=goal)
    cosine = torch.nn.functional.cosine_similarity(rough, exact, dim=0).item()
    if not setting.short:
        met = cosine > GOAL
    through = "diffusers, as there is no ComfyUI" if setting.host is None else "ComfyUI"
    figures = {"cosine": cosine, "through": through}
    return Row(what=what, measured=f"cosine {cosine:.6f}, through {through}", figures=figures, goal=goal, met=met)


@contextmanager
def _backend(setting: Setting) -> Iterator[tuple[Any, Any]]:
    """A backend, and a context in which it computes in float32."""
    if setting.host is None:
        backend = diffusers_backend(setting, "sd21", torch.float32)
        yield backend, lambda: _as_loaded(backend)
        return
    adapter = host_module(setting, "nodes.host.backend")
    with adapter.comfy_backend(*host_trio(setting, "sd21")) as backend:
        yield backend, backend.computing_exactly


def _as_loaded(backend: Any) -> AbstractContextManager[None]:
    return backend.computing(Compute())
