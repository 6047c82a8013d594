"""Words from a trained projector, without any training step."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..errors import StableIdentityError
from ..face.portrait import Face
from ..identity.types import Identity
from ..methods.registry import get_method, methods_with_a_face
from ..methods.trained import TrainedProjector
from ..provenance import provenance
from ..text.names import NameSpace
from .photos import mean_feature
from .projector_init import check_encoder


def project(
    faces: Face | Sequence[Face], projector: TrainedProjector, name_spaces: Sequence[NameSpace], trigger: str
) -> Identity:
    """Words of a person from a trained projector, without any training step.

    Several photos of the person give one identity, by their mean feature.

    Raises:
        StableIdentityError: no photo, one that has no feature or one of another encoder than the projector's, or a
            projector that does not look at faces.
    """
    if not get_method(projector.method).needs_face:
        raise StableIdentityError(
            f"The projector is of {projector.method}, which learns its words without looking at a face's feature and "
            f"has none for another face. Train with {methods_with_a_face()}, or give this person a training too."
        )
    photos = [faces] if isinstance(faces, Face) else list(faces)
    if not photos:
        raise StableIdentityError("There is no face to project; needed at least one, from Encode Face.")
    for number, face in enumerate(photos, 1):
        what = "The face" if len(photos) == 1 else f"Face {number} of {len(photos)}"
        if face.feature is None:
            raise StableIdentityError(f"{what} has no feature yet; put Encode Face before Project to Name Space.")
        check_encoder(face, projector, what)
    with torch.no_grad():
        built, feature = projector.build(name_spaces), mean_feature(photos)
        words = built(feature)
    header = {
        "method": projector.method,
        "face_encoder": projector.encoder,
        "photos": str(len(photos)),
        **built.facts(feature),
        "steps": "0",
        **projector.facts,
        **provenance(),
    }
    return Identity(trigger=trigger, words={space: value[0].clone() for space, value in words.items()}, header=header)
