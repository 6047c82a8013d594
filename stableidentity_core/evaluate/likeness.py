"""How similar the faces in pictures are to the photo of one person."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..encode.protocol import FaceEncoder
from ..errors import StableIdentityError
from ..face.portrait import Face
from .metrics.instruments import FindFaces, Recogniser
from .networks.aligned import as_face
from .networks.faces import check_recogniser


class Likeness:
    """Mean cosine of the faces in pictures to the mean of the photos, -1 to 1; a picture without a face counts 0.

    Args:
        recogniser: who is in a picture.
        find: finds the largest face of each picture.
        photos: aligned portraits [3, S, S] in 0..1 of one person.
    """

    def __init__(self, recogniser: Recogniser, find: FindFaces, photos: Sequence[Tensor]):
        self.recogniser, self.find, self.photos = recogniser, find, photos

    def __call__(self, pictures: Tensor) -> float:
        """Of pictures [N, 3, H, W] in 0..1; nan if they, or the photos' features, are not finite."""
        faces = self.find(pictures.float())
        side = faces.crops.shape[-1]
        photos = torch.cat([as_face(photo, side) for photo in self.photos])
        person = F.normalize(self.recogniser.embed(photos).mean(0), dim=-1)
        cosines = self.recogniser.embed(faces.crops) @ person
        return cosines.masked_fill(~faces.found.to(cosines.device), 0).mean().item()


def check_judge(recogniser: Recogniser | FaceEncoder, photos: Sequence[Face]) -> None:
    """Raises StableIdentityError if the recogniser is the encoder that the photos were encoded with for a training."""
    for photo in photos:
        if photo.feature is not None:
            check_recogniser(recogniser, photo.feature.encoder)


def check_keep(keep: str, recogniser: object, what: str) -> None:
    """Raises StableIdentityError if the best step is to be kept, and there is nobody to say which it is.

    Args:
        what: how a recogniser is given, such as "Connect one to `recogniser`".
    """
    if keep == "best" and recogniser is None:
        raise StableIdentityError(
            f"keep is best, but there is no recogniser to say which step is. {what}, or set keep to last."
        )
