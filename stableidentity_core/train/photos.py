"""Several photos of one person: consistency checks, and their mean feature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ..errors import StableIdentityError
from ..face.portrait import Face


def without_features(faces: Sequence[Face]) -> list[Face]:
    """The photos without features, for methods that do not use them; the face encoder then makes no difference."""
    return [replace(face, feature=None) for face in faces]


def check_photos(faces: Sequence[Face], needs_face: bool = True) -> None:
    """Raise unless there is a photo, and all are of one size and have a feature of one encoder.

    Args:
        faces: photos of one person.
        needs_face: False for a method that does without features; they are not looked at then.

    Raises:
        StableIdentityError: naming the first photo that differs from the first one, counted from 1.
    """
    if not faces:
        raise StableIdentityError("Training needs at least one face (Prepare Face), but there is no photo.")
    if needs_face:
        _check_features(faces)
    for number, face in enumerate(faces[1:], 2):
        if face.size != faces[0].size:
            raise StableIdentityError(
                f"Photo {number} of {len(faces)} is {face.size}x{face.size} pixels, photo 1 "
                f"{faces[0].size}x{faces[0].size}; prepare all at one size."
            )


def _check_features(faces: Sequence[Face]) -> None:
    without = next((number for number, face in enumerate(faces, 1) if face.feature is None), 0)
    if without:
        raise StableIdentityError(
            "Training needs at least one face, each with its feature (Encode Face), but "
            f"photo {without} of {len(faces)} has none."
        )
    first = faces[0].feature
    assert first is not None
    for number, face in enumerate(faces[1:], 2):
        assert face.feature is not None
        if face.feature.encoder != first.encoder:
            raise StableIdentityError(
                f"Photo {number} of {len(faces)} was encoded by {face.feature.encoder}, photo 1 by "
                f"{first.encoder}; encode all with one face encoder."
            )
        if face.feature.plain.shape != first.plain.shape:
            raise StableIdentityError(
                f"Photo {number} of {len(faces)} has a feature of width {face.feature.plain.shape[0]}, photo 1 one of "
                f"{first.plain.shape[0]}, both by {first.encoder}; encode all again with one face encoder."
            )


def feature_of(face: Face, mirrored: bool = False) -> Tensor:  # [F]
    """What the encoder saw in the photo, or in its mirror image; of width 0 where no encoder was asked."""
    if face.feature is None:
        return torch.zeros(0)
    return face.feature.mirrored if mirrored else face.feature.plain


def mean_feature(faces: Sequence[Face]) -> Tensor:  # [1, F]
    """Mean of the features of the plain photos; of one photo it is that photo's, bit for bit."""
    return torch.stack([feature_of(face) for face in faces]).mean(0, keepdim=True)
