"""How different the faces look from the photo."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .base import Sample, register
from .features import PhotoDistances
from .instruments import FindFaces, Instruments, PictureDistance
from .of_faces import mean_of_known


@register
class PhotoDistance:
    """Mean LPIPS between the photo's aligned face and those of the pictures; small for copies of the photo.

    nan without faces or a photo.
    """

    name, title = "photo_distance", "LPIPS to the photo"

    def __init__(self, find: FindFaces, distance: PictureDistance):
        self.title = f"{distance.label} to the photo"
        self.distances = PhotoDistances(find, distance)
        self.features = (self.distances,)

    @classmethod
    def made(cls, instruments: Instruments) -> Sequence[PhotoDistance]:
        find, distance = instruments.find_faces, instruments.distance
        return [cls(find, distance)] if find and distance else ()

    def __call__(self, samples: Sequence[Sample]) -> Tensor:
        return torch.stack([mean_of_known(self.each(sample)) for sample in samples])

    def each(self, sample: Sample) -> Tensor:  # [N]
        return sample.of(self.distances)
