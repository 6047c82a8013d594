"""The host's SPLAT, where it has one, and the core's."""

from __future__ import annotations

from typing import Any

import torch
from comfy import model_management

from ...stableidentity_core.console.streams import get_logger
from ...stableidentity_core.errors import StableIdentityError
from ...stableidentity_core.head3d.splat import LEAST_SCALE, Splat
from ...stableidentity_core.head3d.splat_files import FLAT

try:
    from comfy_api.latest import Types

    HostSplat: Any = getattr(Types, "SPLAT", None)
except ImportError:  # older hosts
    HostSplat = None

log = get_logger(__name__)


def is_splat(value: Any) -> bool:
    """Whether a value is what a socket for splats carries on this host."""
    kind = Splat if HostSplat is None else HostSplat
    return isinstance(value, kind)


def to_host(splat: Splat) -> Any:
    """What a socket for splats carries: the host's type, or the core's where the host has none."""
    if HostSplat is None:
        return splat
    harmonics = ((splat.colours - 0.5) / FLAT)[:, None]  # [N, 1, 3]
    parts = (splat.positions, splat.scales, splat.rotations, splat.opacities[:, None], harmonics)
    return HostSplat(*(part.clone()[None] for part in parts))


def from_host(value: Any) -> Splat:
    """The first splat of a batch, on the CPU; of colours that depend on the view, the part that does not.

    Raises:
        ShapeError, StableIdentityError: tensors of other shapes, none, or values that are not finite.
    """
    if isinstance(value, Splat):
        return value
    if len(value.positions) > 1:
        log.warning("StableIdentity: of %d splats in a batch, only the first is used.", len(value.positions))
    if not len(value.positions):
        raise StableIdentityError("The splat is an empty batch. Check the node connected to it.")
    count = value.positions.shape[1] if value.counts is None else int(value.counts[0])

    def first(part: torch.Tensor) -> torch.Tensor:
        return part[0, :count].detach().float().cpu().clone()

    return Splat(
        positions=first(value.positions),
        scales=first(value.scales).clamp_min(LEAST_SCALE),
        rotations=torch.nn.functional.normalize(first(value.rotations), dim=-1),
        opacities=first(value.opacities)[..., 0].clamp(0, 1),
        colours=(first(value.sh)[:, 0] * FLAT + 0.5).clamp(0, 1),
    )


def on_device(splat: Splat) -> Splat:
    """The splat where the host computes."""
    return splat.to(model_management.get_torch_device())
