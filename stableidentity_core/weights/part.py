"""The `.part` file of a download: the beginning of a file on disk, with the hash of it."""

from __future__ import annotations

import glob
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from ..errors import DownloadError
from .weight import Weight

CHUNK = 1 << 20


class Wrong(Exception):
    """The bytes are not those of the table."""


class Part:
    """Opens what an earlier attempt left, or begins anew; closed by `with`, which keeps what is there.

    Raises:
        DownloadError: (every method) the disk is full or the folder cannot be written.
    """

    def __init__(self, target: Path, weight: Weight, origin: str):
        # Without a hash nothing would show that halves of two addresses do not fit together.
        tag = "" if weight.sha256 else f".{hashlib.sha256(origin.encode()).hexdigest()[:8]}"
        self.target = target
        self.path = target.with_name(f"{target.name}{tag}.part")
        self._weight = weight
        self._digest = hashlib.sha256()
        self.size = 0
        with self._disk():
            target.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("a+b")
            self._file.seek(0)
            for chunk in iter(lambda: self._file.read(CHUNK), b""):
                self._digest.update(chunk)
                self.size += len(chunk)

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
        self._digest, self.size = hashlib.sha256(), 0

    def write(self, chunk: bytes) -> None:
        with self._disk():
            self._file.write(chunk)
        self._digest.update(chunk)
        self.size += len(chunk)

    def check_total(self, total: int) -> None:
        """Before the bytes come: is it the table's size, and does it fit on the disk?"""
        if self._weight.bytes not in (None, total):
            self.restart()
            raise Wrong(f"offers {total:,} bytes, needed {self._weight.size}")
        with self._disk():
            free = shutil.disk_usage(self.target.parent).free
        if free < total - self.size:
            raise DownloadError(
                f"{self.target.name} needs {total - self.size:,} bytes more in {self.target.parent}, and "
                f"{free:,} are free there. Free some space or choose another folder."
            )

    def put_in_place(self) -> None:
        """Check the whole file and give it its name; a wrong one is removed.

        Raises:
            Wrong: its size or sha256 is not that of the table.
        """
        with self._disk():
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            problem = self._problem()
            if problem:
                self.path.unlink()
                raise Wrong(f"gave a file that {problem}; it was removed")
            os.replace(self.path, self.target)
            for rest in self.target.parent.glob(f"{glob.escape(self.target.name)}*.part"):
                rest.unlink(missing_ok=True)

    def _problem(self) -> str | None:
        if self.size == 0 or self._weight.bytes not in (None, self.size):
            return f"has {self.size:,} bytes, needed {self._weight.size}"
        if self._weight.sha256 not in (None, self._digest.hexdigest()):
            return f"has sha256 {self._digest.hexdigest()}, needed {self._weight.sha256}"
        return None

    @contextmanager
    def _disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise DownloadError(
                f"{self.path} could not be written after {self.size:,} bytes: {error.strerror or error}. Free some "
                "space, make the folder writable or choose another one, and repeat."
            ) from error
