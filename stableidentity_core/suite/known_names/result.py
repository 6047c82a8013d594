"""What came out of asking a model for names, and what it means for learning people there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from ..results.bootstrap import Interval, interval_of
from .groups import CELEBRITIES, NEW, SCRAMBLED

STEADY = 0.75  # of the separation: half-way from chance to one person in all pictures of a name
FEWEST_FACES = 0.5  # share of the pictures


@dataclass(frozen=True, kw_only=True, eq=False)
class GroupResult:
    """The pictures of some names.

    Attributes:
        same_first: the separation of each name, see `separations`.
        found: [N, P] bool, whether a face was found.
        pictures: [N, P, 3, S, S] in 0..1.
    """

    names: tuple[str, ...]
    same_first: list[float | None]
    found: Tensor
    pictures: Tensor

    @property
    def separation(self) -> Interval:
        """The mean over names."""
        return interval_of(self.same_first)

    @property
    def faces(self) -> float:
        """Share of the pictures with a face."""
        return self.found.float().mean().item()


@dataclass(frozen=True, kw_only=True, eq=False)
class NamesKnown:
    """All groups of names, by title."""

    groups: Mapping[str, GroupResult]

    @property
    def separation(self) -> float:
        """Of the celebrities' names; 0.5, chance, where no face tells."""
        mean = self.groups[CELEBRITIES].separation.mean
        return 0.5 if math.isnan(mean) else mean


def verdict(known: NamesKnown) -> str:
    """Whether the model has a space of names worth landing in, in two or three sentences."""
    celebrities, new, scrambled = (known.groups[name].separation for name in (CELEBRITIES, NEW, SCRAMBLED))
    faces = known.groups[CELEBRITIES].faces
    if faces < FEWEST_FACES or math.isnan(celebrities.low):
        return (
            f"Cannot tell: a face was found in {faces:.0%} of the pictures of celebrities. Use a resolution that the "
            "model was made for, or look at the pictures."
        )
    share = f"two pictures of one name are the more alike pair in {_percent(celebrities)} of comparisons; chance is 50%"
    if celebrities.high < STEADY:
        return (
            f"No: this model does not know these names ({share}). Words that are learned among names have nothing to "
            "land in; Textual Inversion does without."
        )
    if celebrities.low < STEADY:
        return f"Unclear: it knows some of these names ({share}). Ask for more names."
    if not new.low >= STEADY:
        return (
            f"In part: this model knows these names ({share}), but not what lies between them: a first name and a "
            f"last name of different people show no steady person ({_percent(new)}). A learned word may waver as well."
        )
    also = ""
    if scrambled.low >= STEADY:
        also = f" It paints even scrambled letters as steady persons ({_percent(scrambled)})."
    return (
        f"Yes: this model knows these names ({share}), and shows steady persons between them as well: a first name "
        f"and a last name of different people, {_percent(new)}. It has a space of names worth landing in.{also}"
    )


def _percent(value: Interval) -> str:
    return "no face" if math.isnan(value.mean) else f"{value.mean:.0%}"
