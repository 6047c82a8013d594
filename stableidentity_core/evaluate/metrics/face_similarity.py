"""How similar the faces are to the person."""

from __future__ import annotations

from torch import Tensor

from .base import Sample, register
from .of_faces import OfFaces


@register
class FaceSimilarity(OfFaces):
    """Mean cosine of the pictures' faces to the person's reference, -1 to 1; a picture without a face counts 0."""

    name, title = "face_similarity", "face similarity"

    def of_sample(self, sample: Sample) -> Tensor:
        return self.each(sample).mean()

    def each(self, sample: Sample) -> Tensor:  # [N]
        missing = sample.of(self.vectors).isnan().any(-1)
        unknown = self.reference(sample).isnan().any()
        return self.similarities(sample).masked_fill(missing & ~unknown, 0)
