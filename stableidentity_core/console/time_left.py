"""How long counted work still takes, and times in words."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping

RECENT = 64  # parts of a kind whose mean is taken: several rounds of work that is done for some steps at a time
# A new prediction of the end replaces the old one if it differs by more than this share of the time left and seconds.
SHARE, SECONDS = 0.15, 5.0


class TimeLeft:
    """The time that counted work still takes, predicted from how long its parts have taken.

    Parts of one kind take about the same time. As long as no part of a kind is done, its duration is the guess, scaled
    by how long the other parts have really taken.

    The end is kept until a new prediction differs clearly, so that the time left counts down instead of flickering.

    Args:
        parts: {kind: number of parts to do}.
        guesses: {kind: duration of one part}, in any unit; only their ratios matter.
        clock: gives seconds. The first part begins now.
    """

    def __init__(
        self, parts: Mapping[str, int], guesses: Mapping[str, float], clock: Callable[[], float] = time.monotonic
    ):
        self._left = dict(parts)
        self._guesses = dict(guesses)
        self._clock = clock
        self._taken: dict[str, deque[float]] = {kind: deque(maxlen=RECENT) for kind in parts}
        self._begun = clock()
        self._end: float | None = None

    def done(self, kind: str) -> None:
        """Note that a part has ended, which began when the one before it ended."""
        now = self._clock()
        self._taken[kind].append(now - self._begun)
        self._left[kind] = max(0, self._left[kind] - 1)
        self._begun = now
        left = sum(count * self._duration(kind) for kind, count in self._left.items())
        if self._end is None or not left or abs(now + left - self._end) > SHARE * left + SECONDS:
            self._end = now + left

    def seconds(self) -> float | None:
        """Seconds that are left; None until the first part is done."""
        return None if self._end is None else max(0.0, self._end - self._clock())

    def _duration(self, kind: str) -> float:
        if taken := self._taken[kind]:
            return sum(taken) / len(taken)
        known = max(self._taken, key=lambda other: len(self._taken[other]))
        return self._duration(known) * self._guesses[kind] / self._guesses[known]


def describe_time_left(seconds: float) -> str:
    """A rounded time: "a few seconds left", "40 s left", "2 min left", "1 h 35 min left", "12 h left"."""
    if seconds < 10:
        return "a few seconds left"
    if seconds < 90:
        return f"{_up_to(seconds, 10)} s left"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min left"
    return f"{_hours(_up_to(seconds / 60, 5))} left"


def describe_duration(seconds: float) -> str:
    """A time that has passed: "0.4 s", "74 s", "12 min 30 s", "3 h 5 min"."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{round(seconds)} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else _hours(minutes)


def _hours(minutes: int) -> str:
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if rest and hours < 10 else f"{hours} h"


def _up_to(value: float, step: int) -> int:
    return math.ceil(value / step) * step
