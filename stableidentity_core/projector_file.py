"""The projector file: safetensors with the projector's weights, and how it was trained in the header."""

from __future__ import annotations

from pathlib import Path

from .errors import DamagedFileError, MissingFileError, StableIdentityError
from .files import read_tensors, save_tensors
from .header import written
from .words.trained import TrainedProjector

FORMAT = "stableidentity-projector-1"
SUFFIX = ".safetensors"


def save_projector(projector: TrainedProjector, path: Path) -> None:
    """Write a projector atomically; the weights stay in their own precision."""
    if path.suffix != SUFFIX:
        raise StableIdentityError(f"The projector's file is {path}, needed a name ending in {SUFFIX}.")
    save_tensors(path, projector.state, {"format": FORMAT, **projector.described(), **written()})


def load_projector(path: Path) -> TrainedProjector:
    """Read a projector file, its weights as float32.

    Raises:
        MissingFileError: no such file.
        DamagedFileError: cut short; StableIdentityError: a safetensors file of something else.
    """
    if not path.is_file():
        raise MissingFileError(f"No projector at {path}. Train one with Train Projector, or choose another file.")
    state, header = read_tensors(path)
    if header.get("format") != FORMAT:
        raise StableIdentityError(
            f"{path} is not a projector: its format is {header.get('format')!r}, needed {FORMAT!r}. Choose a file that "
            "Save Projector has written."
        )
    try:
        return TrainedProjector.read({key: value.float() for key, value in state.items()}, header)
    except (KeyError, ValueError) as error:
        raise DamagedFileError(f"{path} lacks parts of a projector ({error}). Copy it again.") from error
