"""How similar the whole pictures are to the photo."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .base import Sample, register
from .features import PhotoVector
from .instruments import PicturesAndTexts
from .of_clip import OfClip


@register
class ClipI(OfClip):
    """Mean cosine of the pictures to the photo, -1 to 1; nan without a photo."""

    name, title = "clip_i", "CLIP-I"

    def __init__(self, clip: PicturesAndTexts, *, first: bool = True):
        super().__init__(clip, first=first)
        self.photo = PhotoVector(clip)
        self.features = (self.pictures, self.photo)

    def __call__(self, samples: Sequence[Sample]) -> Tensor:
        return torch.stack([self.each(sample).mean() for sample in samples])

    def each(self, sample: Sample) -> Tensor:  # [N]
        return (sample.of(self.pictures) * sample.of(self.photo)).sum(-1)
