"""Gaussians in space to Gaussians in the picture (EWA splatting, as in arXiv 2308.04079)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from .cameras import Cameras

NEAR = 0.2  # nearer Gaussians are not drawn
LOW_PASS = 0.3  # variance in pixels added to each Gaussian, so that none falls between the pixels
ALPHA_LEAST = 1 / 255  # fainter contributions are left out
WIDEST = 1.3  # half widths of the picture beyond which the projection's slope is kept


@dataclass(frozen=True, kw_only=True, eq=False)
class Projected:
    """N Gaussians in V pictures."""

    centres: Tensor  # [V, N, 2] in pixels; the middle of the first pixel is at 0.5, 0.5
    conics: Tensor  # [V, N, 3], the inverse covariance a, b, c: a dx^2 + 2 b dx dy + c dy^2
    depths: Tensor  # [V, N]
    reaches: Tensor  # [V, N, 2], half width and height of the box outside which nothing is seen; 0 for invisible ones


def project(
    means: Tensor,  # [N, 3]
    quats: Tensor,  # [N, 4], of any length
    scales: Tensor,  # [N, 3]
    opacities: Tensor,  # [N]
    cameras: Cameras,
    size: int,
) -> Projected:
    """Project to square pictures of `size` pixels; differentiable in means, quats and scales."""
    rotation, shift = cameras.world_to_camera[:, :, :3], cameras.world_to_camera[:, :, 3]
    focal = (cameras.focals * size)[:, None]  # [V, 1]
    x, y, depth = (torch.einsum("vij,nj->vni", rotation, means) + shift[:, None]).unbind(-1)
    z = depth.clamp_min(NEAR)
    limit = WIDEST * size / 2 / focal
    slope_x, slope_y = ((value / z).clamp(-limit, limit) for value in (x, y))
    zero = torch.zeros_like(z)
    rows = [focal / z, zero, -focal / z * slope_x, zero, focal / z, -focal / z * slope_y]
    jacobian = torch.stack(rows, dim=-1).unflatten(-1, (2, 3))  # [V, N, 2, 3]
    axes = matrices(quats) * scales[:, None]  # [N, 3, 3]
    spread = jacobian @ rotation[:, None] @ axes  # [V, N, 2, 3]
    (xx, xy), (_, yy) = ((spread @ spread.mT)[:, :, row].unbind(-1) for row in (0, 1))
    xx, yy = xx + LOW_PASS, yy + LOW_PASS
    determinant = (xx * yy - xy * xy).clamp_min(1e-8)
    conics = torch.stack([yy, -xy, xx], dim=-1) / determinant[..., None]
    centres = torch.stack([focal * x / z, focal * y / z], dim=-1) + size / 2
    with torch.no_grad():
        # Where opacity exp(-d^2 / 2) falls to ALPHA_LEAST; along each axis the ellipse reaches d deviations.
        deviations = (2 * (opacities / ALPHA_LEAST).clamp_min(1).log()).sqrt()
        visible = (depth > NEAR) & (opacities >= ALPHA_LEAST)
        reaches = torch.stack([xx, yy], dim=-1).sqrt() * (deviations * visible)[..., None]
    return Projected(centres=centres, conics=conics, depths=depth, reaches=reaches)


def matrices(quats: Tensor) -> Tensor:
    """Rotation matrices [..., 3, 3] of quaternions [..., 4] with w first, of any length."""
    w, x, y, z = F.normalize(quats, dim=-1).unbind(-1)
    rows = [
        *(1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        *(2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        *(2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    ]
    return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))
