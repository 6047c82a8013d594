"""The `.part` file of a download: the beginning of a file on disk."""

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
    errno.EFBIG: "The file system, or a limit of this process, allows no file of this size.",
    errno.EISDIR: "Move that folder away.",
    **dict.fromkeys((errno.ENOTDIR, errno.EEXIST), "A file stands where a folder is needed; move it away."),
    **dict.fromkeys(
        (errno.EACCES, errno.EPERM, errno.EROFS), "Make the folder writable, or close what has the file open."
    ),
}


class Wrong(Exception):
    """The bytes are not those of the table."""


class Part:
    """Opens what an earlier attempt left, or begins anew; closed by `with`, which keeps what is there.

    Raises:
        DownloadError: (every method) the disk is full, the folder cannot be written, or somebody else writes the file.
    """

    def __init__(self, target: Path, weight: Weight, origin: str):
        # Without a hash nothing would show that halves of two addresses do not fit together.
        tag = "" if weight.sha256 else f".{hashlib.sha256(origin.encode(errors='replace')).hexdigest()[:8]}"
        self.target = target
        self.path = target.with_name(f"{target.name}{tag}.part")
        self._weight = weight
        self._total: int | None = None
        self.size = 0
        with self._disk():
            target.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("ab", buffering=0)  # what is counted as written is written
            self.size = os.fstat(self._file.fileno()).st_size

    def __enter__(self) -> Part:
        return self

    def __exit__(self, _kind: type | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        with self._disk():
            self._file.close()
        if self.size == 0:
            self.path.unlink(missing_ok=True)

    def restart(self) -> None:
        """Throw away what is there."""
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
        """Locks keep others away; not every network share has them."""
        found = os.fstat(self._file.fileno()).st_size
        if found != self.size:
            raise DownloadError(
                f"{self.path} has {found:,} bytes, {self.size:,} were written here: another process writes into it. "
                "Let one finish, remove that file if none is left, and repeat."
            )

    def check_total(self, total: int) -> None:
        """Before the bytes come: is it the table's size, and does it fit on the disk?"""
        if self._weight.bytes not in (None, total):
            self.restart()
            raise Wrong(f"offers {total:,} bytes, needed {self._weight.size}")
        if self._total not in (None, total):
            self.restart()
            raise Wrong(f"offered {self._total:,} bytes at first and {total:,} later: the file there has changed")
        self._total = total
        with self._disk():
            free = shutil.disk_usage(self.target.parent).free
        if free < total - self.size:
            raise DownloadError(
                f"{self.target.name} needs {total - self.size:,} bytes more in {self.target.parent}, and "
                f"{free:,} are free there. Free some space or choose another folder."
            )

    def put_in_place(self, on_wait: Callable[[], None]) -> None:
        """Check the whole file as it is on the disk and give it its name; a wrong one is removed.

        Args:
            on_wait: called at least five times a second. What it raises leaves the part as it is.

        Raises:
            Wrong: its kind, size or sha256 is not that of the table.
        """
        with self._disk():
            call_in_background(lambda: os.fsync(self._file.fileno()), on_wait)  # which may take long on a slow disk
            self._check_alone()
            self._file.close()
            problem = difference(self._weight, self.path, on_wait)
            if problem:
                self.path.unlink()
                raise Wrong(f"gave a file that {problem}; it was removed")
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
            code, said = (error.errno, error.strerror) if isinstance(error, OSError) else (None, None)
            raise DownloadError(
                f"{self.path} could not be written after {self.size:,} bytes: {said or error}. "
                f"{_REMEDIES.get(code or 0, 'Choose another models folder.')} Then repeat."
            ) from error


def parts_of(target: Path) -> list[Path]:
    """What unfinished downloads of a file have left, of any address."""
    return sorted(target.parent.glob(f"{glob.escape(target.name)}*.part"))
