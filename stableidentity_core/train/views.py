"""Views of the photos as the loss takes them: encoded by the VAE, with masks and features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from ..backends.protocol import DiffusionBackend
from ..face.portrait import Face
from .augment import View, augment, plain_view
from .config import TrainConfig
from .photos import feature_of

CHUNK = 8  # pictures that the VAE takes at once


@dataclass(frozen=True, kw_only=True, eq=False)
class EncodedViews:
    """V views of one or more photos of a person."""

    z0: Tensor  # [V, C, h, w] scaled latents
    face_mask: Tensor  # [V, 1, h, w]
    hair_mask: Tensor  # [V, 1, h, w]
    features: Tensor  # [V, F] of the photo, or of its mirror image where the view is mirrored; F is 0 without encoder

    @classmethod
    def joined(cls, parts: Sequence[EncodedViews]) -> EncodedViews:
        return cls(**{field.name: torch.cat([getattr(part, field.name) for part in parts]) for field in fields(cls)})

    def __len__(self) -> int:
        return len(self.z0)

    def __getitem__(self, index: Tensor) -> EncodedViews:
        index = index.to(self.z0.device)
        return EncodedViews(
            z0=self.z0[index],
            face_mask=self.face_mask[index],
            hair_mask=self.hair_mask[index],
            features=self.features[index],
        )


def encode_views(
    backend: DiffusionBackend, photos: Sequence[Face], config: TrainConfig, generator: torch.Generator
) -> EncodedViews:
    """Draw one view of each photo and encode it; a photo may be there several times."""
    views = [draw_view(face, config, backend.latent_factor, generator) for face in photos]
    z0 = []
    for start in range(0, len(views), CHUNK):
        if start:
            backend.check_cancelled()
        z0.append(backend.encode_image(torch.stack([view.image for view in views[start : start + CHUNK]]), generator))
    z0 = torch.cat(z0)
    features = [feature_of(face, view.mirrored) for face, view in zip(photos, views, strict=True)]
    return EncodedViews(
        z0=z0,
        face_mask=torch.stack([view.face_mask for view in views]).to(z0),
        hair_mask=torch.stack([view.hair_mask for view in views]).to(z0),
        features=torch.stack(features).to(z0),
    )


def draw_view(face: Face, config: TrainConfig, latent_factor: int, generator: torch.Generator) -> View:
    """One view of a photo, by the settings' augmentation."""
    if config.augmentation == "none":
        return plain_view(face, config.resolution, latent_factor)
    return augment(face, config.resolution, latent_factor, generator)


def draw_index(count: int, generator: torch.Generator) -> int:
    return 0 if count == 1 else int(torch.randint(count, (), generator=generator).item())
