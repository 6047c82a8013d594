"""In how many pictures a face is found."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .base import Sample, register
from .features import FaceBoxes
from .instruments import FindFaces, Instruments


@register
class DetectionRate:
    """Share of the pictures in which a face was found, 0 to 1."""

    name, title = "detection_rate", "pictures with a face"

    def __init__(self, find: FindFaces):
        self.boxes = FaceBoxes(find)
        self.features = (self.boxes,)

    @classmethod
    def made(cls, instruments: Instruments) -> Sequence[DetectionRate]:
        return [cls(instruments.find_faces)] if instruments.find_faces else ()

    def __call__(self, samples: Sequence[Sample]) -> Tensor:
        return torch.stack([self.each(sample).mean() for sample in samples])

    def each(self, sample: Sample) -> Tensor:  # [N]
        return (~sample.of(self.boxes).isnan().any(-1)).float()
