"""The widgets of StableIdentity Train, in the order that saved workflows rely on."""

from __future__ import annotations

from typing import get_args

from comfy_api.latest import io

from ..stableidentity_core.methods import METHODS, Setting
from ..stableidentity_core.methods.registry import DEFAULT
from ..stableidentity_core.train import TrainConfig, default_config
from ..stableidentity_core.train.config import METHOD_DEFAULTS, Augmentation, LossArea, ReconstructionLatents
from ..stableidentity_core.train.pictures import MOST, PERSON
from ..stableidentity_core.train.presets import PRESETS, Preset, describe_preset
from ..stableidentity_core.train.scoring import EVERY, KEEPS, LAST
from . import widgets
from .types import TRIGGER_TOOLTIP, advanced

PAPER = TrainConfig()
PEOPLE_AT_ONCE = 8
PREVIEW_EVERY = 10
PICTURES = 1
PICTURE_PROMPT = f"a photo of {PERSON}"
SHOWN: Preset = "paper"  # what a new node shows: the defaults of all widgets
CUSTOM = "custom"
# Whose settings come before the widgets that were added later: workflows store values by position.
FIRST_METHODS = ("stableidentity", "celeb_basis", "textual_inversion")


def train_settings() -> list[io.Input]:
    """All widgets. The frontend shows required ones first, so those that most people need are required."""
    further = [
        widgets.preview_every(PREVIEW_EVERY),
        *_further_settings(),
        *widgets.computing(),
        _people_at_once(),
        *_settings_of(*FIRST_METHODS),
        *_scoring(),
        *_settings_of(*(method for method in METHODS if method not in FIRST_METHODS)),
    ]
    return [_preset(), _method(), *_main_settings(), *_pictures(), *map(_further, further)]


def _further(widget: io.Input) -> io.Input:
    widget.optional = True
    return advanced(widget)


def _main_settings() -> list[io.Input]:
    return [
        io.String.Input(
            "trigger",
            default="person-1",
            tooltip=TRIGGER_TOOLTIP + " For several people, separate with commas: anna, ben.",
        ),
        io.Int.Input("steps", default=PAPER.steps, min=1, max=100_000, tooltip="Training steps (paper: 450)."),
        widgets.learning_rate(PAPER.learning_rate, "Learning rate of AdamW (paper: 0.00005)."),
        widgets.seed("Determines the initial weights and all random draws: the same seed gives the same words."),
        widgets.hair_weight(
            PAPER.hair_weight,
            "Loss weight of the hair, relative to the face (paper: 0.1). Higher values keep more of the haircut; no "
            "effect without a hair mask.",
        ),
        io.Boolean.Input(
            "force_retrain", default=False, tooltip="Train every time it is queued, even if the result is stored."
        ),
    ]


def _pictures() -> list[io.Input]:
    return [
        io.Int.Input(
            "pictures",
            default=PICTURES,
            min=0,
            max=MOST,
            optional=True,  # missing in older saved prompts
            tooltip="How many pictures of the person are painted by ComfyUI's sampler in the course of the training, "
            "evenly spread over the steps, the last one at its end. What is learned does not change by it. 0: none.",
        ),
        io.String.Input(
            "picture_prompt",
            default=PICTURE_PROMPT,
            optional=True,
            tooltip=f"What is painted; {PERSON} is the person who is learned, and for several people each in turn.",
        ),
    ]


def _further_settings() -> list[io.Input]:
    return [
        io.Int.Input("batch_size", default=PAPER.batch_size, min=1, max=64, tooltip="Views per step (paper: 1)."),
        widgets.resolution(PAPER.resolution),
        io.Float.Input(
            "alpha",
            default=PAPER.alpha,
            min=0.0,
            max=1.0,
            step=0.05,
            tooltip="Timesteps from this fraction of the schedule on use the noise loss, earlier ones the "
            "reconstruction loss (paper: 0.6).",
        ),
        io.Combo.Input(
            "reconstruction_latents",
            options=list(get_args(ReconstructionLatents)),
            default=PAPER.reconstruction_latents,
            tooltip="unscaled: as in the published code; the reconstruction loss weighs 30 times more. scaled: uses "
            "SD's scaled latents.",
        ),
        io.Combo.Input(
            "loss_area",
            options=list(get_args(LossArea)),
            default=PAPER.loss_area,
            tooltip="canvas: average over the whole image, as published. mask: over the masked area only.",
        ),
        io.Int.Input(
            "cached_views",
            default=PAPER.cached_views,
            min=0,
            max=4096,
            tooltip="Number of views that are augmented and encoded once, then sampled from: faster steps. 0: new "
            "views at each step, as published.",
        ),
        io.Combo.Input(
            "augmentation",
            options=list(get_args(Augmentation)),
            default=PAPER.augmentation,
            tooltip="published: random colour jitter, flip, crop and paste onto black at each step. "
            "none: the photo as it is.",
        ),
    ]


def _settings_of(*methods: str) -> list[io.Input]:
    """The settings that only one method has."""
    return [_widget(setting, method) for method in methods for setting in METHODS[method].settings]


def _widget(setting: Setting, method: str) -> io.Input:
    tooltip = f"For {method}. {setting.help}"
    if setting.choices:
        return io.Combo.Input(setting.name, options=list(setting.choices), default=setting.default, tooltip=tooltip)
    return io.Float.Input(
        setting.name,
        default=setting.default,
        min=setting.low,
        max=setting.high,
        step=(setting.high - setting.low) / 100,
        tooltip=tooltip,
    )


def _method() -> io.Input:
    """The frontend reads each method's own settings here, see web/preset_settings.js."""
    own = {method: {name: getattr(default_config(method), name) for name in METHOD_DEFAULTS} for method in METHODS}
    widget = io.Combo.Input(
        "method",
        options=list(METHODS),
        default=PAPER.method,
        tooltip="How the words are learned. Choosing a method sets steps, learning_rate, batch_size and alpha to its "
        "defaults. " + " ".join(f"{method}: {_values(values)}." for method, values in own.items()),
    )
    widget.extra_dict["method_settings"] = own
    return widget


def _people_at_once() -> io.Input:
    return io.Int.Input(
        "people_at_once",
        default=PEOPLE_AT_ONCE,
        min=1,
        max=64,
        tooltip="How many of several people are learned together; the rest follow in further groups. Higher values are "
        "faster per person; memory grows as with the batch size. No effect with one person.",
    )


def _scoring() -> list[io.Input]:
    return [
        io.Combo.Input(
            "keep",
            options=list(KEEPS),
            default=LAST,
            tooltip="Which step's words are the result. best: the step whose pictures the connected recogniser finds "
            "most similar to the photo. last: the last one. In the mini world, best was better with the preset paper, "
            "not measurably with fast.",
        ),
        io.Int.Input(
            "score_every",
            default=EVERY,
            min=1,
            max=100_000,
            tooltip="With a recogniser connected: every so many steps, and at the end, four pictures are painted and "
            "compared with the photo.",
        ),
    ]


def _preset() -> io.Input:
    """The frontend reads the settings of the presets here, see web/preset_settings.js."""
    widget = io.Combo.Input(
        "preset",
        options=[CUSTOM, *PRESETS],
        default=SHOWN,
        tooltip="Choosing one writes its settings into the widgets. paper: the paper's. "
        f"fast: {describe_preset('fast')}; in the mini world the likeness is as good as with the paper's 450 steps. "
        f"{CUSTOM}: your own; it comes by itself when you change a setting of the preset.",
    )
    widget.extra_dict["preset_settings"] = {name: {"method": DEFAULT, **values} for name, values in PRESETS.items()}
    return widget


def _values(settings: dict[str, float]) -> str:
    return ", ".join(f"{value:g}" for value in settings.values())
