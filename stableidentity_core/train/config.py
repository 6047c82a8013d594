"""Settings of a training; the defaults are the paper's, and each other method has its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, get_args

from ..backends.compute import PRECISIONS, Compute, Precision
from ..errors import StableIdentityError
from ..methods.registry import DEFAULT, get_method
from ..methods.settings import complete

ReconstructionLatents = Literal["unscaled", "scaled"]
LossArea = Literal["canvas", "mask"]
Augmentation = Literal["published", "none"]
RateSchedule = Literal["constant", "cosine"]


MAX_SIDE = 4096  # pixels; several times what any Stable Diffusion was made for
_WHOLE = {
    "steps": (1, 10_000_000),
    "batch_size": (1, 4096),
    "seed": (-(2**63), 2**64 - 1),  # that torch's generators take
    "cached_views": (0, 100_000),
}
_NUMBERS: Mapping[str, tuple[Callable[[float], bool], str]] = {
    "learning_rate": (lambda value: 0 < value <= 1, "above 0 and at most 1"),
    "alpha": (lambda value: 0 <= value <= 1, "between 0 and 1"),
    "hair_weight": (lambda value: 0 <= value < math.inf, "0 or more, and finite"),
    "weight_decay": (lambda value: 0 <= value < math.inf, "0 or more, and finite"),
    "beta1": (lambda value: 0 <= value < 1, "0 or more, below 1"),
    "beta2": (lambda value: 0 <= value < 1, "0 or more, below 1"),
    "max_grad_norm": (lambda value: value > 0, "above 0"),
}
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "reconstruction_latents": get_args(ReconstructionLatents),
    "loss_area": get_args(LossArea),
    "augmentation": get_args(Augmentation),
    "rate_schedule": get_args(RateSchedule),
    "precision": PRECISIONS,
}


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How to learn a person.

    The defaults are StableIdentity's; `default_config` gives those of the other methods.

    Attributes:
        method: how words come from a face, a name in `stableidentity_core.methods.METHODS`.
        method_settings: values of the method's own settings; its defaults where none is given.
        steps: optimiser steps (paper: 450).
        learning_rate: of AdamW (paper: 5e-5).
        batch_size: augmented views per step (paper: 1).
        seed: of the initial projector and of all draws.
        resolution: side of the training image in pixels, a multiple of 8 (SD2.1-base: 512).
        alpha: where the phases part, as a share of the schedule: noise loss for t >= alpha T,
            z0 reconstruction loss below (paper: 0.6, Eq. 6).
        hair_weight: weight of the hair mask beside the face mask (paper: 0.1).
        reconstruction_latents: `unscaled` takes the reconstruction loss on the VAE's own latents,
            as the published code does, which weighs it 1 / 0.18215^2 = 30 times more than `scaled`.
        loss_area: `canvas` takes means over all latent pixels, as published; `mask` over the
            masked ones only, which makes the loss independent of the size of the face.
        augmentation: `published` shows the photo jittered in colour, mirrored, cropped, and shrunk onto
            black, anew at each step; `none` shows it as it is (the paper's text has no augmentation).
        cached_views: views that are made and encoded once and then drawn from, their latents sampled anew at each
            step; 0 makes fresh ones at each step, as published, at the cost of the VAE encoder in every step.
        rate_schedule: `constant` keeps the learning rate (paper); `cosine` lets it fall to 0 over the steps.
        weight_decay, beta1, beta2, max_grad_norm: of AdamW and gradient clipping.
        precision: `auto` computes diffusion model and text encoder in bf16 on a GPU that is faster with it, in fp16
            on one that lacks bf16 (V100, T4, RTX 20), and in the model's own type on a CPU. `model` is always the
            model's own type, `bf16` and `fp16` are always these; words, latents and loss are float32 in each case.
        low_memory: keep no activations inside the networks' blocks: less memory, for up to half more time. The
            words are the same but for rounding. Without it, ComfyUI's nodes do so where memory is too short.
    """

    method: str = DEFAULT
    method_settings: Mapping[str, Any] = field(default_factory=dict)
    steps: int = 450
    learning_rate: float = 5e-5
    batch_size: int = 1
    seed: int = 0
    resolution: int = 512
    alpha: float = 0.6
    hair_weight: float = 0.1
    reconstruction_latents: ReconstructionLatents = "unscaled"
    loss_area: LossArea = "canvas"
    augmentation: Augmentation = "published"
    cached_views: int = 0
    rate_schedule: RateSchedule = "constant"
    weight_decay: float = 1e-2
    beta1: float = 0.9
    beta2: float = 0.999
    max_grad_norm: float = 1.0
    precision: Precision = "auto"
    low_memory: bool = False

    def __post_init__(self):
        for name, (low, high) in _WHOLE.items():
            value = getattr(self, name)
            _require(name, value, _is_whole(value) and low <= value <= high, f"a whole number from {low} to {high:,}")
        side = self.resolution
        fits = _is_whole(side) and 64 <= side <= MAX_SIDE and side % 8 == 0
        _require("resolution", side, fits, f"a multiple of 8 from 64 to {MAX_SIDE}")
        for name, (fits_in, needed) in _NUMBERS.items():
            value = getattr(self, name)
            _require(name, value, _is_number(value) and fits_in(value), needed)
        for name, choices in _CHOICES.items():
            value = getattr(self, name)
            _require(name, value, isinstance(value, str) and value in choices, f"one of {choices}")
        _require("low_memory", self.low_memory, isinstance(self.low_memory, bool), "true or false")
        own = complete(get_method(self.method).settings, self.method_settings, self.method)
        object.__setattr__(self, "method_settings", own)

    def as_dict(self) -> dict[str, Any]:
        """All settings side by side, the method's own among them, under the names that files have."""
        general = {name: value for name, value in vars(self).items() if name != "method_settings"}
        return {_IN_FILES.get(name, name): value for name, value in general.items()} | dict(self.method_settings)

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> TrainConfig:
        """The inverse of `as_dict`; settings that are not given have their defaults.

        Raises:
            StableIdentityError: a setting that is not known, or a value that it cannot have.
        """
        names = {in_files: name for name, in_files in _IN_FILES.items()}
        return cls().with_settings(**{names.get(name, name): value for name, value in settings.items()})

    def with_settings(self, **values: Any) -> TrainConfig:
        """A copy with other values of general settings and of the method's own."""
        own = {name: value for name, value in values.items() if name not in _GENERAL}
        general = {name: value for name, value in values.items() if name in _GENERAL}
        changed = general.get("method", self.method) != self.method  # another method has other settings
        return replace(self, method_settings={**({} if changed else self.method_settings), **own}, **general)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _require(name: str, value: Any, fits: bool, needed: str) -> None:
    if not fits:
        raise StableIdentityError(f"{name} is {value!r:.60}, needed {needed}.")


_GENERAL = {setting.name for setting in fields(TrainConfig)}
_IN_FILES = {"cached_views": "view_pool"}  # names that headers and checkpoints have had from the beginning
METHOD_DEFAULTS = ("steps", "learning_rate", "batch_size", "alpha")  # in which the methods differ


def default_config(method: str = DEFAULT, **values: Any) -> TrainConfig:
    """The default settings of a method: its publication's where they are known, else those of StableIdentity.

    Args:
        values: other values of general settings and of the method's own.

    Raises:
        StableIdentityError: no such method or setting, or a value that it cannot have.
    """
    return TrainConfig(method=method, **get_method(method).defaults).with_settings(**values)


def non_default_settings(config: TrainConfig) -> str:
    """The settings that differ from the method's defaults, in words; empty if there are none."""
    own = default_config(config.method)
    differing = [name for name in METHOD_DEFAULTS if getattr(config, name) != getattr(own, name)]
    return ", ".join(f"{name} {getattr(config, name):g} (default: {getattr(own, name):g})" for name in differing)


def compute_settings(config: TrainConfig) -> Compute:
    """How the settings want the model to compute."""
    return Compute(precision=config.precision, low_memory=config.low_memory)
