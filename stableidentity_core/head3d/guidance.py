"""Where a frozen diffusion model wants latents to go: interval score matching and score distillation.

Written for models of the noise; of what a v model predicts, the noise that it implies is taken.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..backends.guidance import perp_neg_prediction
from ..backends.objective import VariancePreserving
from ..backends.protocol import Conditioning, DiffusionBackend
from ..errors import WrongModelError
from .settings import HeadSettings
from .view_prompts import Prompted, repeated

STRENGTH = 0.1  # of the gradient, as published; with Adam, it only counts against the other losses
FIRST_DELTA = 100  # of the interval while the highest level is raised
INVERSION_STEPS = 5  # at most
SHARED_NOISE = 0.1  # of the part of ISM's noise that all pixels and views share


@dataclass(frozen=True, kw_only=True)
class Levels:
    """The two noise levels of a step: ISM compares both, SDS has the higher one only."""

    low: int
    high: int


def check_objective(backend: DiffusionBackend) -> None:
    """Raise WrongModelError unless the model predicts noise or v on a noise schedule of DDPM."""
    if not isinstance(backend.objective, VariancePreserving):
        raise WrongModelError(
            f"The model predicts {backend.objective.name}; heads in 3D need a model that predicts epsilon or "
            "v_prediction. Use SD1.5 or SD2.x."
        )


def draw_levels(settings: HeadSettings, levels: int, step: int, generator: torch.Generator) -> Levels:
    """The levels of a step, of a table of `levels`; one draw for all views."""
    warm = max(0.0, 1 - step / (settings.warm_up * settings.steps)) if settings.warm_up else 0.0
    lowest, highest = (int(share * levels) for share in settings.noise_levels)
    highest = min(highest + int(settings.extra_levels * levels * warm), levels - 1)
    high = int(torch.randint(min(lowest, highest), highest + 1, (1,), generator=generator))
    delta = int(settings.delta + math.ceil(warm * (FIRST_DELTA - settings.delta)))
    return Levels(low=max(high - delta * levels // 1000, 0), high=high)


def inversion_levels(low: int, stride: int) -> list[int]:
    """The levels over which ISM goes up to `low`, where it ends; the first is where the latents are noised to."""
    level = max(low - stride * INVERSION_STEPS, 0)
    return [*range(level, low, stride), low]


@torch.no_grad()
def wanted_change(
    backend: DiffusionBackend,
    latents: Tensor,
    prompted: Prompted,
    empty: Conditioning,
    settings: HeadSettings,
    levels: Levels,
    generator: torch.Generator,
) -> Tensor:
    """How much of latents [V, C, h, w] the model sees as too much: sigma / signal (prediction - target), [V, C, h, w].

    What is wanted is the latents minus this. Both methods draw as many random numbers.
    """
    noise = torch.randn(latents.shape, generator=generator)
    shared = torch.randn(1, latents.shape[1], 1, 1, generator=generator)
    if settings.guidance == "sds":
        target = noise.to(latents)
        noised = backend.objective.add_noise(latents, target, _times(latents, levels.high))
    else:
        noise = (noise + SHARED_NOISE * shared).to(latents)
        noised, target = invert(backend, latents, noise, empty, levels, settings.inversion_stride)
    backend.check_cancelled()
    times = _times(latents, levels.high)
    output = perp_neg_prediction(
        backend, noised, times, prompted.positive, prompted.negative, prompted.avoided, settings.cfg
    )
    prediction = backend.objective.predicted_noise(output, noised, times)
    objective = backend.objective
    return objective.sigma[levels.high] / objective.signal[levels.high] * (prediction - target)


def invert(
    backend: DiffusionBackend, latents: Tensor, noise: Tensor, empty: Conditioning, levels: Levels, stride: int
) -> tuple[Tensor, Tensor]:
    """Latents [V, C, h, w] at the high level by DDIM inversion without a prompt, and the noise seen at the low one."""
    path = inversion_levels(levels.low, stride)
    prompt = repeated(empty, len(latents))
    noised = backend.objective.add_noise(latents, noise, _times(latents, path[0]))
    for level, following in zip(path, [*path[1:], levels.high], strict=True):
        backend.check_cancelled()
        times = _times(latents, level)
        output = backend.predict(noised, times, prompt)
        noise = backend.objective.predicted_noise(output, noised, times)
        picture = backend.objective.predicted_z0(output, noised, times)
        noised = backend.objective.add_noise(picture, noise, _times(latents, following))
    return noised, noise


def _times(like: Tensor, level: int) -> Tensor:
    return torch.full((len(like),), level, device=like.device)
