"""Sizes of a clip: those the models were trained at, and what any clip has to keep to."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import StableIdentityError

MOST_NUMBERS = 2**31  # of the latents; no model computes on so many
PIXELS = 8  # of the picture for each of the latents, along a side


@dataclass(frozen=True, kw_only=True)
class VideoSize:
    """A clip's size: pixels, frames and frames a second."""

    width: int
    height: int
    length: int
    fps: float = 8.0

    @property
    def latents(self) -> tuple[int, int, int, int]:
        """Shape of its latents: frames stand where pictures of a batch would, [F, 4, H/8, W/8]."""
        return self.length, 4, self.height // PIXELS, self.width // PIXELS


# What the models' own pages name.
PRESETS = {
    "ModelScope 256x256, 16 frames": VideoSize(width=256, height=256, length=16),
    "ZeroScope 576x320, 24 frames": VideoSize(width=576, height=320, length=24),
    "ZeroScope XL 1024x576, 24 frames": VideoSize(width=1024, height=576, length=24),
}


def check_clip(clip: VideoSize) -> VideoSize:
    """Refuse a clip that has no latents.

    Raises:
        StableIdentityError: no frame, or a side that is no multiple of 8; the message names the nearest that are.
    """
    if clip.length < 1 or clip.fps <= 0:
        raise StableIdentityError(
            f"The clip has {clip.length} frames at {clip.fps:g} a second, needed at least 1 and more than 0."
        )
    for name, side in (("width", clip.width), ("height", clip.height)):
        below = side // PIXELS * PIXELS
        if below != side or side < PIXELS:
            near = " or ".join(str(value) for value in (below, below + PIXELS) if value)
            raise StableIdentityError(
                f"The clip's {name} is {side} pixels, needed a multiple of {PIXELS}: latents have one point for "
                f"{PIXELS} pixels. Choose {near}."
            )
    numbers = math.prod(clip.latents)
    if numbers > MOST_NUMBERS:
        raise StableIdentityError(
            f"The clip of {clip.length:,} frames of {clip.width:,}x{clip.height:,} pixels has latents of "
            f"{4 * numbers / 1e9:,.0f} GB, needed at most {4 * MOST_NUMBERS / 1e9:.0f}. Make it smaller or shorter."
        )
    return clip
