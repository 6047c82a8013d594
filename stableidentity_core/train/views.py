"""Views of the photos as the loss takes them: encoded by the VAE, with masks and features."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..backends.protocol import DiffusionBackend, Posterior
from ..devices import moved
from ..face.portrait import Face
from .augment import View, augment, plain_view
from .config import TrainConfig
from .photos import feature_of

CHUNK = 8  # pictures that the VAE takes at once


@dataclass(frozen=True, kw_only=True, eq=False)
class EncodedViews:
    """V views of one or more photos of a person."""

    posterior: Posterior  # of V pictures, [V, C, h, w]
    face_mask: Tensor  # [V, 1, h, w]
    hair_mask: Tensor  # [V, 1, h, w]
    features: Tensor  # [V, F] of the photo, or of its mirror image where the view is mirrored; F is 0 without encoder

    def __len__(self) -> int:
        return len(self.posterior)

    def __getitem__(self, index: Tensor) -> EncodedViews:  # [B] int64, on the CPU
        posterior = self.posterior[index]
        index = moved(index, self.face_mask.device)
        return EncodedViews(
            posterior=posterior,
            face_mask=self.face_mask[index],
            hair_mask=self.hair_mask[index],
            features=self.features[index],
        )


def encode_views(
    backend: DiffusionBackend, photos: Sequence[Face], config: TrainConfig, generator: torch.Generator
) -> EncodedViews:
    """Draw one view of each photo and encode it; a photo may be there several times.

    A view that comes up again, as the photo as it is does, is encoded once.
    """
    if config.augmentation == "none":
        distinct = list({id(face): face for face in photos}.values())
        places = {id(face): place for place, face in enumerate(distinct)}
        each = joined_views([_encoded(backend, part, config, generator) for part in _parts(backend, distinct)])
        return each[torch.tensor([places[id(face)] for face in photos])]
    return joined_views([_encoded(backend, part, config, generator) for part in _parts(backend, photos)])


def _parts(backend: DiffusionBackend, photos: Sequence[Face]) -> Iterator[Sequence[Face]]:
    for start in range(0, len(photos), CHUNK):
        if start:
            backend.check_cancelled()
        yield photos[start : start + CHUNK]


def _encoded(
    backend: DiffusionBackend, photos: Sequence[Face], config: TrainConfig, generator: torch.Generator
) -> EncodedViews:
    views = [draw_view(face, config, backend.latent_factor, generator) for face in photos]
    posterior = backend.encode_posterior(torch.stack([view.image for view in views]))
    masks = torch.stack([torch.stack([view.face_mask, view.hair_mask]) for view in views])
    face_mask, hair_mask = moved(masks, posterior.mean.device).unbind(1)
    features = torch.stack([feature_of(face, view.mirrored) for face, view in zip(photos, views, strict=True)])
    return EncodedViews(
        posterior=posterior,
        face_mask=face_mask,
        hair_mask=hair_mask,
        features=moved(features, posterior.mean.device, posterior.mean.dtype),
    )


def joined_views(parts: Sequence[EncodedViews]) -> EncodedViews:
    """The views of all parts, in their order."""
    deviations = [part.posterior.std for part in parts if part.posterior.std is not None]
    return EncodedViews(
        posterior=Posterior(
            mean=torch.cat([part.posterior.mean for part in parts]), std=torch.cat(deviations) if deviations else None
        ),
        face_mask=torch.cat([part.face_mask for part in parts]),
        hair_mask=torch.cat([part.hair_mask for part in parts]),
        features=torch.cat([part.features for part in parts]),
    )


def draw_view(face: Face, config: TrainConfig, latent_factor: int, generator: torch.Generator) -> View:
    """One view of a photo, by the settings' augmentation."""
    if config.augmentation == "none":
        return plain_view(face, config.resolution, latent_factor)
    return augment(face, config.resolution, latent_factor, generator)


def draw_index(count: int, generator: torch.Generator) -> int:
    return 0 if count == 1 else int(torch.randint(count, (), generator=generator).item())
