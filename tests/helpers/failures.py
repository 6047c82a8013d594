"""Models and projectors that break a training."""

from __future__ import annotations

import torch
from torch import nn

from stableidentity_core.methods.base import Projector


def break_weights(backend) -> None:
    backend.unet.conv_in.weight.data.fill_(float("nan"))


class InfiniteSlope(Projector):
    """A projector whose value is finite, while the square root at zero has no finite derivative."""

    method = "stableidentity"

    def __init__(self, inner: Projector):
        super().__init__(inner.feature_width, inner.spaces)
        self.zero = nn.Parameter(torch.zeros(()))

    def forward(self, features):
        return {space: value + self.zero.square().sqrt() for space, value in super().forward(features).items()}
