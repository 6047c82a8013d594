"""Intervals of means over people, by drawing people anew (B. Efron, 1979)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

DRAWS, SHARE, SEED = 2000, 0.95, 0


@dataclass(frozen=True)
class Interval:
    """A mean over people with its percentile interval of 95 %; nan where there are too few people."""

    mean: float
    low: float
    high: float
    people: int

    def text(self, digits: int = 3) -> str:
        """`0.685 [0.650, 0.712]`, without what is not known."""
        if math.isnan(self.mean):
            return ""
        shown = f"{self.mean:.{digits}f}"
        return shown if math.isnan(self.low) else f"{shown} [{self.low:.{digits}f}, {self.high:.{digits}f}]"


def interval_of(values: Sequence[float | None]) -> Interval:
    """The mean over people; None and nan are left out.

    The draws are the same for every call with as many values, so that equal values give equal intervals.
    """
    known = np.array([value for value in values if value is not None and not math.isnan(value)], dtype=np.float64)
    if len(known) < 2:
        return Interval(float(known.mean()) if len(known) else math.nan, math.nan, math.nan, len(known))
    drawn = known[np.random.default_rng(SEED).integers(len(known), size=(DRAWS, len(known)))].mean(1)
    low, high = np.quantile(drawn, [(1 - SHARE) / 2, (1 + SHARE) / 2])
    return Interval(float(known.mean()), float(low), float(high), len(known))


def difference(values: Sequence[float | None], others: Sequence[float | None]) -> Interval:
    """The mean difference person by person, of people for whom both are known.

    Args:
        values, others: of the same people in the same order.
    """
    pairs = zip(values, others, strict=True)
    return interval_of([None if a is None or b is None else a - b for a, b in pairs])
