"""How different one person's faces look."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .base import Sample, register
from .features import FaceDistances
from .instruments import FindFaces, Instruments, PictureDistance
from .of_faces import mean_of_known, pairs


@register
class FaceDiversity:
    """Mean LPIPS over all pairs of the aligned faces of one person, at least 0; nan for fewer than two faces."""

    name, title = "face_diversity", "face diversity"

    def __init__(self, find: FindFaces, distance: PictureDistance):
        self.distances = FaceDistances(find, distance)
        self.features = (self.distances,)

    @classmethod
    def made(cls, instruments: Instruments) -> Sequence[FaceDiversity]:
        find, distance = instruments.find_faces, instruments.distance
        return [cls(find, distance)] if find and distance else ()

    def __call__(self, samples: Sequence[Sample]) -> Tensor:
        return torch.stack([mean_of_known(self.of_pairs(sample)) for sample in samples])

    def of_pairs(self, sample: Sample) -> Tensor:  # [N (N - 1) / 2]
        return pairs(sample.of(self.distances))
