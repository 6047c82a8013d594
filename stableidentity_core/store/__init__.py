"""Trainings kept on disk, found again by what went into them, within a limit of space."""

from .key import work_key
from .limit import read_limit, write_limit
from .results import ResultStore
from .types import ProjectorResult, TrainResult

__all__ = ["ProjectorResult", "ResultStore", "TrainResult", "read_limit", "work_key", "write_limit"]
