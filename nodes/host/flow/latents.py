"""Photos as latents of a flow model: 16 channels and more, shifted, and for video clips of one frame."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ....stableidentity_core.backends.latents import SD_SCALE, LatentFormat
from ....stableidentity_core.backends.protocol import Posterior
from ....stableidentity_core.devices import to_device
from ..posterior import is_video, posterior_of


def latents_of(vae: Any, latent_format: Any) -> LatentFormat:
    """With the weight that the loss of the picture has in SD, whatever factor these latents are scaled by."""
    return LatentFormat(
        channels=latent_format.latent_channels,
        factor=vae.spacial_compression_encode(),
        scale=latent_format.scale_factor,
        unscaled_by=SD_SCALE,
    )


def encode(vae: Any, latent_format: Any, images: Tensor, device: torch.device) -> Posterior:
    """Images [B, 3, H, W] in 0..1 -> the posterior of their latents [B, C, h, w]."""
    video = is_video(vae)
    with torch.inference_mode():  # as in nodes: when joining tiles, the host writes into tensors of that mode
        mean, std = posterior_of(vae, images.unsqueeze(2) if video else images)
    mean = to_device(mean.clone().float(), device)
    scaled = latent_format.process_in(mean)
    deviation = None
    if std is not None:
        deviation = latent_format.process_in(mean + to_device(std.clone().float(), device)) - scaled
    return Posterior(mean=_picture(scaled, video), std=None if deviation is None else _picture(deviation, video))


def decode(vae: Any, latent_format: Any, latents: Tensor) -> Tensor:
    """Latents [B, C, h, w] -> images [B, 3, H, W] float32 in 0..1, on the CPU."""
    video = is_video(vae)
    with torch.inference_mode():
        images = vae.decode(latent_format.process_out(latents.detach().unsqueeze(2) if video else latents.detach()))
    images = images[:, 0] if video else images
    return images.clone().movedim(-1, 1).float()


def _picture(latents: Tensor, video: bool) -> Tensor:
    return latents.squeeze(2) if video else latents
