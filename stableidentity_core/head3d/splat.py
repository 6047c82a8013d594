"""3D Gaussians: as they are seen, and as the parameters that are optimised."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import StableIdentityError
from ..shapes import check_shape

LEAST_SCALE, LEAST_SHARE = 1e-6, 1e-4  # so that logarithms and logits are finite


@dataclass(frozen=True, kw_only=True, eq=False)
class Splat:
    """Gaussians as they are seen, in a frame with x to the right, y down and z to the back.

    The face looks towards -z. All values are float32.

    Raises:
        ShapeError: a tensor of another shape.
        StableIdentityError: no Gaussians, or values that are not finite.
    """

    positions: Tensor  # [N, 3]
    scales: Tensor  # [N, 3], standard deviations along the axes
    rotations: Tensor  # [N, 4], unit quaternions, w first
    opacities: Tensor  # [N] in 0..1
    colours: Tensor  # [N, 3] in 0..1

    def __post_init__(self):
        n = check_shape(self.positions, "n 3", "positions of the Gaussians")["n"]
        check_shape(self.scales, "n 3", "scales of the Gaussians", n=n)
        check_shape(self.rotations, "n 4", "rotations of the Gaussians", n=n)
        check_shape(self.opacities, "n", "opacities of the Gaussians", n=n)
        check_shape(self.colours, "n 3", "colours of the Gaussians", n=n)
        if not n:
            raise StableIdentityError("The head has no Gaussians. Load or make another one.")
        for field in fields(self):
            if not getattr(self, field.name).isfinite().all():
                raise StableIdentityError(
                    f"The {field.name} of the Gaussians hold values that are not finite. Load or make another head."
                )

    def __len__(self) -> int:
        return len(self.positions)

    def to(self, device: torch.device | str) -> Splat:
        return Splat(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})


@dataclass(kw_only=True, eq=False)
class Gaussians:
    """Gaussians as the parameters that are optimised; any finite value is valid, so that colours stay in 0..1."""

    means: Tensor  # [N, 3]
    quats: Tensor  # [N, 4], of any length
    log_scales: Tensor  # [N, 3]
    opacity_logits: Tensor  # [N]
    colour_logits: Tensor  # [N, 3]

    @classmethod
    def names(cls) -> list[str]:
        return [field.name for field in fields(cls)]

    @classmethod
    def of(cls, splat: Splat) -> Gaussians:
        """Parameters of what is seen; opacities and colours at the ends of their range move a little inwards."""
        return cls(
            means=splat.positions.clone(),
            quats=splat.rotations.clone(),
            log_scales=splat.scales.clamp_min(LEAST_SCALE).log(),
            opacity_logits=splat.opacities.clamp(LEAST_SHARE, 1 - LEAST_SHARE).logit(),
            colour_logits=splat.colours.clamp(LEAST_SHARE, 1 - LEAST_SHARE).logit(),
        )

    def items(self) -> Iterator[tuple[str, Tensor]]:
        return ((name, getattr(self, name)) for name in self.names())

    def __len__(self) -> int:
        return len(self.means)

    def splat(self) -> Splat:
        """What is seen, without gradient, on the CPU."""
        return Splat(
            positions=self.means.detach().cpu().clone(),
            scales=self.log_scales.detach().exp().cpu(),
            rotations=F.normalize(self.quats.detach(), dim=-1).cpu(),
            opacities=self.opacity_logits.detach().sigmoid().cpu(),
            colours=self.colour_logits.detach().sigmoid().cpu(),
        )
