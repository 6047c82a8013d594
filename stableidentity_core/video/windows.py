"""Longer clips than a model was trained for: overlapping windows of frames, and noise that they share."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import StableIdentityError


def check_windows(length: int, overlap: int) -> None:
    """Refuse windows that do not advance.

    Raises:
        StableIdentityError: no frame in a window, or an overlap as long as the window.
    """
    if length < 1 or not 0 <= overlap < length:
        raise StableIdentityError(
            f"Windows of {length} frames that overlap by {overlap} never reach the clip's end. Needed is a length of "
            "at least 1 and an overlap smaller than it; 16 and 4 are a start."
        )


def windows(frames: int, length: int, overlap: int) -> list[list[int]]:
    """Frames of each window, in order; the last window is moved back to end with the clip.

    Raises:
        StableIdentityError: an overlap as long as the window.
    """
    check_windows(length, overlap)
    if frames <= length:
        return [list(range(frames))]
    starts = [*range(0, frames - length, length - overlap), frames - length]
    return [list(range(start, start + length)) for start in starts]


def window_weights(length: int) -> Tensor:
    """How much each frame of a window counts where windows overlap, [length]: most in the middle."""
    order = torch.arange(length)
    return torch.minimum(order + 1, length - order).float()


def shared_noise(noise: Tensor, length: int, overlap: int, seed: int) -> Tensor:
    """Noise [F, ...] whose later windows have the first window's, in another order of frames.

    FreeNoise, arXiv 2310.15169 section 4.1: far windows then agree on what is to be seen. `noise` is
    not changed; each frame keeps the statistics of independent noise.

    Raises:
        StableIdentityError: an overlap as long as the window.
    """
    check_windows(length, overlap)
    generator = torch.Generator().manual_seed(seed)
    step, noise = length - overlap, noise.clone()
    for start in range(length, len(noise), step):
        count = min(step, len(noise) - start)
        order = torch.randperm(count, generator=generator) + start - length
        noise[start : start + count] = noise[order]
    return noise
