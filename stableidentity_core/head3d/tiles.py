"""Which Gaussians touch which tile of a picture, from near to far."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .project import Projected

TILE = 8  # pixels; small tiles keep the numbers of a quadratic form small, and with them the rounding


@dataclass(frozen=True, kw_only=True, eq=False)
class TileLists:
    """The lists of all tiles of V pictures one after the other; tiles row by row, picture by picture."""

    gaussians: Tensor  # [P] int64, places in the flattened [V, N]
    starts: Tensor  # [V * side * side] int64, where the list of each tile begins
    counts: Tensor  # [V * side * side] int64
    side: int  # tiles in a row

    @property
    def corners(self) -> Tensor:
        """The middle [V * side * side, 2] of each tile in pixels of its picture."""
        place = torch.arange(len(self.counts), device=self.counts.device) % (self.side * self.side)
        return torch.stack([place % self.side, place // self.side], dim=-1) * TILE + TILE / 2


@torch.no_grad()
def tile_lists(projected: Projected, size: int) -> TileLists:
    """The lists for pictures of `size` pixels; the last tiles may reach beyond them."""
    side = -(-size // TILE)
    views, count, _two = projected.centres.shape
    centres, reaches = projected.centres.detach().flatten(0, 1), projected.reaches.flatten(0, 1)
    low, high = centres - reaches, centres + reaches
    seen = (reaches > 0).all(-1) & (high > 0).all(-1) & (low < size).all(-1)
    ids = seen.nonzero()[:, 0]
    ids = ids[projected.depths.detach().flatten()[ids].argsort(stable=True)]
    first = (low[ids] / TILE).floor().clamp(0, side - 1).long()
    last = (high[ids] / TILE).floor().clamp(0, side - 1).long()
    width, height = (last - first + 1).unbind(-1)
    counts = width * height
    owner = torch.repeat_interleave(torch.arange(len(ids), device=ids.device), counts)
    place = torch.arange(len(owner), device=ids.device) - (counts.cumsum(0) - counts)[owner]
    column, row = first[owner, 0] + place % width[owner], first[owner, 1] + place // width[owner]
    tile = (ids[owner] // count * side + row) * side + column
    order = tile.int().sort(stable=True).indices
    lengths = torch.bincount(tile, minlength=views * side * side)
    return TileLists(gaussians=ids[owner[order]], starts=lengths.cumsum(0) - lengths, counts=lengths, side=side)
