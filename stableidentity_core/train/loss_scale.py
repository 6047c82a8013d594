"""Scaling the loss, without which fp16 loses small gradients (Micikevicius et al. 2018, arXiv 1710.03740, Sec. 3.2)."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

FIRST = 2.0**16
LEAST = 2.0**-8
GROW_AFTER = 100  # steps that fit


class LossScale:
    """The factor of one training's loss, a power of two, so that no rounding comes of it.

    It begins large and is halved when a gradient overflows; that step is then computed again with the same draws, so
    that none is lost. After 100 steps that fit it is doubled again, up to where it began.
    """

    def __init__(self, value: float = FIRST, steps: int = 0):
        self.value = value
        self.steps = steps  # since it last changed

    def unscale(self, parameters: Iterable[nn.Parameter]) -> None:
        """Give gradients of a scaled loss their own size."""
        for parameter in parameters:
            if parameter.grad is not None:
                parameter.grad.div_(self.value)

    def shrink(self, loss: Tensor, grad_norm: Tensor) -> bool:
        """Halve the scale if that may help: the loss is finite and its gradient not. Waits for the device.

        Returns:
            Whether it was halved, so that the step is to be computed again.
        """
        if self.value <= LEAST or not torch.isfinite(loss) or torch.isfinite(grad_norm):
            return False
        self.value /= 2
        self.steps = 0
        return True

    def stepped(self) -> None:
        """Take note of a step that was taken."""
        self.steps += 1
        if self.steps >= GROW_AFTER and self.value < FIRST:
            self.value, self.steps = self.value * 2, 0
