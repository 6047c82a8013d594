"""How alike two faces are to an encoder, which need not be the one that a training used."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import StableIdentityError
from ..face.portrait import Face
from .protocol import FaceEncoder


def similarity(encoder: FaceEncoder, a: Face | Tensor, b: Face | Tensor) -> float:
    """Cosine of the features of two portraits, -1..1; 1 for the same picture.

    Args:
        a, b: a Face, or an FFHQ-aligned portrait [3, S, S] in 0..1; the sizes may differ.

    Raises:
        ShapeError: not one square RGB picture each.
        StableIdentityError: a feature that is zero or not finite, so that it has no direction.
    """
    features = []
    for which, portrait in (("first", a), ("second", b)):
        image = portrait.image if isinstance(portrait, Face) else portrait
        feature = encoder(image[None])[0].double()
        length = feature.norm().item()
        if not 0 < length < float("inf"):
            raise StableIdentityError(
                f"Face encoder '{encoder.name}' gave the {which} portrait a feature of length {length}, which has no "
                "direction; its file may be damaged."
            )
        features.append(feature / length)
    return torch.dot(*features).item()
