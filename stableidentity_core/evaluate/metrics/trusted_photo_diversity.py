"""How different the faces look from the photo while they remain the person's."""

from __future__ import annotations

from torch import Tensor

from .base import Sample, register
from .instruments import FindFaces, PictureDistance, Recogniser
from .of_faces import OfFacePairs, mean_of_known


@register
class TrustedPhotoDiversity(OfFacePairs):
    """Mean over the faces of cosine to the person's reference times LPIPS to the photo; nan without faces or a photo.

    The paper does not say whether its pairs are pictures, as in TrustedFaceDiversity, or photo and picture, as here.
    """

    name, title = "trusted_photo_diversity", "trusted diversity, photo and pictures"

    def __init__(self, recogniser: Recogniser, find: FindFaces, distance: PictureDistance, *, first: bool = True):
        super().__init__(recogniser, find, distance, first=first)
        self.features = (self.vectors, self.photo_distances)

    def of_sample(self, sample: Sample) -> Tensor:
        return mean_of_known(self.similarities(sample).cpu() * sample.of(self.photo_distances))
