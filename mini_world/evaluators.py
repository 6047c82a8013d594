"""Evaluation networks: who is in a drawn picture, and whether it shows what the prompt says.

Trained separately from the face encoder, on other people; the recogniser sees the face without the hair.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional as F

from .look import CHOICES

FACE = (0.25, 0.38, 0.75, 0.88)  # left, top, right, bottom: brows to chin
EMBEDDING = 64


def _stage(width_in: int, width_out: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width_in, width_out, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(width_out),
        nn.ReLU(),
    )


def _trunk(widths: tuple[int, ...]) -> nn.Sequential:
    stages = [_stage(3, widths[0], 2)]
    for before, after in itertools.pairwise(widths):
        stages += [_stage(before, after, 2), _stage(after, after, 1)]
    return nn.Sequential(*stages)


class Recogniser(nn.Module):
    """Pictures [B, 3, 128, 128] in 0..1 -> unit vectors [B, 64]: a CNN on the face without the hair."""

    def __init__(self):
        super().__init__()
        self.trunk = _trunk((24, 48, 64, 64))
        self.out = nn.Linear(64 * 16, EMBEDDING)

    def forward(self, pictures: Tensor) -> Tensor:
        return F.normalize(self.features(pictures), dim=-1)

    def features(self, pictures: Tensor) -> Tensor:  # [B, 64]
        left, top, right, bottom = (round(edge * pictures.shape[-1]) for edge in FACE)
        return self.out(self.trunk(pictures[..., top:bottom, left:right] * 2 - 1).flatten(1))


class LookReader(nn.Module):
    """Pictures [B, 3, 128, 128] in 0..1 -> logits for each attribute of the look."""

    def __init__(self):
        super().__init__()
        self.trunk = _trunk((16, 32, 48, 64, 64))
        self.heads = nn.ModuleDict({part: nn.Linear(64 * 16, len(options)) for part, options in CHOICES.items()})

    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        features = self.features(pictures)
        return {part: head(features) for part, head in self.heads.items()}

    def features(self, pictures: Tensor) -> Tensor:  # [B, 1024]
        return self.trunk(pictures * 2 - 1).flatten(1)


class Evaluators(nn.Module):
    """Both networks as one module with one state dict."""

    def __init__(self):
        super().__init__()
        self.recogniser = Recogniser()
        self.reader = LookReader()

    @classmethod
    def of(cls, weights: Mapping[str, Tensor]) -> Evaluators:
        evaluators = cls()
        evaluators.load_state_dict(dict(weights))
        return evaluators.eval().requires_grad_(False)
