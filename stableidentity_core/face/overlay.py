"""Face and hair masks as a coloured overlay on the portrait."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..shapes import check_shape

# Blue and orange of Okabe and Ito ("Color Universal Design", 2008): distinguishable with every kind of colour
# vision, and no skin tone is close to that blue.
FACE_COLOUR = (0.0, 0.447, 0.698)
HAIR_COLOUR = (0.902, 0.624, 0.0)
STRENGTH = 0.45
OUTLINE = 1 / 200  # of the portrait's side


def overlay(
    portrait: Tensor,  # [3, S, S] in 0..1
    face_mask: Tensor,  # [S, S] in 0..1
    hair_mask: Tensor,  # [S, S] in 0..1
) -> Tensor:  # [3, S, S] in 0..1
    """Tint the face blue and the hair orange in proportion to the masks, and outline both at a value of 0.5.

    Raises:
        ShapeError: the masks and the portrait differ in size.
    """
    side = check_shape(portrait, "3 s s", "The portrait")["s"]
    picture = portrait.float()
    layers = ((face_mask, FACE_COLOUR, "The face mask"), (hair_mask, HAIR_COLOUR, "The hair mask"))
    for mask, colour, name in layers:
        check_shape(mask, "s s", name, s=side)
        picture = _blend(picture, colour, STRENGTH * mask.to(picture).clamp(0, 1))
    for mask, colour, _ in layers:  # above both tints
        picture = _blend(picture, colour, _outline(mask.to(picture), width=max(1, round(side * OUTLINE))))
    return picture.clamp(0, 1)


def _blend(picture: Tensor, colour: tuple[float, float, float], share: Tensor) -> Tensor:
    return torch.lerp(picture, picture.new_tensor(colour)[:, None, None].expand_as(picture), share)


def _outline(mask: Tensor, width: int) -> Tensor:  # [S, S] of 0 and 1
    """The outline of a mask, `width` pixels wide, on its inside."""
    outside = (mask < 0.5).float()
    near_outside = F.max_pool2d(outside[None], 2 * width + 1, stride=1, padding=width)[0]
    return near_outside * (1 - outside)
