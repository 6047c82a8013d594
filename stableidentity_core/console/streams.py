"""Text that all streams of the process can write, whatever their encoding.

A host may write its log in ASCII (LC_ALL=C) or in a Windows code page. Python's logging then fails on a path or a name
with other characters, and may crash the caller: in ComfyUI, the thread that processes the queue.
"""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator
from typing import Any

from .printable import printable


def writable(text: str) -> str:
    """The printable text, with escapes (`\\xe4`, `\\u5f20`) for what one of the process's streams cannot write."""
    text = printable(text)
    for encoding in {*_encodings()}:
        text = text.encode(encoding, "backslashreplace").decode(encoding)
    return text


def _encodings() -> Iterator[str]:
    """Encodings of stdout, stderr and the root logger's streams; an unknown one counts as ASCII."""
    handlers = (getattr(handler, "stream", None) for handler in logging.getLogger().handlers)
    for stream in (sys.stdout, sys.stderr, *handlers):
        if stream is not None:
            yield getattr(stream, "encoding", "ascii") or "utf-8"  # None: a text buffer such as StringIO


class _Printable(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = writable(record.getMessage()), ()
        return True


def get_logger(name: str) -> logging.Logger:
    """The logger of one of the pack's modules; all handlers of the process can write its lines."""
    logger = logging.getLogger(name)
    logger.addFilter(_Printable())
    return logger


def escape_unprintable(*streams: Any) -> None:
    """Make streams write escapes for characters missing in their encoding; for the program's own streams only."""
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
