"""How similar the faces are to other people."""

from __future__ import annotations

from torch import Tensor

from .base import Sample, register
from .of_faces import OfFaces, mean_of_known


@register
class OtherSimilarity(OfFaces):
    """Mean cosine of the faces to the references of other people, -1 to 1; nan if there are no others or no faces."""

    name, title = "other_people_similarity", "similarity to other people"

    def of_sample(self, sample: Sample) -> Tensor:
        return mean_of_known(self.to(self.others(sample), sample).mean(-1))
