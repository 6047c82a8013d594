"""The latents of a diffusion model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class LatentFormat:
    """How latents are made from a picture.

    Attributes:
        channels: C of latents [B, C, h, w].
        factor: pixels for each latent pixel and side.
        scale: the model's latents are the autoencoder's times this (0.18215 in SD1 and SD2).
    """

    channels: int
    factor: int
    scale: float
