"""How alike two faces are to an encoder, which need not be the one that a training used."""

from __future__ import annotations

import torch
from torch import Tensor

from ..encode.protocol import FaceEncoder
from ..errors import StableIdentityError
from ..face.portrait import Face


def similarity(encoder: FaceEncoder, a: Face | Tensor, b: Face | Tensor) -> float:
    """Cosine of the features of two portraits, -1..1; 1 for the same picture.

    Args:
        a, b: a Face, or an FFHQ-aligned portrait [3, S, S] in 0..1; the sizes may differ.

    Raises:
        ShapeError: not one square RGB picture each.
        StableIdentityError: a feature that is zero or not finite, so that it has no direction.
    """
    first, second = direction(encoder, a, "the first portrait"), direction(encoder, b, "the second portrait")
    return torch.dot(first, second).item()


def direction(encoder: FaceEncoder, portrait: Face | Tensor, what: str = "the portrait") -> Tensor:
    """The feature of a portrait, [F] float64 of length 1.

    Args:
        portrait: a Face, or an FFHQ-aligned portrait [3, S, S] in 0..1.
        what: the portrait's name in messages.

    Raises:
        ShapeError: not a square RGB picture.
        StableIdentityError: a feature that is zero or not finite.
    """
    image = portrait.image if isinstance(portrait, Face) else portrait
    feature = encoder(image[None])[0].double()
    length = feature.norm().item()
    if not 0 < length < float("inf"):
        raise StableIdentityError(
            f"Face encoder '{encoder.name}' gave {what} a feature of length {length}, which has no direction; its "
            "file may be damaged."
        )
    return feature / length
