"""Where the time of a step goes: functions wrapped from outside, each counted without those it calls."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch


class Clock:
    """Seconds by part. On a GPU every part is waited for, so that parts are true and their sum too large."""

    def __init__(self, device: torch.device):
        self.device = device
        self.seconds: dict[str, float] = defaultdict(float)
        self._since = 0.0
        self._running: list[str] = []

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        self._book()
        self._running.append(name)
        try:
            yield
        finally:
            self._book()
            self._running.pop()

    def _book(self) -> None:
        """Book the time since the last change to what was running."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        now = time.perf_counter()
        if self._running:
            self.seconds[self._running[-1]] += now - self._since
        self._since = now

    @contextmanager
    def watching(self, *places: tuple[Any, str, str]) -> Iterator[None]:
        """Count calls of `object.attribute` under a name of a part."""
        with ExitStack() as stack:
            for owner, attribute, name in places:
                stack.enter_context(patch.object(owner, attribute, self._timed(getattr(owner, attribute), name)))
            yield

    def _timed(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.part(name):
                return function(*args, **kwargs)

        return timed

    def per_step(self, steps: int) -> dict[str, float]:
        """Milliseconds of each part of a step, the longest first."""
        return {
            name: 1e3 * seconds / steps for name, seconds in sorted(self.seconds.items(), key=lambda item: -item[1])
        }


def take(steps: Iterator[Any], count: int, device: torch.device) -> float:
    """Seconds of a step."""
    wait(device)
    started = time.perf_counter()
    for _ in range(count):
        next(steps)
    wait(device)
    return (time.perf_counter() - started) / count


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def profile(
    steps: Iterator[Any], places: list[tuple[Any, str, str]], device: torch.device, count: int
) -> dict[str, float]:
    clock = Clock(device)
    with clock.watching(*places):
        for _ in range(count):
            with clock.part("all else"):
                next(steps)
    return clock.per_step(count)
