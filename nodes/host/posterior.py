"""What the host's VAE says of pictures before it settles on one latent."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def posterior_of(vae: Any, images: Tensor) -> tuple[Tensor, Tensor | None]:
    """Images [B, H, W, 3] in 0..1 -> mean and deviation [B, C, h, w]; None where the VAE has no posterior (TAESD)."""
    stage = vae.first_stage_model
    original = getattr(stage, "regularization", None)
    if not type(original).__name__.startswith("DiagonalGaussian"):
        return vae.encode(images), None
    moments = _Moments()
    stage.regularization = moments
    try:
        mean = vae.encode(images)
        if sum(map(len, moments.deviations)) == len(mean) and moments.deviations[0].shape[1:] == mean.shape[1:]:
            return mean, torch.cat(moments.deviations).to(mean)
        moments.wanted = "deviation"  # the host was short of memory and encoded tiles, which it alone can join
        return mean, vae.encode(images)
    finally:
        stage.regularization = original


class _Moments(nn.Module):
    """Stands in for the VAE's regulariser: moments [B, 2C, h, w] -> their means, or deviations, [B, C, h, w]."""

    wanted = "mean"

    def __init__(self):
        super().__init__()
        self.deviations: list[Tensor] = []

    def forward(self, moments: Tensor) -> tuple[Tensor, None]:
        mean, log_variance = moments.chunk(2, dim=1)
        deviation = (0.5 * log_variance.clamp(-30, 20)).exp()
        self.deviations.append(deviation)
        return (mean if self.wanted == "mean" else deviation), None
