"""Checks whether a file on disk is the one in the table."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

from ..background import BackgroundThread
from .weight import Weight

CHUNK = 1 << 20

# Signatures of other content that is often saved in place of weights.
_NO_WEIGHTS = {
    b"<!doctype": "is a web page",
    b"<html": "is a web page",
    b"version https://git-lfs": "is a Git LFS pointer (`git lfs pull` fetches the file itself)",
}


def difference(weight: Weight, path: Path, on_wait: Callable[[], None] = lambda: None) -> str | None:
    """How a file differs from the table's entry in kind, size or sha256, or None if it does not.

    Args:
        on_wait: called for every MB and at least five times a second. If it raises, reading stops.

    Raises:
        OSError: the file cannot be read.
    """
    size, digest, head = 0, hashlib.sha256(), b""
    if (problem := _wrong_size(weight, path.stat().st_size)) is not None:
        return problem
    with BackgroundThread() as thread:
        for chunk in read_in_background(thread, path, on_wait):
            head = head or chunk
            size += len(chunk)
            digest.update(chunk)
            if weight.sha256 is None:
                break
    for beginning, kind in _NO_WEIGHTS.items():
        if head.lstrip().lower().startswith(beginning):
            return kind
    if weight.sha256 is None:
        return None
    if digest.hexdigest() != weight.sha256:
        return f"has sha256 {digest.hexdigest()}, needed {weight.sha256}"
    return _wrong_size(weight, size)


def read_in_background(thread: BackgroundThread, path: Path, on_wait: Callable[[], None]) -> Iterator[bytes]:
    """A file's bytes in chunks, from a disk or network share that may block."""
    chunks = _chunks(path)
    while chunk := thread(lambda: next(chunks, b""), on_wait):
        on_wait()
        yield chunk


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:  # closed by the reading thread: another one would block on it
        yield from iter(lambda: file.read(CHUNK), b"")


def _wrong_size(weight: Weight, size: int) -> str | None:
    return f"has {size:,} bytes, needed {weight.size}" if size == 0 or weight.bytes not in (None, size) else None
