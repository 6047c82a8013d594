"""Widgets shared by the training nodes: same name and range, each with its own default and tooltip."""

from __future__ import annotations

from comfy_api.latest import io

from ..stableidentity_core.backends.compute import PRECISIONS
from ..stableidentity_core.train import TrainConfig
from .types import advanced

PAPER = TrainConfig()


def learning_rate(default: float, tooltip: str) -> io.Input:
    return io.Float.Input("learning_rate", default=default, min=1e-7, max=1.0, step=1e-6, round=1e-8, tooltip=tooltip)


def seed(tooltip: str) -> io.Input:
    return io.Int.Input(
        "seed",
        default=0,
        min=0,
        max=0xFFFFFFFFFFFFFFFF,
        control_after_generate=False,  # a new seed for each queued prompt would always train again
        tooltip=tooltip,
    )


def resolution(default: int) -> io.Input:
    return io.Int.Input(
        "resolution",
        default=default,
        min=64,
        max=2048,
        step=8,
        tooltip="Side of the training image: the model's native resolution. SD1.5 and SD2.1-base: 512. SD2.1: 768. "
        "SDXL: 1024.",
    )


def hair_weight(default: float, tooltip: str) -> io.Input:
    return io.Float.Input("hair_weight", default=default, min=0.0, max=10.0, step=0.05, tooltip=tooltip)


def preview_every(default: int) -> io.Input:
    return io.Int.Input(
        "preview_every", default=default, min=0, max=1000, tooltip="Steps between preview images; 0 for none."
    )


def computing() -> list[io.Input]:
    """Precision and memory settings; optional, because older saved prompts lack them."""
    settings = [
        io.Combo.Input(
            "precision",
            options=list(PRECISIONS),
            default=PAPER.precision,
            optional=True,
            tooltip="auto: bf16 on GPUs that are faster with it, fp16 on those that lack it (V100, T4, RTX 20), the "
            "model's own type on a CPU. model: always the model's own type. bf16, fp16: always. Words and loss are "
            "always fp32.",
        ),
        io.Boolean.Input(
            "low_memory",
            default=PAPER.low_memory,
            optional=True,
            tooltip="Gradient checkpointing: parts of the network are computed twice instead of being kept, up to 50 % "
            "slower. Off: only if the device has too little memory otherwise. On: always.",
        ),
    ]
    return [advanced(setting) for setting in settings]
