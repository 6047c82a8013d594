"""MODEL, CLIP and VAE of any base: whether they belong together, and the backend over them."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from ...stableidentity_core.backends.compute import Compute
from .any_text import HostText
from .backend import ComfyBackend, comfy_backend
from .checks import check_resolution, check_trio
from .flow.backend import FlowBackend, flow_backend
from .flow.checks import check_flow_resolution, check_flow_trio
from .flow.text import FlowTextEncoders

HostBackend = ComfyBackend | FlowBackend


def check_models(model: Any, text: HostText, vae: Any, resolution: int, where: str = "", trains: bool = True) -> None:
    """Check that the three suit the method and fit each other, and that they work at a resolution.

    Args:
        where: to set the resolution; by default in StableIdentity Train.
        trains: also check what only matters to a training: weights that let gradients pass, and patches.

    Raises:
        WrongModelError: naming what was found and what was needed.
        StableIdentityError: the model does not work at this resolution.
    """
    if isinstance(text, FlowTextEncoders):
        check_flow_trio(model, text, vae, trains)
        check_flow_resolution(text.family, vae, resolution)
    else:
        check_trio(model, text, vae, trains)
    check_resolution(model, text.family, resolution, *([where] if where else []))


def host_backend(
    model: Any,
    text: HostText,
    vae: Any,
    *,
    resolution: int,
    batch_size: int,
    compute: Compute,
    fingerprint: str,
    learned: int = 0,
) -> AbstractContextManager[HostBackend]:
    """The backend of a base, see `comfy_backend`."""
    opened = partial(flow_backend, family=text.family) if isinstance(text, FlowTextEncoders) else comfy_backend
    return opened(
        model,
        text.clip,
        vae,
        resolution=resolution,
        batch_size=batch_size,
        compute=compute,
        fingerprint=fingerprint,
        learned=learned,
    )
