"""The posterior (mean and deviation) of the host's VAE, before it is reduced to one latent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from comfy import model_management
from torch import Tensor, nn

from ...stableidentity_core.devices import to_device
from .out_of_memory import is_out_of_memory
from .weights import frozen, make_trainable_through

ACTIVATIONS = 3  # times the host's estimate, which assumes that nothing is kept for a backward pass


def is_video(vae: Any) -> bool:
    """Whether it encodes clips, as latents [B, C, T, h, w]; a photo is then a clip of one frame."""
    return getattr(vae, "latent_dim", 2) == 3


def posterior_of(vae: Any, images: Tensor) -> tuple[Tensor, Tensor | None]:
    """Images [B, 3, H, W] in 0..1 -> mean and deviation [B, C, h, w], on the VAE's device where there is room.

    Of a video VAE both are clips, [B, 3, T, H, W] and [B, C, t, h, w]. The deviation is None where the VAE has no
    posterior (TAESD, Wan's), or none of its latents' shape (Flux.2's).
    """
    stage = vae.first_stage_model
    moments = _Moments()
    with _replaced_regularization(stage, moments):
        mean = _encoded(vae, images)
        if mean is not None:
            deviation = torch.cat(moments.deviations) if moments.deviations else None
            return mean, deviation if deviation is not None and deviation.shape == mean.shape else None
        tiled = images.movedim(1, -1)
        moments.deviations.clear()
        mean = vae.encode(tiled)
        if not moments.deviations:
            return mean, None
        if sum(map(len, moments.deviations)) == len(mean) and moments.deviations[0].shape[1:] == mean.shape[1:]:
            return mean, torch.cat(moments.deviations).to(mean)
        moments.wanted = "deviation"  # short of memory, the host encoded tiles, which only it can join
        return mean, vae.encode(tiled)


def _encoded(vae: Any, images: Tensor) -> Tensor | None:
    """The mean [B, C, h, w], without the host's detour over the CPU; None if there is too little memory."""
    needed = vae.memory_used_encode(images.shape, vae.vae_dtype)  # for each
    stage = vae.first_stage_model
    try:
        model_management.load_models_gpu([vae.patcher], memory_required=needed)
        at_once = max(1, int(model_management.get_free_memory(vae.device) / max(1, needed)))
        parts = [
            stage.encode(to_device(vae.process_input(some), vae.device, vae.vae_dtype))
            for some in images.split(at_once)
        ]
        return torch.cat(parts)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
    return None


def mean_with_gradient(vae: Any, images: Tensor) -> Tensor:
    """Images [B, 3, H, W] in 0..1 -> the mean [B, C, h, w] of the VAE's own latents, differentiable in the images.

    Must be called outside inference mode; gradients do not reach the VAE's weights.
    """
    stage = vae.first_stage_model
    needed = ACTIVATIONS * vae.memory_used_encode(images.shape, vae.vae_dtype)
    model_management.load_models_gpu([vae.patcher], memory_required=needed, force_full_load=True)
    make_trainable_through(stage)
    pixels = vae.process_input(images).to(vae.device, vae.vae_dtype)
    with frozen(stage), _replaced_regularization(stage, _Moments()):
        return stage.encode(pixels)


@contextmanager
def _replaced_regularization(stage: nn.Module, moments: _Moments) -> Iterator[None]:
    """Inside, a VAE with a Gaussian posterior returns the output of `moments`."""
    original = getattr(stage, "regularization", None)
    if original is None or not type(original).__name__.startswith("DiagonalGaussian"):
        yield
        return
    stage.regularization = moments
    try:
        yield
    finally:
        stage.regularization = original


class _Moments(nn.Module):
    """Replaces the VAE's regulariser: moments [B, 2C, h, w] -> their means, or deviations, [B, C, h, w]."""

    wanted = "mean"

    def __init__(self):
        super().__init__()
        self.deviations: list[Tensor] = []

    def forward(self, moments: Tensor) -> tuple[Tensor, None]:
        mean, log_variance = moments.chunk(2, dim=1)
        deviation = (0.5 * log_variance.clamp(-30, 20)).exp()
        self.deviations.append(deviation)
        return (mean if self.wanted == "mean" else deviation), None
