"""The files of stored trainings: listing, locking and removing them."""

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
    """A file's content, by its extension."""

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
    used: int  # last write or read, nanoseconds since 1970


def entries(folder: Path) -> list[Entry]:
    """All files of stored trainings in a folder; other files are ignored. A missing folder counts as empty.

    Raises:
        OSError: the folder cannot be read.
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
    """Lock the checkpoint of this training against removal; has no effect where files cannot be locked."""
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder, key):
        yield


def remove(entry: Entry) -> bool:
    """Remove a file, unless it is the checkpoint of a running training; return whether it is gone."""
    if entry.kind is not Kind.CHECKPOINT:
        return _removed(entry.path)
    with _locked(entry.path.parent, entry.key) as ours:
        return ours and _removed(entry.path)


def trim(folder: Path, limit: float) -> list[Entry]:
    """Remove files until the rest takes at most `limit` bytes; never raises.

    Projectors and checkpoints are removed first, least recently used first; words, a thousandth of their size, last.

    Returns:
        The removed files.
    """
    removed: list[Entry] = []
    with contextlib.suppress(OSError):
        present = entries(folder)
        excess = sum(entry.size for entry in present) - limit
        for entry in sorted(present, key=lambda entry: (entry.kind is Kind.WORDS, entry.used)):
            if excess <= 0:
                break
            if _unused_since(entry) and remove(entry):
                removed.append(entry)
                excess -= entry.size
    return removed


def sweep(folder: Path) -> None:
    """Remove partially written files and locks left by killed processes; never raises."""
    remove_abandoned(folder)
    with contextlib.suppress(OSError):
        keys = [match[1] for name in os.listdir(folder) if (match := _LOCK.fullmatch(name))]
        for key in keys:
            with _locked(folder, key):
                pass


def _unused_since(entry: Entry) -> bool:
    """Whether the file was not used by another process since it was listed."""
    try:
        return entry.path.stat().st_mtime_ns == entry.used
    except OSError:
        return False


def _removed(path: Path) -> bool:
    try:
        path.unlink()
    except FileNotFoundError:
        return True
    except OSError:  # no permission, or open on a system that does not remove open files
        return False
    return True


@contextmanager
def _locked(folder: Path, key: str) -> Iterator[bool]:
    """Hold a training's lock if it is free, and yield whether it was. The lock file is removed afterwards."""
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
        with contextlib.suppress(OSError):  # a system that does not remove open files keeps it until `sweep`
            path.unlink()
        lock.release()
