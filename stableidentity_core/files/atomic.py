"""Atomic file writes, safe with several processes, with cleanup after processes that were killed."""

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
except ImportError:  # Windows, which does not allow removing an open file
    fcntl = None

PREFIX, SUFFIX = ".si-", ".part"
# Errors of link(2) on file systems without hard links (exFAT, some network shares).
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


def write_atomically(path: Path, content: bytes, *, replace: bool = True) -> None:
    """Write a temporary file next to the target, flush it to disk, then rename it.

    Also removes temporary files of killed processes from the folder. The file's mode follows the umask.

    Args:
        path: missing folders are created.
        content: the whole file.
        replace: False never overwrites an existing file, even one that another process has just written.

    Raises:
        FileTakenError: `replace` is False and the name is taken; nothing was changed.
        StableIdentityError: the disk is full or the folder is not writable; the target is unchanged.
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


def rename_file(old: Path, new: Path) -> None:
    """Rename a file within a file system, without ever overwriting another one.

    Raises:
        FileTakenError: the new name is taken; nothing was changed.
        StableIdentityError: the folder is not writable, or the file is in use.
    """
    try:
        if os.path.lexists(new) and os.path.samefile(old, new):
            os.rename(old, new)  # other capitals, where the file system does not distinguish them
            return
        _name_exclusively(os.fspath(old), new)
        with contextlib.suppress(FileNotFoundError):  # renamed, where there are no hard links
            os.unlink(old)
    except FileTakenError:
        raise
    except (OSError, ValueError) as error:
        raise StableIdentityError(
            f"{old} could not be renamed to {new.name}: {_reason(error)}. {_remedy(error)}"
        ) from error


def remove_abandoned(folder: Path) -> None:
    """Remove unfinished files of killed processes from a folder; those of running processes are locked and kept."""
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
    """A locked file in the folder, removed at the end unless it was renamed."""
    while True:
        descriptor, name = tempfile.mkstemp(dir=folder, prefix=PREFIX, suffix=SUFFIX)
        file = os.fdopen(descriptor, "wb")
        if fcntl is None:
            break
        with contextlib.suppress(OSError):  # file systems without locks: no other process can lock and remove it either
            fcntl.flock(file, fcntl.LOCK_EX)
        if os.path.exists(name):
            break
        file.close()  # another process removed it as abandoned between its creation and the lock
    try:
        if fcntl is not None:
            os.fchmod(file.fileno(), 0o666 & ~_umask())  # mkstemp makes it private
        yield file, name
    finally:
        try:
            file.close()  # flushes the buffer, so it fails on a full disk
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
        raise FileTakenError(f"{path} already exists. Choose another name; nothing was changed.") from error


def _link(temporary: str, path: Path) -> None:
    try:
        os.link(temporary, path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
        os.replace(temporary, path)


def _flush_folder(folder: Path) -> None:
    """Make the rename survive a power failure, where folders can be opened."""
    if os.name == "nt":
        return
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _umask() -> int:
    # Everywhere else it can only be read by setting it, and other threads may be creating files at that moment.
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
        return "The file system or a limit of this process does not allow a file of this size; choose another folder."
    if code in (errno.EISDIR, errno.ENOTDIR):
        return "There is a folder where a file is needed, or a file where a folder is; choose another name or folder."
    return "Choose another name or folder."
