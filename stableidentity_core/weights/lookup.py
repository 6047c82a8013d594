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
    """The path of a file of the table.

    Args:
        name: of the table, such as `retinaface_resnet50`.
        roots: folders to search; the first match wins. Each is a `models` folder, a replacement for
            `models/stableidentity` (extra_model_paths.yaml), or a flat folder of files.

    Raises:
        MissingFileError: names the path to put it, its address, size, licence and the command that downloads it.
    """
    path = locate(name, roots)
    if path is None:
        raise MissingFileError(missing_message(get_weight(name), roots))
    return path


def find_all(names: Sequence[str], roots: Sequence[Path]) -> dict[str, Path]:
    """The paths of several files of the table, by name.

    Raises:
        MissingFileError: names all that are missing and one command that downloads them.
    """
    found = {name: locate(name, roots) for name in names}
    missing = [get_weight(name) for name, path in found.items() if path is None]
    if len(missing) == 1:
        raise MissingFileError(missing_message(missing[0], roots))
    if missing:
        models = roots[0] if roots else Path("models")
        files = ", ".join(f"{weight.folder}/{weight.file} ({weight.size})" for weight in missing)
        raise MissingFileError(
            f"{len(missing)} files are missing in {models}: {files}. Download them with `python -m stableidentity_core "
            f"download {' '.join(weight.name for weight in missing)} --models {_quoted(models)}`; MODELS.md has their "
            "licences."
        )
    return {name: path for name, path in found.items() if path is not None}


def locate(name: str, roots: Sequence[Path]) -> Path | None:
    """Like `find`, but None if there is no such file."""
    weight = get_weight(name)
    return next((path for root in roots for place in places(weight) if _is_file(path := root / place)), None)


def facexlib_folder() -> Path | None:
    """facexlib's own download folder; a root to read from, never to write to."""
    package = importlib.util.find_spec("facexlib")
    return Path(package.origin).parent / "weights" if package and package.origin else None


def missing_message(weight: Weight, roots: Sequence[Path]) -> str:
    """What to download, from where, and where to put it."""
    models = roots[0] if roots else Path("models")
    return (
        f"{weight.purpose[0].upper()}{weight.purpose[1:]} needs {weight.file} ({weight.size}; licence: "
        f"{weight.licence}), which is not at {weight.path(models)}. Download it with `python -m stableidentity_core "
        f"download {weight.name} --models {_quoted(models)}`, or put it there yourself from {weight.urls[0]}"
    )


def places(weight: Weight) -> tuple[PurePosixPath, ...]:
    """Relative paths at which a file may be in a root, its own folder first."""
    proper = PurePosixPath(weight.folder)
    folders = [proper, PurePosixPath(*proper.parts[proper.parts[0] == OWN :])]
    folders += [PurePosixPath(folder) for folder in weight.elsewhere]
    if has_unique_name(weight):
        folders.append(PurePosixPath())
    else:
        folders.append(PurePosixPath(proper.name))
    return tuple(dict.fromkeys(folder / weight.file for folder in folders))


def has_unique_name(weight: Weight) -> bool:
    """Whether the file name identifies the entry; `model.safetensors` does not."""
    return [other.file for other in WEIGHTS.values()].count(weight.file) == 1


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a path that is too long, or a folder without permission
        return False


def _quoted(path: Path) -> str:
    return f'"{path}"' if " " in str(path) else str(path)
