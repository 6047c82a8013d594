"""How different one person's faces look while they remain that person's."""

from __future__ import annotations

from torch import Tensor

from .base import Sample, register
from .instruments import FindFaces, PictureDistance, Recogniser
from .of_faces import OfFacePairs, mean_of_known, pairs


@register
class TrustedFaceDiversity(OfFacePairs):
    """Mean of cosine times LPIPS over all pairs of one person's faces; nan for fewer than two faces."""

    name, title = "trusted_face_diversity", "trusted face diversity"

    def __init__(self, recogniser: Recogniser, find: FindFaces, distance: PictureDistance, *, first: bool = True):
        super().__init__(recogniser, find, distance, first=first)
        self.features = (self.vectors, self.distances)

    def of_sample(self, sample: Sample) -> Tensor:
        return mean_of_known(self.of_pairs(sample))

    def of_pairs(self, sample: Sample) -> Tensor:  # [N (N - 1) / 2]
        vectors = sample.of(self.vectors).cpu()
        return pairs(vectors @ vectors.T * sample.of(self.distances))
