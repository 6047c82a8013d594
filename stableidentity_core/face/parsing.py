"""Face parsing: the 19 classes of CelebAMask-HQ in BiSeNet's order, and the masks that the loss uses."""

from __future__ import annotations

from enum import IntEnum

import torch
from torch import Tensor

from ..errors import StableIdentityError
from ..shapes import check_shape


class FacePart(IntEnum):
    """Class of a pixel; left and right are the viewer's."""

    BACKGROUND = 0
    SKIN = 1
    LEFT_BROW = 2
    RIGHT_BROW = 3
    LEFT_EYE = 4
    RIGHT_EYE = 5
    GLASSES = 6
    LEFT_EAR = 7
    RIGHT_EAR = 8
    EARRING = 9
    NOSE = 10
    MOUTH = 11
    UPPER_LIP = 12
    LOWER_LIP = 13
    NECK = 14
    NECKLACE = 15
    CLOTH = 16
    HAIR = 17
    HAT = 18


NOT_FACE = frozenset(
    {
        FacePart.BACKGROUND,
        FacePart.EARRING,
        FacePart.NECK,
        FacePart.NECKLACE,
        FacePart.CLOTH,
        FacePart.HAIR,
        FacePart.HAT,
    }
)
MIN_FACE_SHARE = 0.05  # of an aligned portrait


def masks_of_parts(parts: Tensor) -> tuple[Tensor, Tensor]:
    """Map of classes [H, W] (integers 0..18) -> face mask and hair mask, each [H, W] of 0 and 1.

    Raises:
        StableIdentityError: a value that is not a class.
    """
    check_shape(parts, "h w", "map of face parts")
    low, high = int(parts.min()), int(parts.max())
    if low < 0 or high >= len(FacePart) or parts.is_floating_point():
        raise StableIdentityError(
            f"The map of face parts holds {parts.dtype} from {low} to {high}, needed integers from 0 to 18."
        )
    outside = torch.tensor(sorted(NOT_FACE), dtype=parts.dtype, device=parts.device)
    return (~torch.isin(parts, outside)).float(), (parts == FacePart.HAIR).float()


def shows_face(parts: Tensor) -> bool:
    """Whether a portrait's map of parts [S, S] contains a face."""
    return masks_of_parts(parts)[0].mean().item() >= MIN_FACE_SHARE


def check_parts(parts: Tensor) -> None:
    """Reject a portrait's map of parts [H, W] that contains no face.

    In an FFHQ-aligned portrait the face covers about a quarter of the area (the oval used in place of
    a mask covers 27 %), so less than a twentieth means no face or unsuitable input to the network.

    Raises:
        StableIdentityError: too small a share is face; or a value that is not a class.
    """
    if not shows_face(parts):
        share = masks_of_parts(parts)[0].mean().item()
        found = ", ".join(
            f"{part.name.lower()} {(parts == part).float().mean().item():.0%}" for part in _largest(parts)
        )
        raise StableIdentityError(
            f"The parser marks {share:.1%} of the portrait as face (largest parts: {found}), needed at least "
            f"{MIN_FACE_SHARE:.0%}; an aligned portrait has about 25%. Check that the portrait shows the face, "
            "try the other parser, or paint the face mask yourself."
        )


def _largest(parts: Tensor, count: int = 2) -> list[FacePart]:
    counts = torch.bincount(parts.flatten().long(), minlength=len(FacePart))
    return [FacePart(int(index)) for index in counts.topk(count).indices if counts[index]]
