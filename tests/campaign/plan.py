"""What one campaign is asked for: its seed, its time, how much of each part, and how it says that it lives."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

SAY_EVERY = 5.0  # seconds


def _print(text: str) -> None:
    print(text, flush=True)


@dataclass
class Plan:
    """How a part is to be run.

    Attributes:
        folder: its own, for everything it writes.
        seconds: that it may take; it stops at its goal or then, whichever comes first.
        goal: how much to try, in the part's own unit; None is the part's own.
    """

    folder: Path
    seed: int = 0
    seconds: float = 600.0
    goal: int | None = None
    host: Path | None = None
    say: Callable[[str], None] = _print
    _said: float = field(default=0.0, repr=False)

    def __post_init__(self) -> None:
        self.ends = time.monotonic() + self.seconds

    @property
    def left(self) -> float:
        return max(0.0, self.ends - time.monotonic())

    def random(self, *words: object) -> Random:
        """Chances of this name, the same for the same seed."""
        return Random(f"{self.seed}/{'/'.join(map(str, words))}")

    def tell(self, text: str) -> None:
        """Progress, a line every few seconds."""
        if time.monotonic() - self._said >= SAY_EVERY:
            self._said = time.monotonic()
            self.say(f"  {text}")
