"""A shape check with a uniform error message."""

from __future__ import annotations

from torch import Tensor

from .errors import ShapeError


def check_shape(tensor: Tensor, pattern: str, name: str, **sizes: int) -> dict[str, int]:
    """Match a tensor against a pattern such as `"b 2 d"` and return the bound sizes.

    A letter or word is bound to a size on first use and must then match it; a number must match
    exactly; keyword arguments bind sizes in advance.

    Raises:
        ShapeError: names the tensor, the shape found and the shape needed.
    """
    axes = pattern.split()
    bound = dict(sizes)
    fits = tensor.ndim == len(axes)
    for axis, size in zip(axes, tensor.shape, strict=False):  # a wrong number of axes fails below
        expected = int(axis) if axis.isdigit() else bound.setdefault(axis, size)
        fits = fits and expected == size
    if not fits:
        given = ", ".join(f"{key}={value}" for key, value in sizes.items())
        raise ShapeError(
            f"{name} has shape {list(tensor.shape)}, needed [{', '.join(axes)}]" + (f" with {given}." if given else ".")
        )
    return bound
