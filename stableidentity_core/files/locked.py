"""A lock that one process at a time can hold, and that ends with the process."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ..errors import StableIdentityError

_TAKEN = {errno.EACCES, errno.EAGAIN, errno.EDEADLK}


@contextmanager
def locked(path: Path, message: str) -> Iterator[None]:
    """Hold the lock of this file, which is created. File systems without locks give it to everybody.

    Args:
        message: what to say when another process holds it.

    Raises:
        StableIdentityError: another process holds it, or the file cannot be created.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("ab")
    except OSError as error:
        raise StableIdentityError(f"{path} cannot be written: {error.strerror}. Choose another folder.") from error
    with file:
        try:
            _lock(file)
        except OSError as error:
            if error.errno in _TAKEN:
                raise StableIdentityError(message) from error
        yield


def _lock(file: BinaryIO) -> None:
    if sys.platform == "win32":
        import msvcrt

        file.seek(0)  # the first byte is locked, even of an empty file
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
