"""The widgets of StableIdentity Train, in the order that saved workflows rely on."""

from __future__ import annotations

from typing import get_args

from comfy_api.latest import io

from ..stableidentity_core.methods import METHODS, Setting
from ..stableidentity_core.train import TrainConfig, default_config
from ..stableidentity_core.train.config import METHOD_DEFAULTS, Augmentation, LossArea, ReconstructionLatents
from ..stableidentity_core.train.presets import PRESETS, describe_preset
from . import widgets
from .types import advanced

PAPER = TrainConfig()
PEOPLE_AT_ONCE = 8
CUSTOM = "custom"


def train_settings() -> list[io.Input]:
    """All of them; new ones go to the end."""
    return [*_main_settings(), *_further_settings(), _method(), *widgets.computing(), _people_at_once(), _preset()]


def _main_settings() -> list[io.Input]:
    return [
        io.Int.Input("steps", default=PAPER.steps, min=1, max=100_000, tooltip="Training steps (paper: 450)."),
        widgets.learning_rate(PAPER.learning_rate, "Step size of AdamW (paper: 0.00005)."),
        widgets.seed("Decides the start and every draw: the same seed gives the same words."),
        widgets.hair_weight(
            PAPER.hair_weight,
            "Weight of the hair beside the face (paper: 0.1). Higher keeps the haircut more; without a hair mask it "
            "does nothing.",
        ),
        widgets.preview_every(10),
        io.Boolean.Input(
            "force_retrain", default=False, tooltip="Train at every queueing, even when the same work was done before."
        ),
    ]


def _further_settings() -> list[io.Input]:
    settings = [
        io.Int.Input("batch_size", default=PAPER.batch_size, min=1, max=64, tooltip="Views a step (paper: 1)."),
        widgets.resolution(PAPER.resolution),
        io.Float.Input(
            "alpha",
            default=PAPER.alpha,
            min=0.0,
            max=1.0,
            step=0.05,
            tooltip="Steps noisier than this share of the schedule learn the noise, the others the picture "
            "(paper: 0.6).",
        ),
        *_method_settings(),
        io.Combo.Input(
            "reconstruction_latents",
            options=list(get_args(ReconstructionLatents)),
            default=PAPER.reconstruction_latents,
            tooltip="unscaled: as the published code, the reconstruction weighs 30 times more. scaled: on SD's "
            "latents.",
        ),
        io.Combo.Input(
            "loss_area",
            options=list(get_args(LossArea)),
            default=PAPER.loss_area,
            tooltip="canvas: means over the whole picture, as published. mask: over the face only.",
        ),
        io.Int.Input(
            "cached_views",
            default=PAPER.cached_views,
            min=0,
            max=4096,
            optional=True,  # prompts saved before it came are without it
            tooltip="Views made and encoded once, then drawn from: faster steps. 0: fresh ones at each step, "
            "as published.",
        ),
        io.Combo.Input(
            "augmentation",
            options=list(get_args(Augmentation)),
            default=PAPER.augmentation,
            optional=True,
            tooltip="published: at each step the photo is jittered in colour, mirrored, cropped and shrunk onto black. "
            "none: the photo as it is.",
        ),
    ]
    return [advanced(setting) for setting in settings]


def _method_settings() -> list[io.Input]:
    """The settings that only one method has."""
    return [_widget(setting, kind.method) for kind in METHODS.values() for setting in kind.settings]


def _widget(setting: Setting, method: str) -> io.Input:
    tooltip = f"Of {method}. {setting.help}"
    if setting.choices:
        return io.Combo.Input(
            setting.name, options=list(setting.choices), default=setting.default, tooltip=tooltip, optional=True
        )
    return io.Float.Input(
        setting.name,
        default=setting.default,
        min=setting.low,
        max=setting.high,
        step=(setting.high - setting.low) / 100,
        tooltip=tooltip,
        optional=True,
    )


def _method() -> io.Input:
    """The frontend reads each method's own settings here, see web/method_defaults.js."""
    own = {method: {name: getattr(default_config(method), name) for name in METHOD_DEFAULTS} for method in METHODS}
    widget = io.Combo.Input(
        "method",
        options=list(METHODS),
        default=PAPER.method,
        optional=True,  # prompts saved before it came are without it
        tooltip="How the words are learned. Choosing one here puts steps, learning_rate, batch_size and alpha to its "
        "own values where they stand at those of the method before. "
        + " ".join(f"{method}: {_values(values)}." for method, values in own.items()),
    )
    widget.extra_dict["method_defaults"] = own
    return widget


def _people_at_once() -> io.Input:
    widget = io.Int.Input(
        "people_at_once",
        default=PEOPLE_AT_ONCE,
        min=1,
        max=64,
        optional=True,
        tooltip="Of several people so many are learned side by side; the others follow. More is faster for each and "
        "takes memory as so many times the batch size. One person is not affected.",
    )
    return advanced(widget)


def _preset() -> io.Input:
    return io.Combo.Input(
        "preset",
        options=[CUSTOM, *PRESETS],
        default=CUSTOM,
        optional=True,
        tooltip=f"{CUSTOM}: the widgets above. paper: the paper's settings, whatever the widgets say. fast: "
        f"{describe_preset('fast')}, whatever the widgets say; in the mini world "
        "it learns a likeness as good as the paper's 450 steps.",
    )


def _values(settings: dict[str, float]) -> str:
    return ", ".join(f"{value:g}" for value in settings.values())
