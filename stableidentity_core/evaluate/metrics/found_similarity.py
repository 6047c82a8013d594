"""How similar the faces are to the person, where there are faces."""

from __future__ import annotations

from torch import Tensor

from .base import Sample, register
from .of_faces import OfFaces, mean_of_known


@register
class FoundSimilarity(OfFaces):
    """Mean cosine of the faces that were found to the person's reference, -1 to 1; nan if none was found."""

    name, title = "found_similarity", "face similarity, found faces only"

    def of_sample(self, sample: Sample) -> Tensor:
        return mean_of_known(self.similarities(sample))
