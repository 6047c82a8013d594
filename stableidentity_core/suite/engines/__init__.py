"""Where tasks run: in this process, in one process a GPU, or on a cluster by Ray."""

from __future__ import annotations

from .base import Engine, Failure, Outcome
from .local import Local
from .processes import Processes
from .with_ray import WithRay

__all__ = ["Engine", "Failure", "Local", "Outcome", "Processes", "WithRay"]
