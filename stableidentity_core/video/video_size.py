"""Clip sizes: those the models were trained at, and the limits for any clip."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import StableIdentityError

MAX_LATENT_VALUES = 2**31  # no model can process more
PIXELS = 8  # per latent, along a side


@dataclass(frozen=True, kw_only=True)
class VideoSize:
    """A clip's size: pixels, frames and frames per second."""

    width: int
    height: int
    length: int
    fps: float = 8.0

    @property
    def latents(self) -> tuple[int, int, int, int]:
        """Shape of the latents: frames are the batch axis, [F, 4, H/8, W/8]."""
        return self.length, 4, self.height // PIXELS, self.width // PIXELS


# From the models' own pages.
PRESETS = {
    "ModelScope 256x256, 16 frames": VideoSize(width=256, height=256, length=16),
    "ZeroScope 576x320, 24 frames": VideoSize(width=576, height=320, length=24),
    "ZeroScope XL 1024x576, 24 frames": VideoSize(width=1024, height=576, length=24),
}


def check_clip(clip: VideoSize) -> VideoSize:
    """Reject a clip size without valid latents.

    Raises:
        StableIdentityError: no frames, or a side that is not a multiple of 8; the message names the nearest multiples.
    """
    if clip.length < 1 or clip.fps <= 0:
        raise StableIdentityError(
            f"The clip has {clip.length} frames at {clip.fps:g} fps, needed at least 1 frame and more than 0 fps."
        )
    for name, side in (("width", clip.width), ("height", clip.height)):
        below = side // PIXELS * PIXELS
        if below != side or side < PIXELS:
            near = " or ".join(str(value) for value in (below, below + PIXELS) if value)
            raise StableIdentityError(
                f"The clip's {name} is {side} pixels, needed a multiple of {PIXELS}: one latent spans {PIXELS} pixels. "
                f"Choose {near}."
            )
    numbers = math.prod(clip.latents)
    if numbers > MAX_LATENT_VALUES:
        raise StableIdentityError(
            f"A clip of {clip.length:,} frames with {clip.width:,}x{clip.height:,} pixels has latents of "
            f"{4 * numbers / 1e9:,.0f} GB, needed at most {4 * MAX_LATENT_VALUES / 1e9:.0f} GB. Make it smaller or "
            "shorter."
        )
    return clip
