"""The mini world's projector: a drawn person becomes two words without any training."""

from __future__ import annotations

from pathlib import Path

from .core import TrainedProjector, load_projector

FILE = Path(__file__).with_name("mini_world_projector.safetensors")


def mini_world_projector() -> TrainedProjector:
    """Learned over drawn people by `mini_world/training/projector.py`; MODELS.md has its figures.

    Raises:
        MissingFileError, DamagedFileError: the file is not as the pack has it.
    """
    return load_projector(FILE)
