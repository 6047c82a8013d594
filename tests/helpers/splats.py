"""Slow and plain ways to compute what the package computes fast."""

from __future__ import annotations

import torch
from torch import Tensor

from stableidentity_core.head3d.cameras import Cameras

NEAR, LOW_PASS, LEAST, MOST = 0.2, 0.3, 1 / 255, 0.999


def rotation_matrix(quat: Tensor) -> Tensor:
    """By turning each axis with the quaternion product q v q*."""

    def product(p: Tensor, q: Tensor) -> Tensor:
        scalar = p[0] * q[0] - p[1:] @ q[1:]
        return torch.cat([scalar[None], p[0] * q[1:] + q[0] * p[1:] + torch.linalg.cross(p[1:], q[1:])])

    unit = quat / quat.norm()
    conjugate = unit * unit.new_tensor([1, -1, -1, -1])
    axes = [torch.cat([unit.new_zeros(1), axis]) for axis in torch.eye(3, dtype=quat.dtype)]
    return torch.stack([product(product(unit, axis), conjugate)[1:] for axis in axes], dim=1)


def slow_picture(
    means: Tensor,
    quats: Tensor,
    scales: Tensor,
    opacities: Tensor,
    colours: Tensor,
    cameras: Cameras,
    view: int,
    size: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Colours [3, S, S], coverage [S, S] and depth [S, S]: each Gaussian over all pixels, one after the other."""
    matrix = cameras.world_to_camera[view].to(means)
    focal = cameras.focals[view].item() * size
    places = means @ matrix[:, :3].T + matrix[:, 3]
    centre = (torch.arange(size, dtype=means.dtype) + 0.5).expand(size, size)
    colour, depth = means.new_zeros(3, size, size), means.new_zeros(size, size)
    light = means.new_ones(size, size)
    for n in places[:, 2].argsort(stable=True).tolist():
        x, y, z = places[n]
        if z <= NEAR:
            continue
        limit = 1.3 * size / 2 / focal
        tx, ty = (x / z).clamp(-limit, limit), (y / z).clamp(-limit, limit)
        zero = torch.zeros_like(z)
        jacobian = torch.stack(
            [torch.stack([focal / z, zero, -focal * tx / z]), torch.stack([zero, focal / z, -focal * ty / z])]
        )
        turned = rotation_matrix(quats[n]) @ torch.diag(scales[n])
        covariance = jacobian @ matrix[:, :3] @ turned @ turned.T @ matrix[:, :3].T @ jacobian.T
        inverse = torch.linalg.inv(covariance + LOW_PASS * torch.eye(2, dtype=means.dtype))
        offset = torch.stack([centre - (focal * x / z + size / 2), centre.T - (focal * y / z + size / 2)])
        form = torch.einsum("ihw,ij,jhw->hw", offset, inverse, offset)
        alpha = opacities[n] * (-0.5 * form).exp()
        alpha = torch.where(alpha < LEAST, torch.zeros_like(alpha), alpha.clamp_max(MOST))
        colour = colour + light * alpha * colours[n][:, None, None]
        depth = depth + light * alpha * z
        light = light * (1 - alpha)
    return colour, 1 - light, depth
