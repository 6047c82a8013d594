"""Locations of splats in a ComfyUI installation."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import folder_paths

from ...stableidentity_core.errors import MissingFileError
from ...stableidentity_core.files.readable import path_kind
from ...stableidentity_core.head3d.splat_files import FORMATS
from .paths import report_folder


def free_output(prefix: str, ending: str) -> tuple[Path, str]:
    """A new numbered name in the host's output folder, and what it is called in there.

    Raises:
        StableIdentityError: as for `report_folder`.
    """
    folder, shown_as = report_folder(prefix)
    for number in itertools.count(int(folder.name.rpartition("_")[2])):
        name = f"{folder.name.rpartition('_')[0]}_{number:05d}{ending}"
        if not os.path.lexists(folder.parent / name):
            return folder.parent / name, str(Path(shown_as).parent / name)
    raise AssertionError("unreachable: the numbers never end")


def splats() -> list[str]:
    """Files that may be splats in the host's input folder, then those in its output folder, with its name in front."""
    found = []
    for prefix, folder in _splat_folders().items():
        names = sorted(
            path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.suffix.lower() in FORMATS
        )
        found += [prefix + name for name in names]
    return found


def splat_path(name: str) -> Path:
    """Path of a file of `splats`.

    Raises:
        MissingFileError: not found.
    """
    for prefix, folder in _splat_folders().items():
        path = Path(os.path.normpath(folder / name.removeprefix(prefix)))
        if name.startswith(prefix) and path.is_relative_to(folder) and path_kind(path) == "file":
            return path
    raise MissingFileError(
        f"No splat {name!r} in ComfyUI's input and output folders. Put a .ply or .splat file there and press R to "
        "refresh the list."
    )


def _splat_folders() -> dict[str, Path]:
    places = {"output/": folder_paths.get_output_directory(), "": folder_paths.get_input_directory()}
    return {prefix: Path(os.path.abspath(place)) for prefix, place in places.items()}
