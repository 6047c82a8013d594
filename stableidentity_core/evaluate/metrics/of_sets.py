"""What metrics have in common that compare the pictures of all people with another set of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .base import Sample
from .features import WholePictureFeatures
from .instruments import Instruments, PictureFeatures

if TYPE_CHECKING:
    from typing_extensions import Self


class OfSets:
    """One value of all people together.

    Args:
        network: whose features are compared.
        compared: [M, D], features of the other pictures; None: the value is nan.
    """

    name = title = ""
    needed = 2  # pictures in each set, for a value that means something

    def __init__(self, network: PictureFeatures, compared: Tensor | None):
        self.vectors = WholePictureFeatures(network)
        self.compared = compared
        if network.label:
            self.title = f"{self.title} ({network.label})"
        self.features = (self.vectors,)

    @classmethod
    def made(cls, instruments: Instruments) -> Sequence[Self]:
        return [cls(instruments.inception, instruments.compared)] if instruments.inception else ()

    def distance(self, made: Tensor, compared: Tensor) -> Tensor:
        """Of features [N, D] and [M, D] in float64 -> []."""
        raise NotImplementedError

    def __call__(self, samples: Sequence[Sample]) -> Tensor:
        made, compared = self._sets(samples)
        return self.distance(made, compared) if min(len(made), len(compared)) > 1 else torch.tensor(torch.nan)

    def note(self, samples: Sequence[Sample]) -> str:
        """What makes the value unreliable; empty if nothing does."""
        if self.compared is None:
            return "no pictures to compare with"
        smaller = min(map(len, self._sets(samples)))
        return f"n too small: {smaller:,}, needed {self.needed:,}" if smaller < self.needed else ""

    def _sets(self, samples: Sequence[Sample]) -> tuple[Tensor, Tensor]:
        made = torch.cat([sample.of(self.vectors).cpu().double() for sample in samples])
        return made, made[:0] if self.compared is None else self.compared.cpu().double()
