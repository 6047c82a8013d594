"""Checking losses and gradients for zeros, infinities and NaN without synchronizing with the device at each step."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import TrainingError

STEPS_BEHIND = 8  # on a GPU: the number of steps after which a fault is noticed at the latest


class FiniteGuard:
    """Checks the loss and gradient of each step; on the CPU at once, elsewhere every few steps.

    Args:
        device: that computes.
        every: steps that are checked at once; by default 1 on the CPU and 8 elsewhere.
    """

    def __init__(self, device: torch.device, every: int | None = None):
        self.every = every or (1 if device.type == "cpu" else STEPS_BEHIND)
        self.waiting: list[tuple[int, Tensor, Tensor]] = []
        self.fault: TrainingError | None = None

    def add(self, step: int, loss: Tensor, grad_norm: Tensor) -> None:
        """Add a step's loss [] and gradient norm [].

        Raises:
            TrainingError: as `check`.
        """
        self.waiting.append((step, loss, grad_norm))
        if len(self.waiting) >= self.every:
            self.check()

    def check(self) -> None:
        """Check the steps added since the last check.

        Raises:
            TrainingError: a loss or gradient that is not finite, or zero; naming the first such step. Once there was
                one, always, so that what was learned since is never saved.
        """
        if self.fault is not None:
            raise self.fault
        if not self.waiting:
            return
        noted, self.waiting = self.waiting, []
        values = torch.stack([torch.stack([loss, norm]).float() for _step, loss, norm in noted]).tolist()
        for (step, _loss, _norm), (loss, norm) in zip(noted, values, strict=True):
            self.fault = _fault(loss, norm, step)
            if self.fault is not None:
                raise self.fault


def _fault(loss: float, grad_norm: float, step: int) -> TrainingError | None:
    for what, value in (("loss", loss), ("gradient", grad_norm)):
        if value != value or abs(value) == float("inf"):
            return TrainingError(
                f"Step {step}: the {what} is {value}. The model's precision may overflow, fp16 most of all: set "
                "precision to model or auto, or load the model in bf16 or fp32; and check that the VAE belongs to it."
            )
        if value == 0:
            return TrainingError(
                f"Step {step}: the {what} is exactly zero, so nothing would be learned. The words do not reach the "
                "model: look for nodes that replace its attention or conditioning. Weights in fp16 may also lose "
                "numbers so small: load them in bf16 or fp32."
            )
    return None
