"""Kernel Inception Distance (arXiv 1801.01401), which, unlike FID, does not depend on the number of pictures."""

from __future__ import annotations

from torch import Tensor

from .base import register
from .of_sets import OfSets


@register
class Kid(OfSets):
    """Of the pictures of all people; near 0 for the same distribution, and then as often below as above."""

    name, title = "kid", "KID"

    def distance(self, made: Tensor, compared: Tensor) -> Tensor:
        return kernel_distance(made, compared)


def kernel_distance(a: Tensor, b: Tensor) -> Tensor:
    """Unbiased squared maximum mean discrepancy of [N, D] and [M, D] with the kernel (x y / D + 1)^3 -> []."""
    return _mean_of_pairs(a) + _mean_of_pairs(b) - 2 * _kernel(a, b).mean()


def _kernel(a: Tensor, b: Tensor) -> Tensor:  # [N, M]
    return (a @ b.T / a.shape[1] + 1) ** 3


def _mean_of_pairs(a: Tensor) -> Tensor:  # []
    kernel = _kernel(a, a)
    return (kernel.sum() - kernel.trace()) / (len(a) * (len(a) - 1))
