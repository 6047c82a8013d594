"""How well a person's pictures are found among those of all people."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .base import Sample, register
from .of_faces import OfFaces


@register
class MeanAveragePrecision(OfFaces):
    """Average precision of a person's pictures when those of all people are sorted by similarity to the person, 0 to 1.

    The mean over people is the mAP. Pictures without a face come last; pictures of the same similarity count as one
    place. nan with the pictures of one person only, or without a reference.
    """

    name, title = "mean_average_precision", "mAP"

    def __call__(self, samples: Sequence[Sample]) -> Tensor:
        return torch.stack([self._of(sample, samples) for sample in samples])

    def _of(self, sample: Sample, samples: Sequence[Sample]) -> Tensor:
        reference = self.reference(sample)
        if len(samples) < 2 or reference.isnan().any():
            return torch.tensor(torch.nan)
        scores = {each.person: self.to(reference, each).nan_to_num(nan=-torch.inf) for each in samples}
        return average_precision(scores[sample.person], torch.cat(list(scores.values())))


def average_precision(wanted: Tensor, everything: Tensor) -> Tensor:
    """Scores [N] of what is wanted, and [M] of all -> [], the mean over N of the precision at each one's score."""
    at = wanted[:, None]
    return ((wanted >= at).sum(-1) / (everything >= at).sum(-1)).mean()
