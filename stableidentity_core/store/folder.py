"""The files of stored trainings: which there are, which are in use, and removing them."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from filelock import FileLock

from ..files.atomic import remove_abandoned


class Kind(Enum):
    """What a file holds, by its ending."""

    WORDS = ".safetensors"
    PROJECTOR = ".projector.safetensors"
    CHECKPOINT = ".checkpoint.safetensors"


_ENTRY = re.compile(r"([0-9a-f]{32})((?:\.projector|\.checkpoint)?\.safetensors)")
_LOCK = re.compile(r"([0-9a-f]{32})\.lock")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A file of a stored training."""

    path: Path
    key: str
    kind: Kind
    size: int  # bytes
    used: int  # when it was last written or read, nanoseconds since 1970


def entries(folder: Path) -> list[Entry]:
    """All files of stored trainings in a folder; what is not of the store is left out.

    Raises:
        OSError: the folder cannot be read; one that is not there is empty.
    """
    found = []
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as files:
        for file in files:
            match = _ENTRY.fullmatch(file.name)
            with contextlib.suppress(FileNotFoundError):  # another process has just removed it
                if match and stat.S_ISREG((state := file.stat(follow_symlinks=False)).st_mode):
                    key, ending = match.groups()
                    found.append(
                        Entry(
                            path=Path(file.path), key=key, kind=Kind(ending), size=state.st_size, used=state.st_mtime_ns
                        )
                    )
    return found


@contextmanager
def working(folder: Path, key: str) -> Iterator[None]:
    """Inside, no process removes the checkpoint of this work; where files cannot be locked, nothing is done."""
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder, key):
        yield


def remove(entry: Entry) -> bool:
    """Remove a file, unless it is the checkpoint of work that goes on now; whether it is gone."""
    if entry.kind is not Kind.CHECKPOINT:
        return _removed(entry.path)
    with _locked(entry.path.parent, entry.key) as ours:
        return ours and _removed(entry.path)


def trim(folder: Path, limit: float) -> list[Entry]:
    """Remove files until the rest takes at most `limit` bytes; never raises.

    Projectors and checkpoints leave first, those not used for the longest before the others; the words, which are a
    thousandth of their size, leave last.

    Returns:
        What was removed.
    """
    removed: list[Entry] = []
    with contextlib.suppress(OSError):
        there = entries(folder)
        excess = sum(entry.size for entry in there) - limit
        for entry in sorted(there, key=lambda entry: (entry.kind is Kind.WORDS, entry.used)):
            if excess <= 0:
                break
            if _unused_since(entry) and remove(entry):
                removed.append(entry)
                excess -= entry.size
    return removed


def sweep(folder: Path) -> None:
    """Remove what killed processes left: half-written files and locks; never raises."""
    remove_abandoned(folder)
    with contextlib.suppress(OSError):
        keys = [match[1] for name in os.listdir(folder) if (match := _LOCK.fullmatch(name))]
        for key in keys:
            with _locked(folder, key):
                pass


def _unused_since(entry: Entry) -> bool:
    """Whether no other process has used the file since it was listed."""
    try:
        return entry.path.stat().st_mtime_ns == entry.used
    except OSError:
        return False


def _removed(path: Path) -> bool:
    try:
        path.unlink()
    except FileNotFoundError:
        return True
    except OSError:  # not allowed, or open on a system that keeps it then
        return False
    return True


@contextmanager
def _locked(folder: Path, key: str) -> Iterator[bool]:
    """Hold the lock of a work if it is free; whether it was. Its file goes with it."""
    path = folder / f"{key}.lock"
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except (OSError, NotImplementedError):  # held by another (filelock.Timeout), or no locks on this file system
        yield False
        return
    try:
        yield True
    finally:
        with contextlib.suppress(OSError):  # a system that keeps open files keeps this one, until `sweep`
            path.unlink()
        lock.release()
