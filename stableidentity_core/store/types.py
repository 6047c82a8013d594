"""Results of trainings."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..identity.types import Identity
from ..methods.trained import TrainedProjector


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainResult:
    """The result of training one person."""

    identity: Identity
    projector: TrainedProjector
    losses: Tensor  # [steps]
    phase_losses: Tensor | None = None  # [2, steps]: noise, reconstruction; NaN without a sample; older results lack it


@dataclass(frozen=True, kw_only=True, eq=False)
class ProjectorResult:
    """The result of training a projector over many people."""

    projector: TrainedProjector
    losses: Tensor  # [steps of the last session]
    phase_losses: Tensor | None = None  # [2, steps of the last session], as of a TrainResult
