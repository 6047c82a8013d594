"""A lock that lets one process at a time download a file while others wait."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from ..background import POLL
from ..console.streams import get_logger

log = get_logger(__name__)


@contextmanager
def download_lock(target: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold the lock for downloading `target`: a lock file next to it, removed afterwards.

    Where locking is not possible (some network shares, a read-only folder) no lock is held; `Part` detects a second
    writer by itself.

    Args:
        on_wait: called five times a second while another process holds the lock. If it raises, waiting stops.
    """
    lock = _lock(target, on_wait)
    try:
        yield
    finally:
        if lock is not None:
            if os.name != "nt":  # on Windows the library does it
                with contextlib.suppress(OSError):
                    os.unlink(lock.lock_file)
            lock.release()


def _lock(target: Path, on_wait: Callable[[], None]) -> BaseFileLock | None:
    reported = False
    while True:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(target.with_name(f"{target.name}.lock"))
            lock.acquire(timeout=0)
            return lock
        except Timeout:  # also an OSError
            pass
        except (OSError, ValueError, NotImplementedError):  # Part reports problems with the folder
            return None
        if not reported:
            log.warning("%s: another process is downloading this file; waiting for it to finish.", target.name)
        reported = True
        on_wait()
        time.sleep(POLL)
