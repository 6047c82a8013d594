"""The masked two-phase diffusion loss (Sec. 3.3, Eq. 5 and 6)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from einops import reduce
from torch import Tensor, where

from ..backends.latents import LatentFormat
from ..backends.objective import Objective
from ..shapes import check_shape
from .config import LossArea, TrainConfig


@dataclass(frozen=True, kw_only=True, eq=False)
class NoisedBatch:
    """One noised batch and what the loss compares."""

    z0: Tensor  # [B, C, h, w] scaled latents
    z_t: Tensor  # [B, C, h, w]
    noise: Tensor  # [B, C, h, w]
    times: Tensor  # [B] int64, see `Objective`
    face_mask: Tensor  # [B, 1, h, w]
    hair_mask: Tensor  # [B, 1, h, w]


def masked_mse(difference: Tensor, mask: Tensor, area: LossArea = "canvas") -> Tensor:
    """Mean square of a masked difference, one value per sample.

    Args:
        difference: [B, C, h, w].
        mask: [B, 1, h, w] in 0..1.
        area: take the mean over the whole `canvas`, or over the `mask` (0 where it is empty).
    """
    sizes = check_shape(difference, "b c h w", "difference")
    check_shape(mask, "b 1 h w", "mask", b=sizes["b"], h=sizes["h"], w=sizes["w"])
    per_sample = reduce((difference * mask).square(), "b c h w -> b", "mean")
    if area == "mask":
        per_sample = per_sample / reduce(mask.square(), "b 1 h w -> b", "mean").clamp(min=1e-8)
    return per_sample


def two_phase_loss(
    draw: NoisedBatch,
    output: Tensor,  # [B, C, h, w], the model's prediction
    *,
    objective: Objective,
    latents: LatentFormat,
    config: TrainConfig,
) -> Tensor:  # [B]
    """Noise loss for t >= alpha T, reconstruction of z0 below (Eq. 6), face mask plus weighted hair mask."""
    noise_error = objective.noise_error(output, draw.z0, draw.noise, draw.times)
    z0_error = objective.predicted_z0(output, draw.z_t, draw.times) - draw.z0
    if config.reconstruction_latents == "unscaled":
        z0_error = z0_error / latents.error_scale
    noise_phase = objective.in_noise_phase(draw.times, config.alpha)
    error = where(noise_phase.view(-1, 1, 1, 1), noise_error, z0_error)
    face = masked_mse(error, draw.face_mask, config.loss_area)
    hair = masked_mse(error, draw.hair_mask, config.loss_area)
    return face + config.hair_weight * hair


def phase_losses(losses: Tensor, times: Tensor, objective: Objective, alpha: float) -> Tensor:  # [2]
    """The mean of the losses [B] in the noise phase and that of the rest; NaN for a phase without a sample."""
    noise_phase = objective.in_noise_phase(times, alpha)
    return torch.stack([where(phase, losses, 0).sum() / phase.sum() for phase in (noise_phase, ~noise_phase)])
