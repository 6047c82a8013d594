"""How much memory a head needs beside the networks' weights, estimated before it begins."""

from __future__ import annotations

from dataclasses import dataclass

from .settings import HeadSettings

MB = 10**6
PROMPTS_AT_ONCE = {True: 4, False: 2}  # by whether views have their own prompts
# Bytes, measured or counted at 512 pixels in float32 and scaled by the number of pixels; in 16 bits half of it.
UNET_PASS = 120 * MB  # one sample without gradient
ENCODER_BACKWARD = 4200 * MB  # activations of SD's VAE encoder for one picture
DECODER = 900 * MB
GAUSSIAN, PAIR = 2000, 120  # a Gaussian with its optimiser and projections; one entry in a tile's list
PAIRS = 12  # lists in which a Gaussian stands at 512 pixels


@dataclass(frozen=True, kw_only=True)
class HeadMemory:
    """Bytes beside the weights."""

    pictures: int  # of networks and VAE
    gaussians: int

    @property
    def total(self) -> int:
        return self.pictures + self.gaussians


def head_memory(settings: HeadSettings, itemsize: int = 4) -> HeadMemory:
    """The memory at the most Gaussians that there may be.

    Args:
        itemsize: bytes of a number in the networks.
    """
    share = (settings.resolution / 512) ** 2 * itemsize / 4
    predicting = settings.views * PROMPTS_AT_ONCE[settings.view_prompts] * UNET_PASS
    coding = settings.views * (ENCODER_BACKWARD if settings.gradient == "latent" else DECODER)
    points = settings.most_points if settings.densify_every else settings.points
    lists = settings.views * PAIRS * PAIR * max(share, 1 / 16)
    return HeadMemory(pictures=int(share * max(predicting, coding)), gaussians=int(points * (GAUSSIAN + lists)))
