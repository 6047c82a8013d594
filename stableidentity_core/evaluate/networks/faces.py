"""Finding and recognising faces in pictures with the networks that also prepare photos."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ...encode import FaceEncoder, load_face_encoder
from ...errors import NoFaceError, StableIdentityError, error_context
from ...face.align import align_face
from ...face.choose import choose_face
from ...face.detect import FaceDetector, detect_faces
from ...face.upright import upright
from ...shapes import check_shape
from ..metrics.instruments import FindFaces, FoundFaces, Recogniser
from .files import in_chunks

SIZE = 256  # of aligned faces, at which LPIPS compares them
# Two real photos of one person are about this similar to ArcFace, by MultiID-Bench.
COPIED_ARCFACE = 0.46


def face_finder(detector: FaceDetector, size: int = SIZE) -> FindFaces:
    """The largest face of each picture [3, H, W], aligned as in FFHQ with `size` pixels."""

    def find(pictures: Tensor) -> FoundFaces:
        check_shape(pictures, "n 3 h w", "pictures")
        crops = torch.zeros(len(pictures), 3, size, size)
        boxes = torch.full((len(pictures), 4), torch.nan)
        for number, picture in enumerate(pictures):
            found = _largest(picture, detector, size)
            if found is not None:
                boxes[number], crops[number] = found
        return FoundFaces(crops=crops, boxes=boxes)

    return find


def _largest(picture: Tensor, detector: FaceDetector, size: int) -> tuple[Tensor, Tensor] | None:
    """Box and crop; None without a face, or with one that cannot be aligned."""
    height, width = picture.shape[-2:]
    try:
        largest = choose_face(detect_faces(picture, detector), "largest", (height, width))
        largest = upright(picture, largest, detector)
        return largest.box, align_face(largest.landmarks, (height, width), size).warp(picture)
    except StableIdentityError:
        return None


def load_recogniser(
    path: Path,
    references: Mapping[str, Tensor] | None = None,
    *,
    label: str = "",
    copied: float | None = None,
    device: str | torch.device = "cpu",
) -> Recogniser:
    """Any face encoder as recogniser of aligned faces.

    Args:
        path: a file or folder that `load_face_encoder` reads.
        references: {person: unit vector}; see `references_of`.
        copied: the similarity above which a face counts as copied; None takes what is known of the encoder.

    Raises:
        StableIdentityError: see `load_face_encoder`.
    """
    encoder = load_face_encoder(path)
    if encoder.model is not None:
        encoder.model.to(device)
    return recogniser_of(encoder, references or {}, label=label, copied=copied)


def recogniser_of(
    encoder: FaceEncoder, references: Mapping[str, Tensor], *, label: str = "", copied: float | None = None
) -> Recogniser:
    """A loaded face encoder as recogniser of aligned faces; see `load_recogniser`."""
    known = COPIED_ARCFACE if encoder.name.startswith("arcface:") else None

    def embed(crops: Tensor) -> Tensor:
        check_shape(crops, "n 3 s s", "faces")
        return F.normalize(in_chunks(encoder, crops), dim=-1)

    return Recogniser(
        name=encoder.name,
        embed=embed,
        references=references,
        copied=known if copied is None else copied,
        label=label or encoder.name.partition(":")[0],
    )


def references_of(photos: Mapping[str, Tensor], recogniser: Recogniser, find: FindFaces) -> dict[str, Tensor]:
    """The unit vector [D] of each person, from photos {person: [3, H, W] in 0..1}.

    Raises:
        NoFaceError: a photo without a face; the message names the person.
    """
    references = {}
    for person, photo in photos.items():
        with error_context(person):
            faces = find(photo[None])
            if not faces.found.all():
                raise NoFaceError("No face was found in the photo; without it nobody can be compared with this person.")
            references[person] = recogniser.embed(faces.crops)[0]
    return references


def check_recogniser(recogniser: Recogniser | FaceEncoder, training_encoder: str) -> None:
    """Check that people are not scored by the encoder that they were learned with.

    Args:
        training_encoder: its name, such as in the header of an identity file.

    Raises:
        StableIdentityError: it is the recogniser.
    """
    if recogniser.name == training_encoder or _digest(recogniser.name) == _digest(training_encoder):
        raise StableIdentityError(
            f"The recogniser {recogniser.name} is the face encoder that the identities were trained with. A training "
            "makes faces similar to its own encoder, so the score would say nothing. Score with another face encoder."
        )


def _digest(name: str) -> str:
    """The content hash in an encoder's name, or the name itself."""
    return name.rpartition(":")[2]
