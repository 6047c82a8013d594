"""Files written whole or not at all, by one process or several, with nothing left behind by one that was killed."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ..errors import FileTakenError, StableIdentityError

try:
    import fcntl
except ImportError:  # Windows, which refuses to remove a file that somebody has open
    fcntl = None

PREFIX, SUFFIX = ".si-", ".part"
# What link(2) answers on file systems without hard links (exFAT, some network shares).
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


def write_atomically(path: Path, content: bytes, *, replace: bool = True) -> None:
    """Write beside the target, flush to disk, then give it its name in one step.

    Also removes what killed processes left in the folder. The file's mode follows the umask.

    Args:
        path: missing folders are created.
        content: the whole file.
        replace: False leaves a file that is already there as it is, also one that another process has just written.

    Raises:
        FileTakenError: `replace` is False and the name is taken; nothing was changed.
        StableIdentityError: the disk is full or the folder cannot be written; the target is as before.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(path.parent)
        with _temporary(path.parent) as (file, temporary):
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            if os.name == "nt":
                file.close()
            if replace:
                os.replace(temporary, path)
            else:
                _name_exclusively(temporary, path)
        _flush_folder(path.parent)
    except FileTakenError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        raise StableIdentityError(
            f"{path} ({len(content):,} bytes) could not be written: {_reason(error)}. {_remedy(error)} "
            "Nothing was changed."
        ) from error


def remove_abandoned(folder: Path) -> None:
    """Remove the unfinished files of killed processes from a folder; those of living ones are locked and stay."""
    with contextlib.suppress(OSError):
        names = [entry.path for entry in os.scandir(folder) if _is_temporary(entry.name)]
        for name in names:
            with contextlib.suppress(OSError):
                _remove_if_free(name)


def _is_temporary(name: str) -> bool:
    return name.startswith(PREFIX) and name.endswith(SUFFIX)


def _remove_if_free(name: str) -> None:
    if fcntl is None:
        os.unlink(name)
        return
    with open(name, "rb+") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(name)


@contextmanager
def _temporary(folder: Path) -> Iterator[tuple[BinaryIO, str]]:
    """A locked file in the folder, removed at the end if it still has its first name."""
    while True:
        descriptor, name = tempfile.mkstemp(dir=folder, prefix=PREFIX, suffix=SUFFIX)
        file = os.fdopen(descriptor, "wb")
        if fcntl is None:
            break
        with contextlib.suppress(OSError):  # file systems without locks: nobody can lock there to remove it either
            fcntl.flock(file, fcntl.LOCK_EX)
        if os.path.exists(name):
            break
        file.close()  # somebody took it for abandoned between its creation and the lock
    try:
        if fcntl is not None:
            os.fchmod(file.fileno(), 0o666 & ~_umask())  # mkstemp makes it private
        yield file, name
    finally:
        try:
            file.close()  # which writes what is buffered, so it fails on a full disk
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)


def _name_exclusively(temporary: str, path: Path) -> None:
    try:
        if os.name == "nt":
            os.rename(temporary, path)
        else:
            _link(temporary, path)
    except FileExistsError as error:
        raise FileTakenError(f"{path} is already there. Choose another name; nothing was changed.") from error


def _link(temporary: str, path: Path) -> None:
    try:
        os.link(temporary, path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
        os.replace(temporary, path)


def _flush_folder(folder: Path) -> None:
    """Make the new name survive a power cut, where folders can be opened."""
    if os.name == "nt":
        return
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _umask() -> int:
    # The system lets nobody read it without setting it, except here; other threads may be creating files now.
    with contextlib.suppress(OSError, IndexError, ValueError), open("/proc/self/status", encoding="ascii") as status:
        return int(next(line for line in status if line.startswith("Umask:")).split()[1], 8)
    umask = os.umask(0o077)
    os.umask(umask)
    return umask


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _remedy(error: OSError | ValueError) -> str:
    code = error.errno if isinstance(error, OSError) else None
    if isinstance(error, PermissionError) or code == errno.EROFS:
        return "The folder is read-only or the file is in use; choose another name or folder."
    if code in (errno.ENOSPC, errno.EDQUOT):
        return "Free some space or choose another folder."
    if code == errno.ENAMETOOLONG:
        return "Choose a shorter name or folder."
    if code == errno.EFBIG:
        return "The file system or a limit of this process allows no file of this size; choose another folder."
    if code in (errno.EISDIR, errno.ENOTDIR):
        return "A folder stands in the place of a file, or a file in that of a folder; choose another name or folder."
    return "Choose another name or folder."
