"""More Gaussians where detail is missing, fewer where nothing is seen (arXiv 2308.04079, section 5.2)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .optimiser import Adam
from .project import matrices
from .render import Rendered
from .settings import HeadSettings
from .splat import Gaussians

EXTENT = 3.5  # of the scene, in units
MISSING = 7.5e-4  # gradient of the place in the picture, in half widths of it, above which detail is missing
SPLIT_ABOVE = 0.003 * EXTENT  # larger Gaussians are split, smaller ones doubled
SMALLER = 1.6  # times, after a split
FAINT, RESET_OPACITY = 0.005, 0.01
LARGE_IN_PICTURE, LARGE = 20.0, 0.1 * EXTENT  # pixels of 512, and units; pruned once opacities were reset


@dataclass(kw_only=True, eq=False)
class Evidence:
    """What the pictures since the last densifying say of each Gaussian."""

    gradients: Tensor  # [N], sum over the pictures in which it is seen
    seen: Tensor  # [N], number of these
    largest: Tensor  # [N], its largest half size in a picture in widths of it

    @classmethod
    def none(cls, count: int, device: torch.device) -> Evidence:
        return cls(**{name: torch.zeros(count, device=device) for name in ("gradients", "seen", "largest")})

    @torch.no_grad()
    def add(self, rendered: Rendered, size: int) -> None:
        """Add the pictures of a step after its backward pass."""
        if rendered.centres.grad is None:
            return
        lengths = rendered.centres.grad.norm(dim=-1) * size / 2
        self.gradients += (lengths * rendered.seen).sum(0)
        self.seen += rendered.seen.sum(0)
        self.largest = torch.maximum(self.largest, rendered.reaches.amax(0) / size)


@torch.no_grad()
def densify(
    gaussians: Gaussians,
    adam: Adam,
    evidence: Evidence,
    settings: HeadSettings,
    *,
    prune_large: bool,
    generator: torch.Generator,
) -> Gaussians:
    """Double or split the Gaussians that lack detail, and drop those that are faint, or too large."""
    missing = evidence.gradients / evidence.seen.clamp_min(1) > MISSING
    missing &= len(gaussians) + missing.cumsum(0) <= settings.most_points
    large = gaussians.log_scales.amax(-1) > math.log(SPLIT_ABOVE)
    doubled, split = missing & ~large, missing & large
    parts: dict[str, list[Tensor]] = {name: [value, value[doubled]] for name, value in gaussians.items()}
    halves = [_half(gaussians, split, generator) for _ in range(2)]
    for name, found in parts.items():
        found += [getattr(half, name) for half in halves]
    whole = Gaussians(**{name: torch.cat(found) for name, found in parts.items()})
    added = len(whole) - len(gaussians)
    kept = torch.cat([~split, torch.ones(added, dtype=torch.bool, device=split.device)])
    kept &= whole.opacity_logits > math.log(FAINT / (1 - FAINT))
    if prune_large:
        kept &= whole.log_scales.amax(-1) < math.log(LARGE)
        kept[: len(split)] &= evidence.largest < LARGE_IN_PICTURE / 512
    if not kept.any():
        return gaussians
    for name in Gaussians.names():
        adam.rows(name, kept[: len(split)], int(kept[len(split) :].sum()))
    return _tracked({name: value[kept] for name, value in whole.items()})


def _half(gaussians: Gaussians, split: Tensor, generator: torch.Generator) -> Gaussians:
    """One of the two that take the place of each Gaussian that is split, drawn from its own distribution."""
    log_scales, quats = gaussians.log_scales[split], gaussians.quats[split]
    draws = torch.randn(log_scales.shape, generator=generator).to(log_scales) * log_scales.exp()
    moved = (matrices(quats) @ draws[..., None])[..., 0]
    return Gaussians(
        means=gaussians.means[split] + moved,
        quats=quats,
        log_scales=log_scales - math.log(SMALLER),
        opacity_logits=gaussians.opacity_logits[split],
        colour_logits=gaussians.colour_logits[split],
    )


@torch.no_grad()
def reset_opacities(gaussians: Gaussians, adam: Adam) -> None:
    """Make all Gaussians faint, so that only those come back that are needed."""
    gaussians.opacity_logits.clamp_max_(math.log(RESET_OPACITY / (1 - RESET_OPACITY)))
    adam.forget("opacity_logits")


def _tracked(values: dict[str, Any]) -> Gaussians:
    return Gaussians(**{name: value.detach().clone().requires_grad_() for name, value in values.items()})
