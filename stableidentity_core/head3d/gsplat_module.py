"""Rendering by gsplat (Apache-2.0), where its compiled module is installed; it is never compiled here."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from ..errors import MissingPackageError
from ..optional import optional_import
from .cameras import Cameras
from .project import LOW_PASS, NEAR
from .settings import Rasteriser


def is_installed() -> bool:
    """Whether a compiled gsplat can be imported; without one, importing gsplat would start a compiler."""
    try:
        return find_spec("gsplat") is not None and find_spec("gsplat.csrc") is not None
    except (ImportError, ValueError):  # a package that is broken
        return False


def is_used(rasteriser: Rasteriser, device: torch.device) -> bool:
    """Whether gsplat renders on this device.

    Raises:
        MissingPackageError: it is asked for by name and cannot.
    """
    possible = device.type == "cuda" and rasteriser != "torch" and is_installed()
    if rasteriser == "gsplat" and not possible:
        why = "has no compiled module here" if device.type == "cuda" else f"does not compute on {device.type}"
        raise MissingPackageError(
            f"The rasteriser is gsplat, which {why}. Set rasteriser to auto or torch; or install a wheel of gsplat "
            "that was compiled for this version of Python, PyTorch and CUDA."
        )
    return possible


def render(
    means: Tensor,
    quats: Tensor,
    scales: Tensor,
    opacities: Tensor,
    colours: Tensor,
    cameras: Cameras,
    size: int,
) -> dict[str, Tensor]:
    """The fields of Rendered, by gsplat."""
    gsplat: Any = optional_import("gsplat", feature="the rasteriser gsplat", install="pip install gsplat")
    views = len(cameras)
    last_row = torch.tensor([0.0, 0.0, 0.0, 1.0], device=means.device).expand(views, 1, 4)
    focal, half = cameras.focals * size, size / 2
    intrinsics = torch.zeros(views, 3, 3, device=means.device)
    intrinsics[:, 0, 0] = intrinsics[:, 1, 1] = focal
    intrinsics[:, :2, 2], intrinsics[:, 2, 2] = half, 1
    blended, coverage, facts = gsplat.rasterization(
        means,
        quats,
        scales,
        opacities,
        colours,
        torch.cat([cameras.world_to_camera, last_row], dim=1),
        intrinsics,
        size,
        size,
        near_plane=NEAR,
        eps2d=LOW_PASS,
        packed=False,
        render_mode="RGB+D",
    )
    radii = facts["radii"]  # [V, N], or [V, N, 2] since gsplat 1.5
    reaches = (radii.amax(-1) if radii.ndim == 3 else radii).float()
    pictures = blended.movedim(-1, 1)
    return {
        "colours": pictures[:, :3],
        "coverage": coverage.movedim(-1, 1),
        "depths": pictures[:, 3:],
        "centres": facts["means2d"],
        "seen": reaches > 0,
        "reaches": reaches,
    }
