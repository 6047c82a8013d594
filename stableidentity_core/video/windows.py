"""Clips longer than a model was trained for: overlapping windows of frames with shared noise."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import StableIdentityError


def check_windows(length: int, overlap: int) -> None:
    """Reject windows that do not advance.

    Raises:
        StableIdentityError: a window without frames, or an overlap as long as the window.
    """
    if length < 1 or not 0 <= overlap < length:
        raise StableIdentityError(
            f"Windows of {length} frames with an overlap of {overlap} do not advance, needed a length of at least 1 "
            "and an overlap below the length. Try 16 and 4."
        )


def windows(frames: int, length: int, overlap: int) -> list[list[int]]:
    """Frames of each window, in order; the last window is shifted back to end with the clip.

    Raises:
        StableIdentityError: an overlap as long as the window.
    """
    check_windows(length, overlap)
    if frames <= length:
        return [list(range(frames))]
    starts = [*range(0, frames - length, length - overlap), frames - length]
    return [list(range(start, start + length)) for start in starts]


def window_weights(length: int) -> Tensor:
    """Weight of each frame of a window where windows overlap, [length]: highest in the middle."""
    order = torch.arange(length)
    return torch.minimum(order + 1, length - order).float()


def shared_noise(noise: Tensor, length: int, overlap: int, seed: int) -> Tensor:
    """Noise [F, ...] in which later windows repeat the first window's noise with the frames shuffled.

    FreeNoise, arXiv 2310.15169 section 4.1: distant windows then show consistent content. `noise` is
    not modified; each frame keeps the statistics of independent noise.

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
