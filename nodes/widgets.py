"""Widgets that the training nodes share: same name, same range, own default and explanation."""

from __future__ import annotations

from comfy_api.latest import io


def learning_rate(default: float, tooltip: str) -> io.Input:
    return io.Float.Input("learning_rate", default=default, min=1e-7, max=1.0, step=1e-6, round=1e-8, tooltip=tooltip)


def seed(tooltip: str) -> io.Input:
    return io.Int.Input(
        "seed",
        default=0,
        min=0,
        max=0xFFFFFFFFFFFFFFFF,
        control_after_generate=False,  # a new seed at each queueing would train each time
        tooltip=tooltip,
    )


def resolution(default: int) -> io.Input:
    return io.Int.Input(
        "resolution",
        default=default,
        min=64,
        max=2048,
        step=8,
        tooltip="Side of the training picture: what the model was made for. SD1.5 and SD2.1-base: 512. SD2.1: 768. "
        "SDXL: 1024.",
    )


def hair_weight(default: float, tooltip: str) -> io.Input:
    return io.Float.Input("hair_weight", default=default, min=0.0, max=10.0, step=0.05, tooltip=tooltip)


def preview_every(default: int) -> io.Input:
    return io.Int.Input(
        "preview_every", default=default, min=0, max=1000, tooltip="Steps between preview pictures; 0 for none."
    )
