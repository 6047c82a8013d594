"""What trainings return."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..identity.types import Identity
from ..methods.trained import TrainedProjector


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainResult:
    """All that a training of one person returns."""

    identity: Identity
    projector: TrainedProjector
    losses: Tensor  # [steps]


@dataclass(frozen=True, kw_only=True, eq=False)
class ProjectorResult:
    """What comes of learning over many people."""

    projector: TrainedProjector
    losses: Tensor  # [steps of the last sitting]
