"""The `.part` file of a download: the data received so far."""

from __future__ import annotations

import errno
import glob
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from ..background import call_in_background
from ..errors import DownloadError
from .check import difference
from .weight import Weight

_REMEDIES = {
    errno.ENOSPC: "Free some space or choose another models folder.",
    errno.ENAMETOOLONG: "Choose a models folder with a shorter path.",
    errno.EFBIG: "The file system, or a limit of this process, does not allow a file of this size.",
    errno.EISDIR: "Move that folder away.",
    **dict.fromkeys((errno.ENOTDIR, errno.EEXIST), "There is a file where a folder is needed; move it away."),
    **dict.fromkeys(
        (errno.EACCES, errno.EPERM, errno.EROFS), "Make the folder writable, or close the program using the file."
    ),
}


class Mismatch(Exception):
    """The data does not match the table."""


class Part:
    """Opens the file of an earlier attempt or a new one; a context manager that closes it and keeps its data.

    Raises:
        DownloadError: (every method) the disk is full, the folder is not writable, or another process writes the file.
    """

    def __init__(self, target: Path, weight: Weight, origin: str):
        # Without a hash, a mix of data from two addresses would go unnoticed.
        tag = "" if weight.sha256 else f".{hashlib.sha256(origin.encode(errors='replace')).hexdigest()[:8]}"
        self.target = target
        self.path = target.with_name(f"{target.name}{tag}.part")
        self._weight = weight
        self._total: int | None = None
        self.size = 0
        with self._disk():
            target.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("ab", buffering=0)  # unbuffered, so `size` is what is written
            self.size = os.fstat(self._file.fileno()).st_size

    def __enter__(self) -> Part:
        return self

    def __exit__(self, _kind: type | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        with self._disk():
            self._file.close()
        if self.size == 0:
            self.path.unlink(missing_ok=True)

    def restart(self) -> None:
        """Discard the data."""
        with self._disk():
            self._file.truncate(0)
        self.size = 0

    def write(self, chunk: bytes) -> None:
        left = memoryview(chunk)
        with self._disk():
            while left:
                self._check_alone()
                written = self._file.write(left)
                self.size += written
                left = left[written:]

    def _check_alone(self) -> None:
        """Detect another writer; locks prevent that, but some network shares have none."""
        found = os.fstat(self._file.fileno()).st_size
        if found != self.size:
            raise DownloadError(
                f"{self.path} has {found:,} bytes, but {self.size:,} were written here: another process is writing it. "
                "Wait for that process, or delete the file if there is none, and try again."
            )

    def check_total(self, total: int) -> None:
        """Check, before any data arrives, that the size matches the table and fits on the disk."""
        if self._weight.bytes not in (None, total):
            self.restart()
            raise Mismatch(f"offers {total:,} bytes, needed {self._weight.size}")
        if self._total not in (None, total):
            self.restart()
            raise Mismatch(f"offered {self._total:,} bytes at first and {total:,} later: the file there has changed")
        self._total = total
        with self._disk():
            free = shutil.disk_usage(self.target.parent).free
        if free < total - self.size:
            raise DownloadError(
                f"{self.target.name} needs {total - self.size:,} more bytes in {self.target.parent}, but only "
                f"{free:,} are free there. Free some space or choose another folder."
            )

    def put_in_place(self, on_wait: Callable[[], None]) -> None:
        """Verify the complete file on disk and rename it; a file that does not match is deleted.

        Args:
            on_wait: called at least five times a second. If it raises, the part is kept.

        Raises:
            Mismatch: the kind, size or sha256 differs from the table.
        """
        with self._disk():
            call_in_background(lambda: os.fsync(self._file.fileno()), on_wait)  # may take long on a slow disk
            self._check_alone()
            self._file.close()
            problem = difference(self._weight, self.path, on_wait)
            if problem:
                self.path.unlink()
                raise Mismatch(f"sent a file that {problem}; it was deleted")
            os.replace(self.path, self.target)
            for rest in parts_of(self.target):
                rest.unlink(missing_ok=True)

    @contextmanager
    def _disk(self) -> Iterator[None]:
        try:
            yield
        except DownloadError:
            raise
        except (OSError, ValueError) as error:  # ValueError: a null character in the path
            code, reason = (error.errno, error.strerror) if isinstance(error, OSError) else (None, None)
            raise DownloadError(
                f"{self.path} could not be written after {self.size:,} bytes: {reason or error}. "
                f"{_REMEDIES.get(code or 0, 'Choose another models folder.')} Then try again."
            ) from error


def parts_of(target: Path) -> list[Path]:
    """The `.part` files of unfinished downloads of a file, from any address."""
    return sorted(target.parent.glob(f"{glob.escape(target.name)}*.part"))
