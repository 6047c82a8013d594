"""The initial projector of a training."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..backends.protocol import DiffusionBackend
from ..errors import StableIdentityError
from ..face.portrait import Face
from ..fingerprint import WHOLE, fingerprint_tensors
from ..methods.base import Projector, Start
from ..methods.registry import get_method, methods_with_a_face
from ..methods.trained import TrainedProjector
from ..text.names import NameSpace
from .config import TrainConfig
from .photos import check_photos

COPIES = 4  # weights, gradient, and both moments of Adam


def make_projector(
    backend: DiffusionBackend,
    faces: Sequence[Face],
    name_spaces: Sequence[NameSpace],
    config: TrainConfig,
    start: TrainedProjector | None = None,
) -> Projector:
    """The initial projector of a training: a fresh one from the seed, or a copy of `start`.

    It is of the settings' method, sized for the faces and name spaces.
    """
    if start is not None:
        return _from_start(start, faces, name_spaces, config)
    kind = get_method(config.method)
    width = _feature_width(faces) if kind.needs_face else 0
    check_photos(faces, kind.needs_face)
    generator = torch.Generator().manual_seed(config.seed)
    source = Start(feature_width=width, name_spaces=name_spaces, text_spaces=backend.text_spaces, generator=generator)
    return kind.create(source, config.method_settings)


def learned_bytes(faces: Sequence[Face], name_spaces: Sequence[NameSpace], config: TrainConfig) -> int:
    """Bytes of a projector of the settings' method for these faces, with its gradient and Adam's two moments."""
    kind = get_method(config.method)
    width = _feature_width(faces) if kind.needs_face else 0
    projector = kind.empty(width, name_spaces, config.method_settings)
    return COPIES * sum(weight.nbytes for weight in projector.parameters())


def _feature_width(faces: Sequence[Face]) -> int:
    widths = {face.feature.plain.shape[0] for face in faces if face.feature is not None}
    if len(widths) != 1:
        raise StableIdentityError(
            f"The faces have features of widths {sorted(widths)}, needed one width: encode all with one face encoder."
        )
    return widths.pop()


def _from_start(
    start: TrainedProjector, faces: Sequence[Face], name_spaces: Sequence[NameSpace], config: TrainConfig
) -> Projector:
    """A copy of `start`; raises if its method, settings or face encoder differ."""
    if not get_method(start.method).needs_face:
        raise StableIdentityError(
            f"The projector is of {start.method}, which does not look at faces. A training can start from "
            f"{methods_with_a_face()}; disconnect this one."
        )
    found_settings = {"method": start.method, **start.settings}
    for what, needed in {"method": config.method, **config.method_settings}.items():
        found = found_settings.get(what)
        if found != needed:
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


def check_encoder(face: Face, projector: TrainedProjector, what: str) -> None:
    """Raise unless the projector was trained with the encoder of the face's feature."""
    if face.feature is not None and face.feature.encoder != projector.encoder:
        raise StableIdentityError(
            f"{what} was encoded by {face.feature.encoder}, the projector was trained with {projector.encoder}. "
            "Encode the face with the same encoder."
        )
