"""The latents of a diffusion model."""

from __future__ import annotations

from dataclasses import dataclass

SD_SCALE = 0.18215  # of SD1 and SD2


@dataclass(frozen=True, kw_only=True)
class LatentFormat:
    """How latents are made from a picture.

    Attributes:
        channels: C of latents [B, C, h, w].
        factor: pixels for each latent pixel and side.
        scale: the model's latents are the autoencoder's times this (0.18215 in SD1 and SD2).
        unscaled_by: what errors are divided by that the loss takes on unscaled latents; None for `scale`. It decides
            how much the loss of the picture weighs beside that of the noise: 1 / 0.18215^2 = 30 times in the paper's
            model. Where latents are shifted or scaled per channel, or by another factor, it is given explicitly.
    """

    channels: int
    factor: int
    scale: float
    unscaled_by: float | None = None

    @property
    def error_scale(self) -> float:
        return self.scale if self.unscaled_by is None else self.unscaled_by
