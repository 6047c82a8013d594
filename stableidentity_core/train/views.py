"""Views of the photos as the loss takes them: encoded by the VAE, with masks and features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..backends.protocol import DiffusionBackend
from ..errors import said_of
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
    return encode_views_of(backend, [photos], config, [generator])[0]


def encode_views_of(
    backend: DiffusionBackend,
    photos: Sequence[Sequence[Face]],
    config: TrainConfig,
    generators: Sequence[torch.Generator],
    names: Sequence[str] = (),
) -> list[EncodedViews]:
    """The same for several people, each with photos and a generator of their own; the VAE takes them together.

    Errors about a photo begin with the person's name, where there are names.
    """
    views = []
    for own, generator, name in zip(photos, generators, names or [""] * len(photos), strict=True):
        with said_of(name):
            views.append([draw_view(face, config, backend.latent_factor, generator) for face in own])
    latents = _latents(backend, views, generators)
    return [_encoded(own, drawn, z0) for own, drawn, z0 in zip(photos, views, latents, strict=True)]


def _latents(
    backend: DiffusionBackend, views: Sequence[Sequence[View]], generators: Sequence[torch.Generator]
) -> list[Tensor]:
    """z0 [V, C, h, w] of each person's views, CHUNK at a time.

    A person's own chunks are those they would have alone: the size of a draw decides its numbers.
    """
    pieces = [
        (list(own[start : start + CHUNK]), generator)
        for own, generator in zip(views, generators, strict=True)
        for start in range(0, len(own), CHUNK)
    ]
    z0: list[Tensor] = []
    while pieces:
        if z0:
            backend.check_cancelled()
        taken = 1
        while sum(len(own) for own, _ in pieces[: taken + 1]) <= CHUNK and taken < len(pieces):
            taken += 1
        now, pieces = pieces[:taken], pieces[taken:]
        images = torch.stack([view.image for own, _ in now for view in own])
        each = [generator for own, generator in now for _ in own]
        z0.append(backend.encode_image(images, each[0] if taken == 1 else each))
    return list(torch.cat(z0).split([len(own) for own in views])) if z0 else []


def _encoded(photos: Sequence[Face], views: Sequence[View], z0: Tensor) -> EncodedViews:
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
