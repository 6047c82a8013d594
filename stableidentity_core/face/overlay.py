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
    for mask, name in ((face_mask, "The face mask"), (hair_mask, "The hair mask")):
        check_shape(mask, "s s", name, s=side)
    layer = mask_layer(face_mask, hair_mask)
    return (portrait.float() * (1 - layer[3]) + layer[:3] * layer[3]).clamp(0, 1)


def mask_layer(face_mask: Tensor, hair_mask: Tensor) -> Tensor:  # [4, S, S] in 0..1
    """The colours of `overlay` alone, with alpha: masks [S, S] in 0..1, to be laid over the portrait."""
    colour, alpha = torch.zeros(3, *face_mask.shape), torch.zeros_like(face_mask, dtype=torch.float32)
    layers = ((face_mask.float().cpu(), FACE_COLOUR), (hair_mask.float().cpu(), HAIR_COLOUR))
    tints = [(STRENGTH * mask.clamp(0, 1), of) for mask, of in layers]
    lines = [(_outline(mask, width=max(1, round(len(mask) * OUTLINE))), of) for mask, of in layers]
    for share, of in (*tints, *lines):  # the outlines above both tints
        colour = colour * (1 - share) + torch.tensor(of)[:, None, None] * share
        alpha = alpha * (1 - share) + share
    return torch.cat([colour / alpha.clamp(min=1e-6), alpha[None]]).clamp(0, 1)


def _outline(mask: Tensor, width: int) -> Tensor:  # [S, S] of 0 and 1
    """The outline of a mask, `width` pixels wide, on its inside."""
    outside = (mask < 0.5).float()
    near_outside = F.max_pool2d(outside[None], 2 * width + 1, stride=1, padding=width)[0]
    return near_outside * (1 - outside)
