"""Random numbers for pictures that are computed together and belong to different people."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import torch
from torch import Tensor

from .protocol import Generators


class ImageNoise:
    """Normal numbers for pictures that come in one call or in several, in their order.

    Neighbours with the same generator are drawn in one piece, as they would be without the others.

    Args:
        generators: one for all pictures, or one for each.
    """

    def __init__(self, generators: Generators):
        self.one = generators if isinstance(generators, torch.Generator) else None
        self.each = generators if isinstance(generators, Sequence) else ()
        self.done = 0

    def __call__(self, shape: torch.Size) -> Tensor:  # [B, ...] on the CPU
        if self.one is not None:
            return torch.randn(shape, generator=self.one)
        # A host that is short of memory may begin again with tiles.
        mine = [self.each[(self.done + i) % len(self.each)] for i in range(shape[0])]
        self.done += shape[0]
        pieces = [(generator, len(list(same))) for generator, same in groupby(mine)]
        return torch.cat([torch.randn(count, *shape[1:], generator=generator) for generator, count in pieces])
