"""Whether a place that a user names for a result can be written, asked before the work and not after it."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from ..errors import FileTakenError, StableIdentityError


def check_file(path: Path, option: str, *, replace: bool) -> None:
    """Raise unless a file can be written here.

    Args:
        option: what names the file, for the message, such as `--out`.
        replace: whether a file that is there may be written over.

    Raises:
        FileTakenError: it is there and must stay.
        StableIdentityError: a folder or a device has the name, or nothing can be written there.
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
        raise StableIdentityError(f"{option} is {path}, which is no regular file. Choose another name.")
    if not replace:
        raise FileTakenError(
            f"{option} is {path}, which is there already. Choose another name, or give --replace to write over it."
        )


def check_folder(folder: Path, option: str) -> None:
    """Raise unless files can be written into this folder, which need not be there yet; leaves nothing there.

    Raises:
        StableIdentityError: it is a file, or nothing can be written there.
    """
    try:
        if _exists(folder) and not folder.is_dir():
            raise StableIdentityError(f"{option} is {folder}, which is a file, needed a folder. Choose another name.")
        _try_out(folder)
    except StableIdentityError:
        raise
    except (OSError, ValueError) as error:  # ValueError: characters that no path can have
        raise _unfit(folder, option, error) from error


def _try_out(folder: Path) -> None:
    nearest = next(place for place in (folder, *folder.absolute().parents) if _exists(place))
    with tempfile.TemporaryDirectory(dir=nearest):
        pass


def _exists(path: Path) -> bool:
    """Raises OSError or ValueError for names that nothing can have, unlike `Path.exists`."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _unfit(path: Path, option: str, error: OSError | ValueError) -> StableIdentityError:
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return StableIdentityError(f"{option} is {path}, where nothing can be written: {reason}. Choose another place.")
