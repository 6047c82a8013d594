"""The mini world's projector: turns a drawn person into two words without any training."""

from __future__ import annotations

from pathlib import Path

from .core import TrainedProjector, load_projector

FILE = Path(__file__).with_name("mini_world_projector.safetensors")


def mini_world_projector() -> TrainedProjector:
    """Trained on drawn people by `mini_world/training/projector.py`; see MODELS.md.

    Raises:
        MissingFileError, DamagedFileError: the file is missing or damaged.
    """
    return load_projector(FILE)
