"""How well the pictures show what the prompts say."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .base import Sample, register
from .features import TextVectors
from .instruments import PicturesAndTexts
from .of_clip import OfClip


@register
class ClipT(OfClip):
    """Mean cosine of the pictures to their prompts, in which the person is "a person", -1 to 1."""

    name, title = "clip_t", "CLIP-T"

    def __init__(self, clip: PicturesAndTexts, *, first: bool = True):
        super().__init__(clip, first=first)
        self.texts = TextVectors(clip)
        self.features = (self.pictures, self.texts)

    def __call__(self, samples: Sequence[Sample]) -> Tensor:
        return torch.stack([self.each(sample).mean() for sample in samples])

    def each(self, sample: Sample) -> Tensor:  # [N]
        return (sample.of(self.pictures) * sample.of(self.texts)).sum(-1)
