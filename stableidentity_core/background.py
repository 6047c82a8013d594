"""Runs calls that may block in their own thread, so that the caller can react to a cancellation."""

from __future__ import annotations

import os
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")

POLL = 0.2  # seconds between checks for a cancellation


class BackgroundThread:
    """One thread that runs calls, one after the other.

    A call that still blocks when the context exits runs to its end, and its result is discarded; then the thread ends.
    It does not keep the process alive.
    """

    def __init__(self) -> None:
        self._calls: SimpleQueue[Callable[[], Any] | None] = SimpleQueue()
        self._results: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
        self.busy = False  # with a call whose result nobody has taken
        Thread(target=self._work, name="StableIdentity background", daemon=True).start()

    def __enter__(self) -> BackgroundThread:
        return self

    def __exit__(self, *_error: object) -> None:
        self._calls.put(None)

    def __call__(self, act: Callable[[], T], on_wait: Callable[[], None]) -> T:
        """Return or raise what `act` does; until then call `on_wait` five times a second, which may raise to cancel."""
        self.busy = True
        self._calls.put(act)
        while True:
            try:
                value, error = self._results.get(timeout=POLL)
            except Empty:
                on_wait()
                continue
            self.busy = False
            if error is not None:
                raise error
            return value

    def _work(self) -> None:
        while (act := self._calls.get()) is not None:
            try:
                self._results.put((act(), None))
            except BaseException as error:  # re-raised in the caller
                self._results.put((None, error))
            del act  # releases what it references, such as an open file, before the next call


_idle: list[BackgroundThread] = []
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_idle.clear)  # a child process has none of these threads


def call_in_background(act: Callable[[], T], on_wait: Callable[[], None]) -> T:
    """Run a single call this way.

    Threads are used again: libraries keep something for each thread that they ever saw, matplotlib its open fonts.
    """
    try:
        thread = _idle.pop()
    except IndexError:
        thread = BackgroundThread()
    try:
        return thread(act, on_wait)
    finally:
        if thread.busy:
            thread.__exit__()
        else:
            _idle.append(thread)
