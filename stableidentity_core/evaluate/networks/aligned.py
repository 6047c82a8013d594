"""Pictures that are aligned portraits already, so that no face is looked for."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ...errors import StableIdentityError
from ...shapes import check_shape
from ..metrics.instruments import FindFaces, FoundFaces


def aligned_already(side: int) -> FindFaces:
    """For pictures that are aligned portraits themselves, as all of the mini world are: each is its face."""

    def find(pictures: Tensor) -> FoundFaces:
        height, width = pictures.shape[-2:]
        if height != width:
            raise StableIdentityError(
                f"The pictures are {width}x{height}, needed squares, for no face is looked for: they are taken as "
                "aligned portraits. Choose a face detector."
            )
        boxes = torch.tensor([0.0, 0.0, width, height]).expand(len(pictures), -1)
        return FoundFaces(crops=torch.cat([as_face(picture, side) for picture in pictures]), boxes=boxes)

    return find


def as_face(portrait: Tensor, side: int) -> Tensor:  # [1, 3, side, side]
    """A square portrait in the size of the crops."""
    check_shape(portrait, "3 s s", "the portrait")
    given = portrait.float()[None]
    if given.shape[-1] == side:
        return given
    return F.interpolate(given, (side, side), mode="bilinear", antialias=True).clamp(0, 1)
