"""How many faces are too similar to be anything but a copy of the photo."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .base import Sample, register
from .instruments import Instruments
from .of_faces import OfFaces

if TYPE_CHECKING:
    from typing_extensions import Self


@register
class Copied(OfFaces):
    """Share of the pictures that are more similar to the person than two photos of one person are, 0 to 1.

    nan without a value for that similarity (`Recogniser.copied`), or without a reference of the person.
    """

    name, title = "copied", "share of copies"

    @classmethod
    def made(cls, instruments: Instruments) -> Sequence[Self]:
        return [metric for metric in super().made(instruments) if metric.recogniser.copied is not None]

    def of_sample(self, sample: Sample) -> Tensor:
        limit = self.recogniser.copied
        if limit is None or sample.person not in self.recogniser.references:
            return torch.tensor(torch.nan)
        return (self.similarities(sample) > limit).float().mean()
