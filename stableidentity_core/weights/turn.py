"""One process at a time fetches a file; the others wait for it."""

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
def turn(target: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold the right to fetch `target`, by a lock file beside it that is gone afterwards.

    Where locks cannot be had (some network shares, a folder that cannot be written) there are none; `Part` notices a
    second writer by itself.

    Args:
        on_wait: called five times a second while another process holds it. What it raises ends the waiting.
    """
    lock = _lock(target, on_wait)
    try:
        yield
    finally:
        if lock is not None:
            if os.name != "nt":  # there the library does it
                with contextlib.suppress(OSError):
                    os.unlink(lock.lock_file)
            lock.release()


def _lock(target: Path, on_wait: Callable[[], None]) -> BaseFileLock | None:
    told = False
    while True:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(target.with_name(f"{target.name}.lock"))
            lock.acquire(timeout=0)
            return lock
        except Timeout:  # also an OSError
            pass
        except (OSError, ValueError, NotImplementedError):  # what is wrong with the folder, the part says
            return None
        if not told:
            log.warning("%s: another process is fetching this file; waiting for it to finish.", target.name)
        told = True
        on_wait()
        time.sleep(POLL)
