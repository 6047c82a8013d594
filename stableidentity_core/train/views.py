"""Augmented views of the photos, encoded by the VAE, with their masks and features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..backends.protocol import DiffusionBackend, Posterior
from ..devices import to_device
from ..errors import error_context
from ..face.portrait import Face
from .augment import View, augment, plain_view
from .config import TrainConfig
from .photos import feature_of

CHUNK = 8  # pictures per pass of the VAE


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
        index = to_device(index, self.face_mask.device)
        return EncodedViews(
            posterior=posterior,
            face_mask=self.face_mask[index],
            hair_mask=self.hair_mask[index],
            features=self.features[index],
        )


def encode_views(
    backend: DiffusionBackend, photos: Sequence[Face], config: TrainConfig, generator: torch.Generator
) -> EncodedViews:
    """Draw one view of each photo and encode it; a photo may occur several times."""
    return encode_views_of(backend, [photos], config, [generator])[0]


def encode_views_of(
    backend: DiffusionBackend,
    photos: Sequence[Sequence[Face]],
    config: TrainConfig,
    generators: Sequence[torch.Generator],
    names: Sequence[str] = (),
) -> list[EncodedViews]:
    """The same for several people, each with their own photos and generator; the VAE encodes them together.

    A view that comes up again, as the photo as it is does, is encoded once. Errors about a photo begin with the
    person's name, where there are names.
    """
    views: list[list[View]] = []
    for own, generator, name in zip(photos, generators, names or [""] * len(photos), strict=True):
        with error_context(name):
            views.append(_drawn(backend, own, config, generator))
    return [
        _encoded(own, drawn, posterior)
        for own, drawn, posterior in zip(photos, views, _posteriors(backend, views, config), strict=True)
    ]


def _drawn(
    backend: DiffusionBackend, photos: Sequence[Face], config: TrainConfig, generator: torch.Generator
) -> list[View]:
    if config.augmentation == "none":
        distinct = {id(face): face for face in photos}
        plain = {key: draw_view(face, config, backend.latents.factor, generator) for key, face in distinct.items()}
        return [plain[id(face)] for face in photos]
    return [draw_view(face, config, backend.latents.factor, generator) for face in photos]


def _posteriors(backend: DiffusionBackend, views: Sequence[Sequence[View]], config: TrainConfig) -> list[Posterior]:
    """Posteriors of each person's views, encoded a few at a time."""
    chunk = 1 if config.low_memory else CHUNK
    distinct = list({id(view): view for own in views for view in own}.values())
    places = {id(view): place for place, view in enumerate(distinct)}
    parts = []
    for start in range(0, len(distinct), chunk):
        if start:
            backend.check_cancelled()
        parts.append(backend.encode_posterior(torch.stack([view.image for view in distinct[start : start + chunk]])))
    if not parts:
        return []
    everything = joined_posteriors(parts)
    return [everything[torch.tensor([places[id(view)] for view in own])] for own in views]


def _encoded(photos: Sequence[Face], views: Sequence[View], posterior: Posterior) -> EncodedViews:
    masks = torch.stack([torch.stack([view.face_mask, view.hair_mask]) for view in views])
    face_mask, hair_mask = to_device(masks, posterior.mean.device).unbind(1)
    features = torch.stack([feature_of(face, view.mirrored) for face, view in zip(photos, views, strict=True)])
    return EncodedViews(
        posterior=posterior,
        face_mask=face_mask,
        hair_mask=hair_mask,
        features=to_device(features, posterior.mean.device, posterior.mean.dtype),
    )


def joined_posteriors(parts: Sequence[Posterior]) -> Posterior:
    """The posteriors of all parts, in their order."""
    deviations = [part.std for part in parts if part.std is not None]
    return Posterior(mean=torch.cat([part.mean for part in parts]), std=torch.cat(deviations) if deviations else None)


def joined_views(parts: Sequence[EncodedViews]) -> EncodedViews:
    """The views of all parts, in their order."""
    return EncodedViews(
        posterior=joined_posteriors([part.posterior for part in parts]),
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
