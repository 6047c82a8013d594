"""Classifier-free guidance (arXiv 2207.12598), and Perp-Neg for several negative prompts (arXiv 2304.04968)."""

from __future__ import annotations

from collections.abc import Sequence

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
    wanted, unwanted = _outputs(backend, z_t, times, [positive, negative])
    return unwanted + cfg * (wanted - unwanted)


def perp_neg_prediction(
    backend: DiffusionBackend,
    z_t: Tensor,
    times: Tensor,
    positive: Conditioning,
    negative: Conditioning,
    avoided: Sequence[tuple[Conditioning, Tensor]],
    cfg: float,
) -> Tensor:
    """Like `guided_prediction`, and away from further prompts where that does not weaken the positive one.

    Of the direction of each further prompt, only the part counts that is perpendicular to the positive prompt's.

    Args:
        avoided: prompts with their weights [B], 0 or below; those that are 0 throughout are left out.
    """
    avoided = [(prompts, weights) for prompts, weights in avoided if bool((weights != 0).any())]
    wanted, unwanted, *others = _outputs(
        backend, z_t, times, [positive, negative, *(prompts for prompts, _weights in avoided)]
    )
    direction = wanted - unwanted
    pushed = direction
    for output, (_prompts, weights) in zip(others, avoided, strict=True):
        away = perpendicular(output - unwanted, direction)
        pushed = pushed + weights.to(away).view(-1, *[1] * (away.ndim - 1)) * away
    return unwanted + cfg * pushed


def perpendicular(vectors: Tensor, directions: Tensor) -> Tensor:
    """The part of each vector [B, ...] that is perpendicular to a direction [B, ...]; all of it where that is 0."""
    flat, along = vectors.flatten(1), directions.flatten(1)
    length = (along * along).sum(1, keepdim=True)
    share = (flat * along).sum(1, keepdim=True) / length.where(length > 0, torch.ones_like(length))
    return (flat - share * along).view_as(vectors)


def _outputs(
    backend: DiffusionBackend, z_t: Tensor, times: Tensor, prompts: Sequence[Conditioning]
) -> tuple[Tensor, ...]:
    """The model's output for each of the prompts, in one batch."""
    count = len(prompts)
    output = backend.predict(z_t.repeat(count, *[1] * (z_t.ndim - 1)), times.repeat(count), joined(*prompts))
    return output.chunk(count)


def joined(*parts: Conditioning) -> Conditioning:
    """Several conditionings of one model as one batch."""
    pooled = [part.pooled for part in parts if part.pooled is not None]
    return Conditioning(
        context=torch.cat([part.context for part in parts]),
        pooled=torch.cat(pooled) if pooled else None,
        more={name: torch.cat([part.more[name] for part in parts]) for name in parts[0].more},
    )
