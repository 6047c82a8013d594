"""The widgets of Head 3D Settings, in the order that saved workflows rely on."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..stableidentity_core.head3d.settings import CHOICES, PRESETS, RANGES, WHOLE, HeadSettings, with_preset
from .types import advanced

TOOLTIPS = {
    "resolution": "Side of the pictures in pixels: the model's native resolution. SD1.5 and SD2.1-base: 512. The mini "
    "world: 128.",
    "views": "Pictures per step.",
    "guidance": "ism: interval score matching, clear and detailed. sds: score distillation, a third of the passes "
    "through the model, smoother.",
    "gradient": "latent: back through the VAE's encoder, as published. pixel: towards decoded pictures, with half of "
    "the memory.",
    "fits": "Updates of the Gaussians for each wanted picture; above 1 only with gradient pixel. More make each step "
    "count more.",
    "cfg": "Strength of the prompt. High values burn colours.",
    "view_prompts": "Give front, side and back views prompts of their own, with Perp-Neg, against a second face on the "
    "back. Off for models that know no such words, as the mini world.",
    "backdrop": "Behind the head while it is made. random: white, black and colours. learned: one colour, learned with "
    "it; for views from the front.",
    "rasteriser": "auto: gsplat if its compiled module is installed and a GPU computes, otherwise torch. Both give the "
    "same pictures.",
    "azimuth": "Views come from this many degrees to either side of the front; 180 is all around. With the presets "
    "paper and quick, later steps see the head from further round.",
    "elevation_from": "Lowest camera, in degrees above the middle of the head.",
    "elevation_to": "Highest camera, in degrees above the middle of the head.",
    "points": "Gaussians at the start.",
    "most_points": "Gaussians at most. Each takes about 2 KB.",
    "densify_every": "Steps between splitting Gaussians where detail is missing and dropping those that nobody sees; 0 "
    "for never.",
    "rate": "Factor of the learning rates of all but opacities. Higher for fewer steps.",
    "delta": "Distance of the two noise levels that ism compares, of 1,000.",
    "inversion_stride": "Noise levels per step of the inversion of ism: lower is more exact and slower.",
    "smoothness": "Weight of smooth pictures and depths.",
    "clearness": "Weight against half-covered pixels: a haze around the head, and holes in it.",
}
MAIN = 10  # the first of TOOLTIPS are shown, the others are advanced


def widgets_of(defaults: HeadSettings) -> list[io.Input]:
    """The preset, and widgets, two for a range; Head 3D has those of steps and seed."""
    made = [_widget(name, tooltip, defaults) for name, tooltip in TOOLTIPS.items()]
    return [_preset(defaults), *made[:MAIN]] + [advanced(widget) for widget in made[MAIN:]]


def _preset(defaults: HeadSettings) -> io.Input:
    """The frontend reads the settings of the presets here, see web/preset_settings.js."""
    steps = ", ".join(f"{name} {with_preset(defaults, name).steps:,}" for name in PRESETS)
    widget = io.Combo.Input(
        "preset",
        options=list(PRESETS),
        default=next(iter(PRESETS)),
        tooltip="Choosing one writes its settings into the widgets. It also gives those that have no widget here, such "
        f"as the cameras' distances. Set its steps in Head 3D: {steps}.",
    )
    widget.extra_dict["preset_settings"] = {name: _values(with_preset(defaults, name)) for name in PRESETS}
    return widget


def _values(settings: HeadSettings) -> dict[str, object]:
    """Of all widgets but the preset's."""
    return {name: _value(name, settings) for name in TOOLTIPS}


def _value(name: str, settings: HeadSettings) -> Any:
    setting, _, end = _parts(name)
    value = getattr(settings, setting)
    return value[0 if end == "from" else 1] if end else value


def _parts(name: str) -> tuple[str, str, str]:
    """Setting and end of a range, such as elevation and from."""
    return name.rpartition("_") if name.endswith(("_from", "_to")) else (name, "", "")


def _widget(name: str, tooltip: str, defaults: HeadSettings) -> io.Input:
    setting, value = _parts(name)[0], _value(name, defaults)
    if setting in CHOICES:
        return io.Combo.Input(name, options=list(CHOICES[setting]), default=value, tooltip=tooltip)
    if isinstance(value, bool):
        return io.Boolean.Input(name, default=value, tooltip=tooltip)
    low, high = RANGES[setting]
    if setting in WHOLE:
        step = 8 if setting == "resolution" else 1
        return io.Int.Input(name, default=value, min=int(low), max=int(high), step=step, tooltip=tooltip)
    return io.Float.Input(name, default=value, min=low, max=high, step=0.01, round=0.001, tooltip=tooltip)
