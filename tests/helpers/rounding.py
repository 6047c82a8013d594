"""How far computations in other number formats may be from each other, on whatever processor."""

from __future__ import annotations

import torch
from torch import Tensor


def apart(one: Tensor, other: Tensor) -> float:
    """The length of their difference, as a share of the other's."""
    one, other = one.detach().double(), other.detach().double()
    return ((one - other).norm() / other.norm()).item()


def assert_computed_in(dtype: torch.dtype, rough: Tensor, exact: Tensor) -> None:
    """The same numbers, but for roundings of this type.

    Those of all layers add up to 5 to 8 times the type's own, on processors with units for it and on those without,
    which round partial sums too. Much less than one would be the work of another type.
    """
    roundings = apart(rough, exact) / torch.finfo(dtype).eps
    assert 0.1 < roundings < 50, roundings


def assert_same_but_for_rounding(ours: Tensor, single: Tensor, double: Tensor) -> None:
    """The same sums in another order: nearly as close to float64's result as another float32 computation of it is.

    Args:
        ours: computed in float32, any shape.
        single: by the other program, in float32.
        double: by the other program, in float64.
    """
    assert ours.shape == single.shape == double.shape
    ours_off, theirs_off = ((one.double() - double).abs().max().item() for one in (ours, single))
    assert ours_off <= 20 * theirs_off, (ours_off, theirs_off)
