"""The projector file: safetensors with the projector's weights, and how it was trained in the header."""

from __future__ import annotations

import dataclasses
import os
from itertools import count
from pathlib import Path

from ..errors import DamagedFileError, FileTakenError, MissingFileError, StableIdentityError
from ..files.names import IfExists, safe_file_name
from ..files.tensors import read_tensors, save_tensors
from ..fingerprint import WHOLE, fingerprint_tensors
from ..provenance import provenance
from .trained import TrainedProjector

FORMAT = "stableidentity-projector-1"
SUFFIX = ".safetensors"


def save_projector(projector: TrainedProjector, path: Path, *, replace: bool = True) -> None:
    """Write a projector atomically; the weights stay in their own precision.

    Raises:
        FileTakenError: `replace` is False and the name is taken.
        StableIdentityError: the name does not end in `.safetensors`, or the file cannot be written.
    """
    if path.suffix != SUFFIX:
        raise StableIdentityError(f"The projector's file is {path}, needed a name ending in {SUFFIX}.")
    header = {"format": FORMAT, **projector.described(), **provenance()}
    save_tensors(path, projector.state, header, replace=replace)


def save_projector_under_name(
    projector: TrainedProjector, folder: Path, name: str, if_exists: IfExists = IfExists.NUMBER
) -> Path:
    """Save into a folder and return the file's path; an equal projector already there is left alone.

    Raises:
        StableIdentityError: the name cannot be a file's, it is taken (STOP), or the file cannot be written.
    """
    name = safe_file_name(name.removesuffix(SUFFIX))
    for number in count(1):
        path = folder / (f"{name}{SUFFIX}" if number == 1 else f"{name}-{number}{SUFFIX}")
        if _same(path, projector):
            return path
        try:
            save_projector(projector, path, replace=if_exists is IfExists.REPLACE)
            return path
        except FileTakenError as error:
            if if_exists is IfExists.STOP:
                raise FileTakenError(
                    f"{path} holds another projector. Choose another name, or set if_exists to "
                    f"'{IfExists.NUMBER.value}' or '{IfExists.REPLACE.value}'."
                ) from error
    raise AssertionError("unreachable: the numbers never end")


def _same(path: Path, projector: TrainedProjector) -> bool:
    if not os.path.isfile(path):
        return False
    try:
        state, header = read_tensors(path)
    except StableIdentityError:
        return False
    described = projector.described()
    if header.get("format") != FORMAT or any(header.get(key) != value for key, value in described.items()):
        return False
    hashes = (fingerprint_tensors(tensors.items(), samples=WHOLE) for tensors in (state, projector.state))
    return len(set(hashes)) == 1


def load_projector(path: Path) -> TrainedProjector:
    """Read a projector file, its weights as float32.

    Raises:
        MissingFileError: no such file.
        DamagedFileError: cut short, or without something that a projector has; StableIdentityError: a safetensors file
            of something else.
    """
    if not os.path.isfile(path):
        raise MissingFileError(f"No projector at {path}. Train one with Train Projector, or choose another file.")
    state, header = read_tensors(path)
    if header.get("format") != FORMAT:
        raise StableIdentityError(
            f"{path} is not a projector: its format is {header.get('format')!r}, needed {FORMAT!r}. Choose a file that "
            "Save Projector has written."
        )
    try:
        projector = TrainedProjector.read(state, header)
    except StableIdentityError as error:
        raise DamagedFileError(
            f"{path} cannot be used: {error} Copy it again or choose another file; one that a newer version of this "
            "pack has written needs that version."
        ) from error
    return dataclasses.replace(projector, state={key: value.float() for key, value in state.items()})
