"""What a step minimises: the guidance's wish, smooth pictures and depths, and small Gaussians."""

from __future__ import annotations

import torch
from torch import Tensor

from ..backends.protocol import DiffusionBackend
from .guidance import STRENGTH
from .render import Rendered

PIXELS = 1000.0  # weight of the mean squared difference of two pictures
EDGES = 2.0  # weight of the edges of what is covered, among them those of holes
LEAST_COVERAGE, LEAST_DEPTH = 1e-3, 0.5


def latent_loss(latents: Tensor, change: Tensor) -> Tensor:
    """Its gradient in latents [V, C, h, w] is STRENGTH times the change, [V, C, h, w]."""
    return (latents * (STRENGTH * change)).sum()


@torch.no_grad()
def wanted_pictures(backend: DiffusionBackend, latents: Tensor, change: Tensor) -> Tensor:
    """The pictures [V, 3, S, S] that the guidance wants."""
    backend.check_cancelled()
    return backend.decode(latents - change).clamp(0, 1)


def pixel_loss(pictures: Tensor, wanted: Tensor) -> Tensor:
    """How far pictures [V, 3, S, S] are from the wanted ones."""
    return PIXELS * (pictures - wanted).square().mean()


def total_variation(pictures: Tensor) -> Tensor:
    """Mean difference of neighbouring pixels of pictures [V, C, S, S]."""
    return pictures.diff(dim=-1).abs().mean() + pictures.diff(dim=-2).abs().mean()


def unclear(rendered: Rendered) -> Tensor:
    """0 where all pixels are covered wholly, or none; more for half-covered ones, and for the length of edges."""
    half = (4 * rendered.coverage * (1 - rendered.coverage)).mean()
    return half + EDGES * total_variation(rendered.coverage)


def disparities(rendered: Rendered) -> Tensor:
    """One over the depth [V, 1, S, S], 0 where there is nothing."""
    depth = rendered.depths / rendered.coverage.clamp_min(LEAST_COVERAGE)
    return rendered.coverage / depth.clamp_min(LEAST_DEPTH)


def disparity_pictures(rendered: Rendered) -> Tensor:
    """Disparities as grey pictures [V, 3, S, S] over the whole range 0..1, the background black."""
    found = disparities(rendered)
    high = found.amax((1, 2, 3), keepdim=True).detach()
    low = found.masked_fill(rendered.coverage < 0.5, torch.inf).amin((1, 2, 3), keepdim=True).detach()
    low = torch.minimum(low, high - 1e-3)
    return ((found - low) / (high - low)).clamp(0, 1).expand(-1, 3, -1, -1)
