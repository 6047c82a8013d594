"""Whether a recogniser that knows many people names the right one."""

from __future__ import annotations

import torch
from torch import Tensor

from .base import Sample, register
from .of_faces import OfFaces


@register
class Rank1(OfFaces):
    """Share of the pictures whose face is more similar to the person than to every one of the others, 0 to 1.

    A picture without a face is not recognised. nan if there are no others, or no reference of the person.
    """

    name, title = "rank_1", "rank-1"

    def of_sample(self, sample: Sample) -> Tensor:
        return self.each(sample).mean()

    def each(self, sample: Sample) -> Tensor:  # [N]
        others = self.others(sample)
        if not len(others) or sample.person not in self.recogniser.references:
            return torch.full((len(sample.prompts),), torch.nan)
        closest = self.to(others, sample).amax(-1)
        return (self.similarities(sample) > closest).float()
