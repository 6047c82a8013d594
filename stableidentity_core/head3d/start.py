"""What a head begins as: a head, a neck and shoulders of grey Gaussians, or a splat."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .splat import Gaussians, Splat

# Ellipsoids in the frame of Splat: share of the points, half sizes and middle. A view from 5.2 away sees 1.3 units.
PARTS = (
    (0.62, (0.62, 0.82, 0.64), (0.0, -0.16, 0.0)),  # head with hair
    (0.08, (0.26, 0.34, 0.26), (0.0, 0.68, 0.08)),  # neck
    (0.30, (1.05, 0.45, 0.45), (0.0, 1.18, 0.15)),  # shoulders
)
SHELL = 0.2  # of the half sizes, within which points lie
NEIGHBOURS, SIZE = 3, 0.8  # a Gaussian is this share of the mean distance to its nearest ones
TOGETHER = 4096  # points among which nearest ones are looked for


def first_gaussians(
    points: int, generator: torch.Generator, opacity: float = 0.1, check: Callable[[], None] = lambda: None
) -> Gaussians:
    """`points` grey Gaussians in the form of a bust.

    Args:
        check: called between parts of the work, which takes seconds for many points; may raise to stop it.
    """
    counts = [int(points * share) for share, _size, _middle in PARTS]
    counts[0] += points - sum(counts)
    means = torch.cat(
        [
            _shell(count, size, generator) + torch.tensor(middle)
            for count, (_s, size, middle) in zip(counts, PARTS, strict=True)
        ]
    )
    unturned = torch.tensor([1.0, 0.0, 0.0, 0.0]).repeat(points, 1)
    return Gaussians.of(
        Splat(
            positions=means,
            scales=(SIZE * neighbour_distances(means, check))[:, None].repeat(1, 3),
            rotations=unturned,
            opacities=torch.full((points,), opacity),
            colours=torch.full((points, 3), 0.5),
        )
    )


def _shell(count: int, size: tuple[float, float, float], generator: torch.Generator) -> Tensor:
    directions = torch.nn.functional.normalize(torch.randn(count, 3, generator=generator), dim=-1)
    return directions * (1 - SHELL * torch.rand(count, 1, generator=generator)) * torch.tensor(size)


def neighbour_distances(points: Tensor, check: Callable[[], None] = lambda: None) -> Tensor:
    """The mean distance [N] of each of the points [N, 3] to its nearest ones.

    Many points are halved along their longest side until few are left; at the cuts, nearest ones may be missed.
    """
    check()
    count = len(points)
    if count > TOGETHER:
        order = points[:, (points.amax(0) - points.amin(0)).argmax()].argsort()
        found = torch.cat([neighbour_distances(points[half], check) for half in order.tensor_split(2)])
        return torch.empty_like(found).scatter_(0, order, found)
    near = min(NEIGHBOURS, count - 1) + 1  # with itself
    return torch.cdist(points, points).topk(near, largest=False).values[:, 1:].mean(-1).clamp_min(1e-4)
