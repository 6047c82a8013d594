"""The report of a step, whose values are read from the device only on access."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class StepReport:
    """What happened in one step.

    Reading a property synchronizes with the device.
    """

    step: int  # counted from 1
    steps: int
    loss_on_device: Tensor  # []
    grad_norm_on_device: Tensor  # []
    phase_losses_on_device: Tensor  # [2], see `phase_losses`
    times_on_device: Tensor  # [B]
    make_z0: Callable[[], Tensor]

    @cached_property
    def loss(self) -> float:
        return self.loss_on_device.item()

    @cached_property
    def grad_norm(self) -> float:
        """Before it was clipped."""
        return self.grad_norm_on_device.item()

    @cached_property
    def phase_losses(self) -> tuple[float, float]:
        """Of the samples in the noise phase and of those in the reconstruction phase; NaN where there are none."""
        noise, reconstruction = self.phase_losses_on_device.tolist()
        return noise, reconstruction

    @cached_property
    def times(self) -> tuple[int, ...]:
        return tuple(self.times_on_device.tolist())

    @cached_property
    def z0(self) -> Tensor:
        """The predicted picture [B, C, h, w], scaled latents, detached; on the device, without waiting."""
        return self.make_z0()
