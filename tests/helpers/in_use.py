"""Bytes that this process really uses; memory that is free and only not given back to the system does not count."""

from __future__ import annotations

import ctypes
import gc
import sys

BLOCK = 64  # bytes of a small object of Python, about: 32 of a number, 92 on average after the host's imports


class _MallocInfo(ctypes.Structure):
    """glibc's struct mallinfo2: ten sizes, of which the fifth and the eighth are in use."""

    _fields_ = [("before", ctypes.c_size_t * 4), ("mapped", ctypes.c_size_t), ("between", ctypes.c_size_t * 2)]
    _fields_ += [("used", ctypes.c_size_t), ("after", ctypes.c_size_t * 2)]


def bytes_in_use() -> int | None:
    """In use by malloc, whose users are all libraries, and by Python's own allocator; None without a glibc of 2.33.

    Unlike resident memory it does not depend on fragmentation. Files that are mapped and code that oneDNN compiles are
    in neither allocator: only resident memory shows them.
    """
    gc.collect()
    info = getattr(ctypes.CDLL(None), "mallinfo2", None) if sys.platform == "linux" else None
    if info is None:
        return None
    info.restype = _MallocInfo
    seen = info()
    return seen.used + seen.mapped + sys.getallocatedblocks() * BLOCK
