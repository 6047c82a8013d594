"""Scaling the loss, without which fp16 loses small gradients (Micikevicius et al. 2018, arXiv 1710.03740, Sec. 3.2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

FIRST = 2.0**16
LEAST = 2.0**-8
GROW_AFTER = 100  # steps without overflow


class LossScale:
    """The factor of one training's loss, a power of two, so that scaling does not round.

    It starts large and is halved when a gradient overflows; that step is then repeated with the same draws. After 100
    steps without overflow it is doubled, up to its initial value.
    """

    def __init__(self, value: float = FIRST, steps: int = 0):
        self.value = value
        self.steps = steps  # since it last changed

    def unscale(self, parameters: Iterable[nn.Parameter]) -> None:
        """Divide the gradients by the scale."""
        for parameter in parameters:
            if parameter.grad is not None:
                parameter.grad.div_(self.value)

    def shrink(self, loss_is_finite: bool, gradient_is_finite: bool) -> bool:
        """Halve the scale if the loss is finite and the gradient is not.

        Returns:
            Whether it was halved, in which case the step must be repeated.
        """
        if self.value <= LEAST or not loss_is_finite or gradient_is_finite:
            return False
        self.value /= 2
        self.steps = 0
        return True

    def stepped(self) -> None:
        """Count a step without overflow."""
        self.steps += 1
        if self.steps >= GROW_AFTER and self.value < FIRST:
            self.value, self.steps = self.value * 2, 0


def shrink_scales(scales: Sequence[LossScale], losses: Sequence[Tensor], grad_norms: Sequence[Tensor]) -> bool:
    """Halve the scale of each person whose gradient overflowed, see `LossScale.shrink`; waits once for the device.

    Args:
        losses, grad_norms: [] of each person.

    Returns:
        Whether any was halved.
    """
    values = torch.stack([torch.stack([loss, norm]) for loss, norm in zip(losses, grad_norms, strict=True)])
    finite = torch.isfinite(values).tolist()
    return any([scale.shrink(*of) for scale, of in zip(scales, finite, strict=True)])
