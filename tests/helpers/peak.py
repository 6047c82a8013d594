"""The largest of what is read again and again, such as the memory of another process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress


class Peak:
    """Reads a number from time to time while the context lasts; `value` is the largest, `first` the first one.

    Args:
        read: in a thread of its own; what it raises is a reading missed.
        seconds: between two readings.
    """

    def __init__(self, read: Callable[[], float], seconds: float = 0.1):
        self.read, self.seconds = read, seconds
        self.first = self.value = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Peak:
        self.first = self.value = self.read()
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(self.seconds):
            with suppress(Exception):
                self.value = max(self.value, self.read())
