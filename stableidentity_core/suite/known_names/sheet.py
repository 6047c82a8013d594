"""All pictures of names in one sheet."""

from __future__ import annotations

from torch import Tensor

from ..scored.sheet import Tile, draw_sheet
from .result import GroupResult, NamesKnown

SHOWN = 4  # names of each group


def names_sheet(known: NamesKnown) -> Tensor:
    """The first names of each group with all their pictures, the groups side by side, [1, H, W, 3] in 0..1."""
    columns = [[_tiles(title, group, at) for at in range(SHOWN)] for title, group in known.groups.items()]
    return draw_sheet([[tile for part in row for tile in part] for row in zip(*columns, strict=True)])


def _tiles(title: str, group: GroupResult, at: int) -> list[Tile]:
    value = group.same_first[at]
    text = f"{title}: {'no face' if value is None else format(value, '.2f')}"
    painted = (group.pictures[at].clamp(0, 1) * 255).round().byte()
    return [Tile(picture, group.names[at], text) for picture in painted]
