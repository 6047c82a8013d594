"""Checks, before any work starts, that a result's path can be written."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from ..errors import FileTakenError, StableIdentityError


def check_file(path: Path, option: str, *, replace: bool) -> None:
    """Raise unless a file can be written here.

    Args:
        option: the option that names the file, for the message, such as `--out`.
        replace: whether an existing file may be overwritten.

    Raises:
        FileTakenError: the file exists and must not be replaced.
        StableIdentityError: a folder or a device has the name, or the folder is not writable.
    """
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        mode = None
    except (OSError, ValueError) as error:
        raise _unfit(path, option, error) from error
    if mode is not None:
        _check_taken(path, mode, option, replace)
    try:
        _try_out(path.parent)
    except (OSError, ValueError) as error:
        raise _unfit(path, option, error) from error


def _check_taken(path: Path, mode: int, option: str, replace: bool) -> None:
    if stat.S_ISDIR(mode):
        raise StableIdentityError(f"{option} is {path}, which is a folder, needed a file. Choose another name.")
    if not stat.S_ISREG(mode) and not stat.S_ISLNK(mode):
        raise StableIdentityError(f"{option} is {path}, which is not a regular file. Choose another name.")
    if not replace:
        raise FileTakenError(
            f"{option} is {path}, which already exists. Choose another name, or use --replace to overwrite it."
        )


def check_folder(folder: Path, option: str) -> None:
    """Raise unless files can be written into this folder, which need not exist yet; creates nothing.

    Raises:
        StableIdentityError: it is a file, or it is not writable.
    """
    try:
        if _exists(folder) and not folder.is_dir():
            raise StableIdentityError(f"{option} is {folder}, which is a file, needed a folder. Choose another name.")
        _try_out(folder)
    except StableIdentityError:
        raise
    except (OSError, ValueError) as error:  # ValueError: characters not allowed in paths
        raise _unfit(folder, option, error) from error


def _try_out(folder: Path) -> None:
    nearest = next(place for place in (folder, *folder.absolute().parents) if _exists(place))
    with tempfile.TemporaryDirectory(dir=nearest):
        pass


def _exists(path: Path) -> bool:
    """Raises OSError or ValueError for invalid names, unlike `Path.exists`."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _unfit(path: Path, option: str, error: OSError | ValueError) -> StableIdentityError:
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return StableIdentityError(f"{option} is {path}, which cannot be written: {reason}. Choose another location.")
