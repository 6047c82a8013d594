"""Pictures of Gaussians."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..shapes import check_shape
from . import gsplat_module
from .cameras import Cameras
from .project import project
from .rasterise import rasterise
from .settings import Rasteriser
from .splat import Splat
from .tiles import TILE, tile_lists


@dataclass(frozen=True, kw_only=True, eq=False)
class Rendered:
    """Square pictures of V cameras."""

    colours: Tensor  # [V, 3, S, S], on black
    coverage: Tensor  # [V, 1, S, S], 0..1
    depths: Tensor  # [V, 1, S, S], blended as the colours are: divide by the coverage
    centres: Tensor  # [V, N, 2] in pixels, whose gradient says where detail is missing
    seen: Tensor  # [V, N] bool
    reaches: Tensor  # [V, N], the larger half side of each Gaussian's box in pixels

    def on(self, backdrop: Tensor) -> Tensor:
        """The pictures [V, 3, S, S] on a colour [3], or one for each picture [V, 3]."""
        return self.colours + (1 - self.coverage) * backdrop.expand(len(self.colours), 3)[..., None, None]


def render(
    means: Tensor,  # [N, 3]
    quats: Tensor,  # [N, 4], of any length
    scales: Tensor,  # [N, 3]
    opacities: Tensor,  # [N] in 0..1
    colours: Tensor,  # [N, 3]
    cameras: Cameras,  # on the same device
    size: int,
    *,
    rasteriser: Rasteriser = "torch",
    check: Callable[[], None] = lambda: None,
) -> Rendered:
    """Render with gradients for all five.

    Args:
        check: called between parts of the work; may raise to stop it.

    Raises:
        ShapeError: tensors of other shapes.
        MissingPackageError: `gsplat` is asked for by name, but its compiled module is not installed.
    """
    n = check_shape(means, "n 3", "means")["n"]
    check_shape(quats, "n 4", "quaternions", n=n)
    check_shape(scales, "n 3", "scales", n=n)
    check_shape(opacities, "n", "opacities", n=n)
    check_shape(colours, "n 3", "colours", n=n)
    if gsplat_module.is_used(rasteriser, means.device):
        return Rendered(**gsplat_module.render(means, quats, scales, opacities, colours, cameras, size))
    projected = project(means, quats, scales, opacities, cameras, size)
    views = len(cameras)
    features = torch.cat([colours.expand(views, -1, -1), projected.depths[..., None]], dim=-1)
    blended, light = rasterise(
        projected.centres.flatten(0, 1),
        projected.conics.flatten(0, 1),
        opacities.repeat(views),
        features.flatten(0, 1),
        tile_lists(projected, size),
        check,
    )
    return Rendered(
        colours=_picture(blended[..., :3], views, size),
        coverage=1 - _picture(light[..., None], views, size),
        depths=_picture(blended[..., 3:], views, size),
        centres=projected.centres,
        seen=(projected.reaches > 0).all(-1),
        reaches=projected.reaches.amax(-1),
    )


@torch.no_grad()
def picture_of(splat: Splat, cameras: Cameras, size: int, check: Callable[[], None] = lambda: None) -> Rendered:
    """Pictures of what is seen, without gradient."""
    return render(
        splat.positions, splat.rotations, splat.scales, splat.opacities, splat.colours, cameras, size, check=check
    )


def _picture(tiles: Tensor, views: int, size: int) -> Tensor:
    """Tiles [V * side^2, TILE^2, C] -> pictures [V, C, S, S]."""
    side = -(-size // TILE)
    whole = tiles.reshape(views, side, side, TILE, TILE, -1).permute(0, 5, 1, 3, 2, 4)
    return whole.reshape(views, -1, side * TILE, side * TILE)[..., :size, :size]
