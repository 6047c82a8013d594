"""Drawing the batches of several steps at once, where drawing moves networks on and off the device."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from .batch import Batch, draw_batches

if TYPE_CHECKING:
    from .loop import Run


class Lookahead:
    """The batches of runs that are trained together, step by step.

    Each run draws what it would draw at each step, in the same order, and its generator has the state that it would
    have then, so that a checkpoint can be written after any step.
    """

    def __init__(self, runs: Sequence[Run]):
        self.runs = runs
        self._drawn: deque[tuple[list[Batch], list[Tensor]]] = deque()

    def next(self) -> list[Batch]:
        """One batch for each run."""
        if not self._drawn:
            self._draw()
        batches, states = self._drawn.popleft()
        for run, state in zip(self.runs, states, strict=True):
            run.generator.set_state(state)
        return batches

    def _draw(self) -> None:
        first = self.runs[0]
        sources = [run.source for run in self.runs]
        encodes = any(source.pool is None and source.plain is None for source in sources)
        steps = min(first.backend.steps_ahead if encodes else 1, first.config.steps - first.step)
        for number in range(steps):
            if number:
                first.backend.check_cancelled()
            batches = draw_batches(first.backend, sources, first.config)
            self._drawn.append((batches, [run.generator.get_state() for run in self.runs]))
