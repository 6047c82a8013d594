"""Several photos of one person: what they must have in common, and the feature that stands for all."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..errors import StableIdentityError
from ..face.portrait import Face


def check_photos(faces: Sequence[Face]) -> None:
    """Raise unless there is a photo, and all are of one size and have a feature of one encoder.

    Raises:
        StableIdentityError: naming the first photo that differs from the first one, counted from 1.
    """
    without = next((number for number, face in enumerate(faces, 1) if face.feature is None), 0)
    if not faces or without:
        found = f"photo {without} of {len(faces)} has none" if faces else "there is no photo"
        raise StableIdentityError(
            f"Training needs at least one face, each with its feature (Encode Face), but {found}."
        )
    first = faces[0]
    assert first.feature is not None
    for number, face in enumerate(faces[1:], 2):
        assert face.feature is not None
        if face.feature.encoder != first.feature.encoder:
            raise StableIdentityError(
                f"Photo {number} of {len(faces)} was encoded by {face.feature.encoder}, photo 1 by "
                f"{first.feature.encoder}; encode all with one face encoder."
            )
        if face.feature.plain.shape != first.feature.plain.shape:
            raise StableIdentityError(
                f"Photo {number} of {len(faces)} has a feature of width {face.feature.plain.shape[0]}, photo 1 one of "
                f"{first.feature.plain.shape[0]}, both by {first.feature.encoder}; encode all again with one face "
                "encoder."
            )
        if face.size != first.size:
            raise StableIdentityError(
                f"Photo {number} of {len(faces)} is {face.size}x{face.size} pixels, photo 1 {first.size}x{first.size}; "
                "prepare all at one size."
            )


def mean_feature(faces: Sequence[Face]) -> Tensor:  # [1, F]
    """Mean of the features of the plain photos; of one photo it is that photo's, bit for bit."""
    return torch.stack([face.feature.plain for face in faces if face.feature is not None]).mean(0, keepdim=True)
