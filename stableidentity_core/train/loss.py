"""The masked two-phase diffusion loss (Sec. 3.3, Eq. 5 and 6)."""

from __future__ import annotations

from dataclasses import dataclass

from einops import reduce
from torch import Tensor, where

from ..backends.objective import predicted_z0, target
from ..backends.protocol import Prediction
from ..shapes import check_shape
from .config import LossArea, TrainConfig


@dataclass(frozen=True, kw_only=True, eq=False)
class Draw:
    """One noised batch and what the loss compares."""

    z0: Tensor  # [B, C, h, w] scaled latents
    z_t: Tensor  # [B, C, h, w]
    noise: Tensor  # [B, C, h, w]
    timesteps: Tensor  # [B] int64
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
    draw: Draw,
    output: Tensor,  # [B, C, h, w], the model's prediction
    *,
    prediction: Prediction,
    alphas_cumprod: Tensor,
    latent_scale: float,
    config: TrainConfig,
) -> Tensor:  # [B]
    """Noise loss for t >= alpha T, reconstruction of z0 below (Eq. 6), face mask plus weighted hair mask."""
    noise_error = output - target(prediction, draw.z0, draw.noise, alphas_cumprod, draw.timesteps)
    z0_error = predicted_z0(prediction, output, draw.z_t, alphas_cumprod, draw.timesteps) - draw.z0
    if config.reconstruction_latents == "unscaled":
        z0_error = z0_error / latent_scale
    noise_phase = draw.timesteps >= config.alpha * len(alphas_cumprod)
    error = where(noise_phase.view(-1, 1, 1, 1), noise_error, z0_error)
    face = masked_mse(error, draw.face_mask, config.loss_area)
    hair = masked_mse(error, draw.hair_mask, config.loss_area)
    return face + config.hair_weight * hair
