"""The projector that a training begins with."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..backends.protocol import DiffusionBackend
from ..errors import StableIdentityError
from ..face.portrait import Face
from ..fingerprint import WHOLE, fingerprint_tensors
from ..methods.base import Projector
from ..methods.celeb_basis import CelebBasisProjector
from ..methods.stableidentity import StableIdentityProjector
from ..methods.textual_inversion import TextualInversionProjector, start_words
from ..methods.trained import TrainedProjector, needs_face
from ..text.names import NameSpace
from .config import TrainConfig
from .photos import check_photos


def make_projector(
    backend: DiffusionBackend,
    faces: Sequence[Face],
    name_spaces: Sequence[NameSpace],
    config: TrainConfig,
    start: TrainedProjector | None = None,
) -> Projector:
    """The projector that a training begins with: a fresh one by the seed, or a copy of `start`.

    It is of the settings' method, sized for the faces and name spaces; Textual Inversion starts from words of the
    backend's text encoder.
    """
    if start is not None:
        return _from_start(start, faces, name_spaces, config)
    if not needs_face(config.method):
        check_photos(faces, needs_face=False)
        return TextualInversionProjector(_start(backend))
    widths = {face.feature.plain.shape[0] for face in faces if face.feature is not None}
    if len(widths) != 1:
        raise StableIdentityError(
            f"The faces have features of widths {sorted(widths)}, needed one width: encode all with one face encoder."
        )
    check_photos(faces)
    generator = torch.Generator().manual_seed(config.seed)
    if config.method == "celeb_basis":
        return CelebBasisProjector(widths.pop(), name_spaces, generator)
    return StableIdentityProjector(widths.pop(), name_spaces, config.normalization, generator)


def _from_start(
    start: TrainedProjector, faces: Sequence[Face], name_spaces: Sequence[NameSpace], config: TrainConfig
) -> Projector:
    """Raise unless the projector is of the settings' method and norm, and knows the faces' encoder."""
    if not needs_face(start.method):
        raise StableIdentityError(
            f"The projector is of {start.method}, which does not look at faces. A training can start from "
            "stableidentity or celeb_basis; disconnect this one."
        )
    for what, found, needed in (
        ("method", start.method, config.method),
        ("normalization", start.normalization, config.normalization),
    ):
        if found != needed and (what == "method" or config.method == "stableidentity"):
            raise StableIdentityError(
                f"The projector to start from has {what} {found}, the training {needed}. Set {what} to {found}, or "
                "disconnect the projector."
            )
    check_photos(faces)
    for face in faces:
        check_encoder(face, start, "The face")
    projector = start.build(name_spaces)
    projector.origin = {**start.facts, "start": fingerprint_tensors(start.state.items(), samples=WHOLE)}
    return projector


def _start(backend: DiffusionBackend) -> dict[str, Tensor]:  # {text space: [2, D]}
    return {
        space.name: start_words(
            space.name,
            lambda text, name=space.name: backend.tokenize(name, text),
            lambda ids, name=space.name: backend.embed_tokens(name, ids),
        )
        for space in backend.text_spaces
    }


def check_encoder(face: Face, projector: TrainedProjector, what: str) -> None:
    """Raise unless the projector knows the encoder of the face's feature."""
    if face.feature is not None and face.feature.encoder != projector.encoder:
        raise StableIdentityError(
            f"{what} was encoded by {face.feature.encoder}, the projector was trained with {projector.encoder}. "
            "Encode the face with the same encoder."
        )
