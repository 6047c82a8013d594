"""Classifier-free guidance (arXiv 2207.12598)."""

from __future__ import annotations

import torch
from torch import Tensor

from .protocol import Conditioning, DiffusionBackend


def guided_prediction(
    backend: DiffusionBackend, z_t: Tensor, times: Tensor, positive: Conditioning, negative: Conditioning, cfg: float
) -> Tensor:
    """The model's output [B, C, h, w], pushed `cfg` times as far from the negative prompt's as the positive one's is.

    Both prompts go through the model as one batch of 2 B.

    Args:
        z_t, times: as for `predict`.
        positive, negative: of B prompts each.
    """
    output = backend.predict(z_t.repeat(2, *[1] * (z_t.ndim - 1)), times.repeat(2), joined(positive, negative))
    wanted, unwanted = output.chunk(2)
    return unwanted + cfg * (wanted - unwanted)


def joined(first: Conditioning, second: Conditioning) -> Conditioning:
    """Two conditionings of one model as one batch."""
    pooled = [part.pooled for part in (first, second) if part.pooled is not None]
    return Conditioning(
        context=torch.cat([first.context, second.context]), pooled=torch.cat(pooled) if pooled else None
    )
