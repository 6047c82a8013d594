"""Progress on stderr: a bar in a terminal; in a file or a pipe, a line every few seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec
from typing import Any, TextIO

from tqdm import tqdm

from .printable import printable_line

EVERY = 5.0  # seconds between lines


class _Lines:
    """A stream for tqdm that writes frames as lines: the first, one every few seconds, and the last."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.waiting = ""
        self.written_at = float("-inf")

    def write(self, text: str) -> None:
        """Receive a frame, which begins with a carriage return, or the line feed that ends a bar."""
        self.waiting = text.strip("\r\n ") or self.waiting
        if text == "\n" or time.monotonic() - self.written_at >= EVERY:
            self._write_waiting()

    def _write_waiting(self) -> None:
        if self.waiting:
            self.stream.write(f"{self.waiting}\n")
            self.stream.flush()
            self.waiting, self.written_at = "", time.monotonic()

    def flush(self) -> None:
        self.stream.flush()


def in_terminal() -> bool:
    return sys.stderr.isatty()


def progress_bar(iterable: Iterable[Any] | None = None, **options: Any) -> tqdm:
    """tqdm with its own options, formatted for a terminal or for a log depending on stderr."""
    look: dict[str, Any] = (
        {"file": sys.stderr, "dynamic_ncols": True} if in_terminal() else {"file": _Lines(sys.stderr), "ncols": 0}
    )
    return tqdm(iterable, **look, **options)


def write_beside_bar(text: str) -> None:
    """Write a line to stderr without breaking a progress bar."""
    tqdm.write(printable_line(text), file=sys.stderr)


def quiet_loaders(*packages: str) -> None:
    """Outside a terminal, turn off the progress bars of these packages' loaders for the rest of the process."""
    if not in_terminal():
        for package in filter(find_spec, packages):
            import_module(f"{package}.utils.logging").disable_progress_bar()
