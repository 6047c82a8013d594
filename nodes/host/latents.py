"""Latents in the host's format."""

from __future__ import annotations

from typing import Any

import torch
from comfy import model_management

from ...stableidentity_core.video import VideoSize


def empty_latents(clip: VideoSize) -> dict[str, Any]:
    """LATENT of an empty clip: zeros, to which KSampler adds noise."""
    return {"samples": torch.zeros(clip.latents, device=model_management.intermediate_device())}
