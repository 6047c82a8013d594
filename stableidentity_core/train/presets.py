"""Named settings of StableIdentity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Literal

from ..errors import StableIdentityError
from ..methods.registry import DEFAULT
from .config import TrainConfig

Preset = Literal["paper", "fast"]
_FREE = ("method", "method_settings", "seed", "resolution", "precision", "low_memory")  # which no preset decides

# Measured in the mini world (benchmarks/README.md): a fifth of the paper's steps, and a better likeness.
_FAST: Mapping[str, Any] = {"steps": 100, "learning_rate": 2e-4, "augmentation": "none", "cached_views": 1}
PRESETS: Mapping[Preset, Mapping[str, Any]] = {
    "paper": {field.name: field.default for field in fields(TrainConfig) if field.name not in _FREE}
    | dict(TrainConfig().method_settings),
    "fast": _FAST,
}


def with_preset(config: TrainConfig, preset: Preset) -> TrainConfig:
    """The settings with the values of a preset; settings that it does not contain stay as they are.

    `paper` decides all but seed, size and way of computing. `fast` takes the photo as it is and fewer, larger steps.

    Raises:
        StableIdentityError: settings of another method, or no such preset.
    """
    if preset not in PRESETS:
        raise StableIdentityError(f"preset is {preset!r}, needed one of {', '.join(PRESETS)}.")
    if config.method != DEFAULT:
        raise StableIdentityError(
            f"The preset {preset} is of {DEFAULT}, the method is {config.method}, which has its own settings. "
            f"Choose no preset, or the method {DEFAULT}."
        )
    return config.with_settings(**PRESETS[preset])


def check_preset(config: TrainConfig, preset: Preset) -> None:
    """Raise unless the settings are those of the preset.

    Raises:
        StableIdentityError: names what differs; or as `with_preset`.
    """
    given, wanted = config.as_dict(), with_preset(config, preset).as_dict()
    if differing := [name for name in wanted if given[name] != wanted[name]]:
        shown = ", ".join(f"{name} {given[name]} (preset: {wanted[name]})" for name in differing)
        raise StableIdentityError(
            f"The preset is {preset}, and these settings are not its own: {shown}. Set preset to custom to use them as "
            "they are, or give them the preset's values, as choosing it in the node does."
        )


def describe_preset(preset: Preset) -> str:
    """The settings of a preset, in words."""
    return ", ".join(f"{name} {value}" for name, value in PRESETS[preset].items())
