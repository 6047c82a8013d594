"""Training results stored on disk, looked up by their inputs, within a size limit."""

from .key import work_key
from .limit import read_limit, write_limit
from .results import ResultStore
from .types import ProjectorResult, TrainResult

__all__ = ["ProjectorResult", "ResultStore", "TrainResult", "read_limit", "work_key", "write_limit"]
