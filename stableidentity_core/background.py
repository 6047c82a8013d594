"""Calls that may block, made in a thread of their own, so that the caller sees a cancel meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")

POLL = 0.2  # seconds between two looks for a cancel


class BackgroundThread:
    """One thread that makes calls, one after the other.

    A call that still blocks when the context is left ends by itself, and its result is dropped; the thread then ends
    too. It does not keep the process alive.
    """

    def __init__(self) -> None:
        self._calls: SimpleQueue[Callable[[], Any] | None] = SimpleQueue()
        self._results: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()

    def __enter__(self) -> BackgroundThread:
        Thread(target=self._work, name="StableIdentity background", daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._calls.put(None)

    def __call__(self, act: Callable[[], T], on_wait: Callable[[], None]) -> T:
        """What `act` returns or raises; `on_wait` is called five times a second until then, and may raise to cancel."""
        self._calls.put(act)
        while True:
            try:
                value, error = self._results.get(timeout=POLL)
            except Empty:
                on_wait()
                continue
            if error is not None:
                raise error
            return value

    def _work(self) -> None:
        while (act := self._calls.get()) is not None:
            try:
                self._results.put((act(), None))
            except BaseException as error:  # the caller's to handle, whatever it is
                self._results.put((None, error))
            del act  # what it holds, such as an open file, must not live on until the next call


def call_in_background(act: Callable[[], T], on_wait: Callable[[], None]) -> T:
    """One such call."""
    with BackgroundThread() as call:
        return call(act, on_wait)
