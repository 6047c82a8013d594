"""Face encoders behind one protocol."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from ..errors import StableIdentityError
from ..face.portrait import Face, FaceFeature


class FaceEncoder(Protocol):
    """A frozen network from an aligned portrait to one vector."""

    name: str  # what was loaded, with a hash of its weights
    width: int  # F
    licence: str

    @property
    def model(self) -> nn.Module | None:
        """The network, which runs where its weights are, so that a host may move them between calls; None without."""
        ...

    def __call__(self, portraits: Tensor, mirrored: bool = False) -> Tensor:
        """Aligned portraits [B, 3, S, S] in 0..1 -> features [B, F] float32, on the portraits' device.

        The encoder crops, resizes and normalises. `mirrored` flips the image after the crop, as the
        published code does: the crop is not centred in the portrait.
        """
        ...


def encode_face(encoder: FaceEncoder, face: Face) -> Face:
    """Add the features of the photo and of its mirror image to a face."""
    with torch.no_grad():
        features = torch.cat([encoder(face.image[None], mirrored=flag) for flag in (False, True)]).float().cpu()
    if not features.isfinite().all():
        raise StableIdentityError(
            f"Face encoder '{encoder.name}' returned values that are not finite; its file may be damaged."
        )
    plain, mirrored = features
    return face.with_feature(FaceFeature(encoder=encoder.name, licence=encoder.licence, plain=plain, mirrored=mirrored))
