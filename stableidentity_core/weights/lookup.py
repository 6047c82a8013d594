"""Finding weights that are already on this machine."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from ..errors import MissingFileError
from .table import WEIGHTS, get_weight
from .weight import Weight

OWN = "stableidentity"  # the pack's folder below `models`


def find(name: str, roots: Sequence[Path]) -> Path:
    """A file of the table that is in place.

    Args:
        name: of the table, such as `retinaface_resnet50`.
        roots: folders to look in, the first wins. Each is a `models` folder, or one that stands for
            `models/stableidentity` (extra_model_paths.yaml), or a plain folder of files.

    Raises:
        MissingFileError: with the path to put it, its address, size, licence and the command that fetches it.
    """
    path = locate(name, roots)
    if path is None:
        raise MissingFileError(missing_message(get_weight(name), roots))
    return path


def locate(name: str, roots: Sequence[Path]) -> Path | None:
    """As `find`, but None when the file is nowhere."""
    weight = get_weight(name)
    return next((path for root in roots for place in places(weight) if _is_file(path := root / place)), None)


def facexlib_folder() -> Path | None:
    """Where facexlib itself keeps what it downloads; a root to read from, never to write to."""
    package = importlib.util.find_spec("facexlib")
    return Path(package.origin).parent / "weights" if package and package.origin else None


def missing_message(weight: Weight, roots: Sequence[Path]) -> str:
    """What to fetch, from where, and where to put it."""
    models = roots[0] if roots else Path("models")
    return (
        f"{weight.purpose[0].upper()}{weight.purpose[1:]} needs {weight.file} ({weight.size}; licence: "
        f"{weight.licence}), which is not at {weight.path(models)}. Fetch it with `python -m stableidentity_core "
        f"download {weight.name} --models {_quoted(models)}`, or put it there yourself from {weight.urls[0]}"
    )


def places(weight: Weight) -> tuple[PurePosixPath, ...]:
    """Where a file may lie in a root, the proper place first."""
    proper = PurePosixPath(weight.folder)
    folders = [proper, PurePosixPath(*proper.parts[proper.parts[0] == OWN :])]
    folders += [PurePosixPath(folder) for folder in weight.elsewhere]
    if telling(weight):
        folders.append(PurePosixPath())
    else:
        folders.append(PurePosixPath(proper.name))
    return tuple(dict.fromkeys(folder / weight.file for folder in folders))


def telling(weight: Weight) -> bool:
    """Does the file's name say what it is? `model.safetensors` does not."""
    return [other.file for other in WEIGHTS.values()].count(weight.file) == 1


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a path that is too long, or a folder that nobody may look into
        return False


def _quoted(path: Path) -> str:
    return f'"{path}"' if " " in str(path) else str(path)
